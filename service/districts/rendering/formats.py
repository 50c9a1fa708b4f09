"""Rendering: an issued report as HTML, PDF, workbook, CSV or JSON.

Kept here: a rendering is a pure function of what was issued (content, hash, signature) and the
language: no clock, no database, no randomness, so the same report is the same bytes whenever and
wherever it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from service.districts.models import DistrictReport
from service.districts.rendering import background
from service.districts.rendering import changes as rendering_changes
from service.districts.rendering import csv as rendering_csv
from service.districts.rendering import figures as tables
from service.districts.rendering import html as rendering_html
from service.districts.rendering import pdf as rendering_pdf
from service.districts.rendering import workbook as rendering_workbook
from service.districts.rendering.cells import period
from service.districts.rendering.model import LANGUAGES, Document, Language, Words
from service.districts.reports.contents import Content, decoded

Shape = Literal["pdf", "xlsx", "csv", "html", "json"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
MEDIA_TYPES: dict[Shape, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
}
BY_LANGUAGE: tuple[Shape, ...] = ("pdf", "xlsx", "html")  # The others are for programs.
_KEPT = 16  # Renderings of the same few reports that are asked for again.


@dataclass(frozen=True, slots=True)
class Issued:
    """What was issued: the canonical JSON, its SHA-256 in hex, the signed note over it."""

    written: bytes
    sha256: str
    signature: str

    @classmethod
    def of(cls, report: DistrictReport) -> "Issued":
        return cls(report.content, report.content_sha256.hex(), report.signature)


def render(issued: Issued, shape: Shape, language: Language = "zh-CN") -> bytes:
    """The report in a format. CSV and JSON are the same in every language."""
    return _rendered(issued, shape, language if shape in BY_LANGUAGE else "zh-CN")


@lru_cache(_KEPT)
def _rendered(issued: Issued, shape: Shape, language: Language) -> bytes:
    if shape == "json":
        return issued.written
    content = decoded(issued.written)
    if shape == "csv":
        return rendering_csv.csv_of(content)
    makers: dict[Shape, Callable[[Document], bytes]] = {
        "html": rendering_html.html_of,
        "pdf": rendering_pdf.pdf_of,
        "xlsx": rendering_workbook.workbook_of,
    }
    return makers[shape](document(issued, content, language))


def all_of() -> list[tuple[Shape, Language]]:
    """Every format in every language that it comes in."""
    return [
        (shape, language)
        for shape in SHAPES
        for language in (LANGUAGES if shape in BY_LANGUAGE else LANGUAGES[:1])
    ]


def file_name(content: Content, shape: Shape, language: Language) -> str:
    """In ASCII, for ``Content-Disposition``."""
    tongue = f"-{language}" if shape in BY_LANGUAGE else ""
    place = f"{content['division']['code']}-{content['period']}-v{content['version']}"
    return f"tanhui-{place}{tongue}.{shape}"


def document(issued: Issued, content: Content, language: Language) -> Document:
    """The report as people read it: the figures first, the long tables behind, the proof last."""
    words = Words(language)
    name, when = content["division"]["name"], period(content["period"], words)
    return Document(
        language,
        words(f"{name} {when}碳普惠报告", f"Carbon-credit report of {name}, {when}"),
        words(
            f"第 {content['version']} 版 · 碳惠（Tanhui）平台",
            f"Version {content['version']} · Tanhui (碳惠)",
        ),
        words(
            f"{name} {content['period']} 第 {content['version']} 版",
            f"{name} {content['period']} version {content['version']}",
        ),
        content["issued_at"],
        (
            background.about(content, words),
            background.legend(content, words),
            tables.summary(content, words),
            *background.indicators(content, words),
            tables.by_behaviour(content, words),
            tables.by_town(content, words),
            tables.by_time(content, words),
            tables.points(content, words),
            *rendering_changes.changes(content, words),
            *background.months(content, words),
            tables.towns_by_behaviour(content, words),
            tables.times_by_behaviour(content, words),
            background.methods(content, words),
            background.proof(issued.sha256, issued.signature, words),
        ),
    )
