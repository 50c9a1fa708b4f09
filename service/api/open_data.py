"""Open data: the published figures of districts, for anybody, at addresses that stay."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from flask import Blueprint, Response, request, stream_with_context
from msgspec import json

from service.auth import public
from service.cache import CacheAway
from service.districts.published import open_data
from service.districts.published.open_data import Edition, Issued
from service.services import services

bp = Blueprint("open_data", __name__, url_prefix="/open-data")

CACHE_S = 300
KEPT_S = 30 * 24 * 60 * 60  # A report's lines; some kilobytes each.


@bp.get("/")
@public
def index() -> Response:
    """What there is: the files, their columns, licence and edition."""
    edition = services().database.transact(open_data.edition)
    columns = [column._asdict() for column in open_data.COLUMNS]
    told = {
        "title": {"zh": "碳惠区县公开数据", "en": "Tanhui: published figures of districts"},
        "licence": open_data.LICENCE,
        "note": {
            "zh": "少于 10 名居民的数字不公布，合计请自行加总已公布的数。",
            "en": "Figures of fewer than 10 residents are withheld; add up what is published.",
        },
        "reports": edition.reports,
        "issued_at": edition.issued_at,
        "files": [
            {"name": "districts.csv", "media_type": "text/csv", "encoding": "utf-8"},
            {"name": "dictionary.csv", "media_type": "text/csv", "encoding": "utf-8"},
        ],
        "columns": columns,
    }
    return _tagged(Response(json.encode(told), content_type="application/json"), edition.tag)


@bp.get("/dictionary.csv")
@public
def dictionary() -> Response:
    """The columns of the figures' file, with units, in Chinese and English."""
    answer = _file(Response(open_data.dictionary()), "dictionary.csv")
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@bp.get("/districts.csv")
@public
def districts() -> Response:
    """Every published figure of every issued month, as its latest version has it."""
    edition = services().database.transact(open_data.edition)
    answer = _tagged(_file(Response(), "districts.csv"), edition.tag)
    if answer.status_code == 200:
        answer.headers.pop("Content-Length", None)  # Was counted while there was no body.
        if request.method != "HEAD":
            answer.response = stream_with_context(_lines(edition))
    return answer


def _lines(edition: Edition) -> Iterator[bytes]:
    transact = services().database.transact
    yield open_data.header()
    after: tuple[str, str] | None = None
    while page := transact(partial(open_data.issued, upto=edition, after=after)):
        yield from _of(page)
        after = page[-1].division_code, page[-1].period


def _of(page: Sequence[Issued]) -> Iterator[bytes]:
    """Lines of reports, kept in Redis from when they were first written: writing them out takes
    fifty times as long.
    """
    cache = services().cache
    packed = cache.kept([open_data.place(report) for report in page])
    lines = {
        report.sha256: told
        for report, kept in zip(page, packed, strict=True)
        if (told := _unpacked(kept)) is not None
    }
    if new := [report for report in page if report.sha256 not in lines]:
        lines |= services().database.transact(partial(open_data.lines, of=new))
        with suppress(CacheAway):
            for report in new:
                packed_lines = zlib.compress(lines[report.sha256], level=1)
                cache.keep(open_data.place(report), packed_lines, KEPT_S)
    for report in page:
        yield lines[report.sha256]


def _unpacked(kept: bytes | None) -> bytes | None:
    try:
        return None if kept is None else zlib.decompress(kept)
    except zlib.error:  # Not of our writing: written over.
        return None


def _file(answer: Response, name: str) -> Response:
    answer.content_type = "text/csv; charset=utf-8; header=present"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _tagged(answer: Response, tag: str) -> Response:
    answer.set_etag(tag)
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
    answer.make_conditional(request)
    return answer
