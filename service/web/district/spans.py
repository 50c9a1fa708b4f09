"""Periods to choose from: the months that are issued, and the quarters and years that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask_babel import gettext as _

from service.districts.reports.periods import period_of
from service.language import Text, chosen
from service.web.rendering import BEIJING

KINDS = ("month", "quarter", "year")


@dataclass(frozen=True, slots=True)
class Choices:
    """``period`` is shown; ``groups`` are those with something issued, by kind, the latest first;
    ``kinds`` the same place as a month, a quarter or a year. ``before`` and ``after`` are its
    neighbours among those of its kind.
    """

    period: str
    kind: str
    groups: dict[str, list[str]]
    kinds: dict[str, str]
    before: str | None
    after: str | None


def choices(months: Sequence[str], wanted: str) -> Choices:
    """``months`` issued, the latest first; without a wish the latest of them, or the last month
    that is over.
    """
    groups = {
        "month": list(months),
        "quarter": list(dict.fromkeys(map(quarter_of, months))),
        "year": list(dict.fromkeys(month[:4] for month in months)),
    }
    period = wanted or (months[0] if months else last_month())
    kind = kind_of(period)
    near = next((month for month in months if _holds(period, month)), None)
    kinds = {} if near is None else {"month": near, "quarter": quarter_of(near), "year": near[:4]}
    beside = groups[kind]
    place = beside.index(period) if period in beside else None
    return Choices(
        period=period,
        kind=kind,
        groups=groups,
        kinds=kinds,
        before=None if place is None or place + 1 == len(beside) else beside[place + 1],
        after=beside[place - 1] if place else None,
    )


def kind_of(period: str) -> str:
    """Month, quarter or year, of what may be no period at all."""
    return "quarter" if "Q" in period else "month" if "-" in period else "year"


def quarter_of(month: str) -> str:
    """2026-10 → 2026-Q4."""
    return f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}"


def last_month() -> str:
    """The month before today's, in the districts' zone."""
    first = datetime.now(UTC).astimezone(BEIJING).date().replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


def span_name(period: str) -> str:
    """As people say it; what is no period stays as it is."""
    try:
        span = period_of(period)
    except ValueError:
        return period
    year, quarter = span.first.year, (span.first.month + 2) // 3
    match span.kind:
        case "month":
            zh, en = f"{year} 年 {span.first.month} 月", f"{span.first:%B} {year}"
        case "quarter":
            zh, en = f"{year} 年第 {quarter} 季度", f"Q{quarter} {year}"
        case _:
            zh, en = f"{year} 年", f"{year}"
    return chosen(Text(zh, en))


def kind_name(kind: str) -> str:
    """Of a period."""
    names: dict[str, str] = {"month": _("月"), "quarter": _("季度"), "year": _("年")}
    return names[kind]


def days_label(at: str) -> str:
    """A day within its month, a month as it is: as a chart's label."""
    return f"{date.fromisoformat(at):%m-%d}" if len(at) == len("2026-10-01") else at


def _holds(period: str, month: str) -> bool:
    return period in (month, quarter_of(month), month[:4])
