"""What all issued months add up to: the programmes' totals, as anybody may read them.

Totals of the books as they stand would not do: read before and after an act they tell what one
resident did, and less what is published of all districts they tell what was withheld.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.json import Decoder
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from service.districts.models import DistrictReport

READ_AT_ONCE = 50  # Reports; of a district with 20 towns one is some hundred kilobytes.
_MONTH = len("2026-10")


class _Figures(Struct):
    activities: int
    saved_mg_co2e: int
    earned_points: int


class _Total(Struct):
    figures: _Figures | None


class _Points(Struct):
    town_code: str | None
    spent_points: int | None


class _Registered(Struct):
    town_code: str | None
    residents: int | None


class _Month(Struct):
    """Of a report what the totals need; the rest is passed over."""

    total: _Total
    points: list[_Points]
    registered: list[_Registered]


_MONTHS = Decoder(_Month)


def published_totals(session: Session) -> dict[str, int]:
    """Sums over the latest version of each issued month of all districts.

    ``residents`` are those registered at the end of each district's last issued month, rounded down
    to tens district by district; all else is as exact as it is published. Withheld figures are not
    in it.
    """
    found = dict.fromkeys(("verified", "saved_mg_co2e", "earned_points", "spent_points"), 0)
    registered: dict[str, int] = {}
    for district, month in _latest(session):
        if (figures := month.total.figures) is not None:
            found["verified"] += figures.activities
            found["saved_mg_co2e"] += figures.saved_mg_co2e
            found["earned_points"] += figures.earned_points
        found["spent_points"] += sum(
            row.spent_points or 0 for row in month.points if row.town_code is None
        )
        registered[district] = sum(
            row.residents or 0 for row in month.registered if row.town_code is None
        )
    return found | {"residents": sum(registered.values())}


def _latest(session: Session) -> Iterator[tuple[str, _Month]]:
    """Each district's issued months, the last one last."""
    one = DistrictReport
    newest = (
        select(one.division_code, one.period, func.max(one.version))
        .where(func.length(one.period) == _MONTH)
        .group_by(one.division_code, one.period)
        .order_by(one.division_code, one.period)
    )
    keys = [tuple(row) for row in session.execute(newest)]
    for at in range(0, len(keys), READ_AT_ONCE):
        wanted = tuple_(one.division_code, one.period, one.version).in_(
            keys[at : at + READ_AT_ONCE]
        )
        query = select(one.division_code, one.content).where(wanted)
        for district, content in session.execute(query.order_by(one.division_code, one.period)):
            yield district, _MONTHS.decode(content)
