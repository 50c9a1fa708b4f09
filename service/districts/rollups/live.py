"""Live figures of a division's month: the roll-ups as they stand, nothing withheld.

For those who may see single residents anyway. What is published are issued reports.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Behaviour, Division
from activities.errors import UnknownDivision
from service.districts.rollups.reading import ALL, NO_BEHAVIOUR, as_of, reader_index


class LiveRow(NamedTuple):
    """What stands of a division and behaviour. ``behaviour_code`` is "-" for points spent and
    expired, vouchers, and what was given for no activity, which have no ``residents`` of their own;
    None in the division's total.
    """

    division_code: str
    division_name: str
    behaviour_code: str | None
    behaviour_name_zh: str
    behaviour_name_en: str
    activities: int
    residents: int | None
    saved_mg_co2e: int
    earned_points: int
    spent_points: int
    expired_points: int
    vouchers: int


@dataclass(frozen=True, slots=True)
class Live:
    """The month up to ``as_of``: the leaves of the log below ``folded_to``."""

    division_code: str
    division_name: str
    month: str
    as_of: datetime
    folded_to: int
    rows: list[LiveRow]


_FIGURES = text("""
    SELECT division_code, behaviour_code, sum(activities)::bigint, sum(saved_mg_co2e)::bigint,
           sum(earned_points)::bigint, sum(spent_points)::bigint, sum(expired_points)::bigint,
           sum(vouchers)::bigint
    FROM district_day
    WHERE division_code = ANY(:codes) AND day >= :first AND day < :beyond
    GROUP BY division_code, behaviour_code
""")
_RESIDENTS = text("""
    SELECT division_code, behaviour_code, residents FROM district_month
    WHERE division_code = ANY(:codes) AND month = :first
""")


def live(session: Session, division_code: str, month: date, *, now: datetime) -> Live:
    """The figures of ``month`` (its first day), of the division and each one right below it.

    ``session`` is an unchanging snapshot, so that all is of one moment. Divisions and behaviours of
    which there is nothing are left out; the division itself comes first, then those below it by
    code; a division's total before its behaviours. Residents are different ones, so they do not add
    up.

    Raises UnknownDivision.
    """
    division = session.get(Division, division_code)
    if division is None:
        raise UnknownDivision(division_code)
    index = reader_index(session)
    return Live(
        division_code=division.code,
        division_name=division.name_zh,
        month=f"{month:%Y-%m}",
        as_of=as_of(session, index, now=now),
        folded_to=index,
        rows=_rows(session, division, month),
    )


def _rows(session: Session, division: Division, month: date) -> list[LiveRow]:
    below = or_(Division.code == division.code, Division.parent_code == division.code)
    query = select(Division.code, Division.name_zh).where(below)
    names: dict[str, str] = dict(session.execute(query).all())
    beyond = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    asked = {"codes": sorted(names), "first": month, "beyond": beyond}
    figures: dict[tuple[str, str], tuple[int, ...]] = {}
    for code, behaviour, *counts in session.execute(_FIGURES, asked):
        figures[code, behaviour] = tuple(counts)
        before = figures.get((code, ALL), (0,) * len(counts))
        figures[code, ALL] = tuple(map(sum, zip(before, counts, strict=True)))
    residents = {(code, b): count for code, b, count in session.execute(_RESIDENTS, asked)}
    behaviours = _behaviours(session)
    rows = []
    for code, behaviour in sorted(figures, key=lambda k: (k[0] != division.code, k[0], _rank(k))):
        activities, *rest = figures[code, behaviour]
        if not any((activities, *rest)):
            continue
        behind = None if behaviour == NO_BEHAVIOUR else residents.get((code, behaviour), 0)
        shown = None if behaviour == ALL else behaviour
        rows.append(
            LiveRow(code, names[code], shown, *behaviours[behaviour], activities, behind, *rest)
        )
    return rows


def _rank(key: tuple[str, str]) -> tuple[bool, bool, str]:
    """Totals first, what is of no behaviour last."""
    _, behaviour = key
    return behaviour != ALL, behaviour == NO_BEHAVIOUR, behaviour


def _behaviours(session: Session) -> dict[str, tuple[str, str]]:
    query = select(Behaviour.code, Behaviour.name_zh, Behaviour.name_en)
    found = {code: (zh, en) for code, zh, en in session.execute(query)}
    return found | {ALL: ("合计", "Total"), NO_BEHAVIOUR: ("不分行为", "Of no behaviour")}
