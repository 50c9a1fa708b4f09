"""What commands print: tables for people, JSON and CSV for programs."""

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from unicodedata import east_asian_width

import click
import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Factor, Method, Scene
from activities.explanations import SENTENCES
from ledgers.audit import Drift, Progress, no_progress
from service.audits.running import Totals
from service.demo import Demo
from service.demo_shops import MERCHANT_ID
from service.districts.published.month import Report
from service.feeds.importing import Summary

WITHHELD = "*"
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?")
_FACT = re.compile(r"\{\w+\}")  # What differs from row to row.


def grams(mg: int) -> str:
    """Milligrams as grams, all digits kept: 1234567 → 1,234.567."""
    return f"{'-' if mg < 0 else ''}{abs(mg) // 1000:,}.{abs(mg) % 1000:03}"


def kilograms(mg: int) -> str:
    """Milligrams as kilograms, all digits kept."""
    return f"{'-' if mg < 0 else ''}{abs(mg) // 1_000_000:,}.{abs(mg) % 1_000_000:06}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns in line, numbers to the right; a Chinese character takes two places."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(_width(row[n]) for row in cells) for n in range(len(header))]
    numeric = [
        all(_NUMBER.fullmatch(row[n]) for row in cells[1:] if row[n] != "*")
        for n in range(len(header))
    ]
    return "\n".join(
        "  ".join(
            _pad(cell, width, right=right)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def _width(cell: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in cell)


def _pad(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space


def summary_text(summary: Summary) -> str:
    """What a file came to, and the rows that could not be read."""
    lines = [
        f"{summary.rows:,} rows: {summary.verified:,} verified, "
        f"{summary.trimmed:,} of them over a cap; "
        f"{summary.already_known:,} already known",
        f"  {grams(summary.saved_mg_co2e)} g CO2e saved; {summary.points:,} points,"
        f" {summary.trimmed_points:,} withheld by caps",
    ]
    lines += [
        f"  not granted {count:,}: {code} · {_FACT.sub('…', ' '.join(SENTENCES[code]))}"
        for code, count in sorted(summary.not_granted.items())
    ]
    if summary.unreadable:
        lines.append(f"  not imported: {summary.unreadable:,} rows that could not be read")
        lines += [f"    line {line}: {why}" for line, why in summary.problems]
    return "\n".join(lines)


def summary_json(summary: Summary) -> str:
    """The same as JSON."""
    return msgspec.json.encode(_summary(summary)).decode()


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "rows": summary.rows,
        "verified": summary.verified,
        "trimmed": summary.trimmed,
        "already_known": summary.already_known,
        "by_code": dict(sorted(summary.by_code.items())),
        "saved_mg_co2e": summary.saved_mg_co2e,
        "points": summary.points,
        "trimmed_points": summary.trimmed_points,
        "unreadable": summary.unreadable,
        "problems": [{"line": line, "why": why} for line, why in summary.problems],
    }


def report_rows(report: Report) -> list[dict[str, object]]:
    """The report's lines as they are exported: a withheld cell is empty."""
    return [
        {
            "town_code": row.town_code or "",
            "town_name": row.town_name,
            "behaviour_code": row.behaviour_code or "",
            "behaviour_name": row.behaviour_name_zh,
            "activities": row.figures.activities if row.figures else "",
            "residents": _shown(row.figures.residents if row.figures else None, ""),
            "saved_mg_co2e": row.figures.saved_mg_co2e if row.figures else "",
            "earned_points": row.figures.earned_points if row.figures else "",
        }
        for row in report.rows
    ]


def report_text(report: Report) -> str:
    """The report as a table; ``*`` is a withheld cell."""
    title = f"{report.division_name} ({report.division_code}) {report.month} v{report.version}"
    if not report.rows:
        return f"{title}: 本月无活动 · no activities in this month"
    rows = [
        (
            row.town_name,
            row.behaviour_name_zh,
            *(
                (
                    f.activities,
                    _shown(f.residents, WITHHELD),
                    kilograms(f.saved_mg_co2e),
                    f"{f.earned_points:,}",
                )
                if (f := row.figures)
                else (WITHHELD,) * 4
            ),
        )
        for row in report.rows
    ]
    header = ("街镇", "行为", "次数", "参与居民", "减排 kg CO2e", "获得积分")
    spent = [
        (row.town_name, WITHHELD if row.spent_points is None else f"{row.spent_points:,}")
        for row in report.spent
    ] or [("合计", "0")]
    note = (
        f"{WITHHELD}: 少于 10 名居民，或会由此推出少于 10 名居民的数字 · withheld\n"
        "合计只加已公布的数，居民人数向下取整到十 · totals add what is published; residents in tens"
    )
    return "\n\n".join(
        [f"{title}\n{table(header, rows)}", table(("街镇", "使用积分"), spent), note]
    )


def _shown(value: int | None, otherwise: str) -> int | str:
    return otherwise if value is None else value


def report_json(report: Report) -> str:
    """The whole report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def report_csv(report: Report) -> str:
    """The lines as CSV, with a byte order mark for spreadsheets."""
    rows = report_rows(report)
    out = io.StringIO()
    names = [
        *("town_code", "town_name", "behaviour_code", "behaviour_name", "activities"),
        *("residents", "saved_mg_co2e", "earned_points"),
    ]
    writer = csv.DictWriter(out, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + out.getvalue()


@contextmanager
def audit_progress() -> Iterator[Progress]:
    """A bar for each check on a terminal's standard error; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield no_progress
        return

    def show(check: str, done: int, of: int) -> None:
        filled = 30 * done // of if of else 30
        bar = "#" * filled + "-" * (30 - filled)
        click.echo(f"\r  [{bar}] {check:<34.34}", nl=False, err=True)

    yield show
    click.echo("\r" + " " * 70 + "\r", nl=False, err=True)


def audit_text(drifts: Sequence[Drift], totals: Totals) -> str:
    """Each drift on a line, or that there is none; and the programmes' own accounts."""
    lines = [f"{d.check} {d.subject}: {d.found}, not {d.expected}" for d in drifts]
    rows = [
        (programme, kind, unit, f"{balance:,}")
        for programme, balances in totals.items()
        for (unit, kind), balance in sorted(balances.items())
        if balance
    ]
    lines.append(table(("programme", "account", "unit", "balance"), rows))
    lines.append(f"{len(drifts)} drifts" if drifts else "no drift: every figure recomputes")
    return "\n".join(lines)


def audit_json(drifts: Sequence[Drift], totals: Totals) -> str:
    """The same as JSON; of the programmes' accounts all, also those of nothing."""
    system_accounts = [
        {"programme": programme, "kind": kind, "unit": unit, "balance": balance}
        for programme, balances in totals.items()
        for (unit, kind), balance in sorted(balances.items())
    ]
    return msgspec.json.encode({"drifts": drifts, "system_accounts": system_accounts}).decode()


AUDIT_SHAPES = {"text": audit_text, "json": audit_json}

REPORT_SHAPES: dict[str, Callable[[Report], str]] = {
    "table": report_text,
    "json": report_json,
    "csv": report_csv,
}


def demo_text(demo: Demo) -> str:
    """What came in, what was decided and why, what was earned."""
    redeemed = demo.redeemed
    parts = [f"{scene}\n{summary_text(summary)}" for scene, summary in demo.imports.items()]
    parts.append(
        f"redemption {redeemed.id}\n  {redeemed.spent_points} points for one voucher,"
        f" code {redeemed.voucher_code}"
    )
    parts += [report_text(report) for report in demo.reports]
    parts.append(
        "go on, in the browser: / and /sign-in, with any phone number; or by commands:\n"
        f"  tanhui token resident --subject {demo.holder_id}\n"
        f"  tanhui token merchant --scope {MERCHANT_ID}\n"
        "  tanhui token district_officer --scope 310118\n"
        "  tanhui reports show 310118 2016-04 --format pdf --output 2016-04.pdf\n"
        "  tanhui audit"
    )
    return "\n\n".join(parts)


def demo_json(demo: Demo) -> str:
    """The same as JSON."""
    redeemed = demo.redeemed
    return msgspec.json.encode(
        {
            "resident": demo.holder_id,
            "merchant": MERCHANT_ID,
            "imports": {scene: _summary(summary) for scene, summary in demo.imports.items()},
            "redemption": {"id": redeemed.id, "spent_points": redeemed.spent_points},
            "reports": demo.reports,
        }
    ).decode()


def catalogue_text(session: Session) -> str:
    """Scenes with method, factor and source."""
    query = (
        select(Scene, Method, Factor)
        .join(
            Method,
            (Method.programme_code == Scene.programme_code)
            & (Method.behaviour_code == Scene.behaviour_code),
        )
        .outerjoin(Factor, Factor.code == Method.factor_code)
        .order_by(Scene.code, Method.version)
    )
    rows = [
        (
            scene.code,
            scene.name_zh,
            f"{scene.approved_from} – {scene.approved_to}",
            f"{method.code} v{method.version}",
            *_factor_cells(method, factor),
        )
        for scene, method, factor in session.execute(query)
    ]
    return table(("scene", "名称", "approved", "method", "factor", "source"), rows)


def _factor_cells(method: Method, factor: Factor | None) -> tuple[str, str]:
    """The factor as published and its source; a method by mass has one for each material."""
    if factor is None:
        return "by material", method.document
    less = f" less {method.actual_factor_code}" if method.actual_factor_code else ""
    return (
        f"{factor.code} {factor.published_value} {factor.published_unit}{less}",
        f"{factor.publisher}: {factor.document} ({factor.year})",
    )
