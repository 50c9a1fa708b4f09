"""A district's month: activities by behaviour and town, residents, kg CO2e, points.

Read straight from activities and transfers, for districts and months that are over. Months are
those of the programme's zone (Asia/Shanghai, design section 4). Small cells are withheld by
``service.districts.suppression``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.errors import UnknownDivision
from activities.models import Division
from service.districts.errors import MonthNotOver, NotADistrict
from service.districts.suppression import TOTAL, Cell, withheld

ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands behind one cell; activities of residents, summed."""

    activities: int
    residents: int
    saved_mg_co2e: int
    earned_points: int


@dataclass(frozen=True, slots=True)
class Row:
    """One published line. ``figures`` is None where the cell is withheld.

    ``town_code`` or ``behaviour_code`` is None in a total.
    """

    town_code: str | None
    town_name: str
    behaviour_code: str | None
    behaviour_name_zh: str
    behaviour_name_en: str
    figures: Figures | None


@dataclass(frozen=True, slots=True)
class SpentRow:
    """Points spent by the residents of a town; None where withheld."""

    town_code: str | None
    town_name: str
    spent_points: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """A division's month as it may be published, as of ``as_of``."""

    division_code: str
    division_name: str
    month: str
    as_of: datetime
    rows: list[Row]
    spent: list[SpentRow]


_ACTIVITIES = text("""
    SELECT division_code, behaviour_code, count(*), count(DISTINCT holder_id),
           sum(saved_mg_co2e), sum(points)
    FROM activity
    WHERE decision = 'verified' AND day >= :first AND day < :beyond
      AND starts_with(division_code, :division)
    GROUP BY GROUPING SETS
        ((division_code, behaviour_code), (division_code), (behaviour_code), ())
""")
_SPENT = text("""
    SELECT participant.division_code, count(DISTINCT transfer.holder_id), sum(transfer.amount)
    FROM transfer JOIN participant USING (holder_id)
    WHERE transfer.kind = 'spend' AND transfer.unit = 'point'
      AND transfer.occurred_at >= :first AND transfer.occurred_at < :beyond
      AND starts_with(participant.division_code, :division)
    GROUP BY GROUPING SETS ((participant.division_code), ())
""")


def report(session: Session, division_code: str, month: date, *, now: datetime) -> Report:
    """The division's ``month`` (its first day), small cells withheld.

    Reads what is recorded up to now; spends count by the town of today.

    Raises:
        UnknownDivision: no such code.
        NotADistrict: a province, city or town.
        MonthNotOver: it has not ended yet.
    """
    division = session.get(Division, division_code)
    if division is None:
        raise UnknownDivision(division_code)
    if division.level != "district":
        raise NotADistrict(division_code)
    if month >= now.astimezone(ZONE).date().replace(day=1):
        raise MonthNotOver(f"{month:%Y-%m}")
    beyond = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    towns = _towns(session, division_code)
    return Report(
        division_code=division.code,
        division_name=division.name_zh,
        month=f"{month:%Y-%m}",
        as_of=now,
        rows=_rows(session, towns, division_code, month, beyond),
        spent=_spent(session, towns, division_code, month, beyond),
    )


def _towns(session: Session, division_code: str) -> dict[str, str]:
    rows = session.execute(
        text("SELECT code, name_zh FROM division WHERE level = 'town'"
             " AND starts_with(code, :division) ORDER BY code"),
        {"division": division_code},
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def _rows(
    session: Session, towns: Mapping[str, str], division_code: str, first: date, beyond: date
) -> list[Row]:
    found = session.execute(
        _ACTIVITIES, {"first": first, "beyond": beyond, "division": division_code}
    )
    cells: dict[Cell, Figures] = {
        (town or TOTAL, behaviour or TOTAL): Figures(count, residents, int(mg), int(points))
        for town, behaviour, count, residents, mg, points in found
        if count
    }
    hidden = withheld({cell: figures.residents for cell, figures in cells.items()})
    names = _behaviour_names(session)
    return [
        Row(
            town_code=None if town == TOTAL else town,
            town_name="合计" if town == TOTAL else towns.get(town, town),
            behaviour_code=None if behaviour == TOTAL else behaviour,
            behaviour_name_zh="合计" if behaviour == TOTAL else names[behaviour][0],
            behaviour_name_en="Total" if behaviour == TOTAL else names[behaviour][1],
            figures=None if (town, behaviour) in hidden else cells[town, behaviour],
        )
        for town, behaviour in sorted(cells, key=_totals_last)
    ]


def _totals_last(cell: Cell) -> tuple[bool, str, bool, str]:
    town, behaviour = cell
    return town == TOTAL, town, behaviour == TOTAL, behaviour


def _behaviour_names(session: Session) -> dict[str, tuple[str, str]]:
    rows = session.execute(text("SELECT code, name_zh, name_en FROM behaviour"))
    return {row[0]: (row[1], row[2]) for row in rows}


def _spent(
    session: Session, towns: Mapping[str, str], division_code: str, first: date, beyond: date
) -> list[SpentRow]:
    found = session.execute(
        _SPENT,
        {
            "first": datetime(first.year, first.month, 1, tzinfo=ZONE),
            "beyond": datetime(beyond.year, beyond.month, 1, tzinfo=ZONE),
            "division": division_code,
        },
    )
    spent = {(town or TOTAL, "spent"): (people, points) for town, people, points in found if people}
    hidden = withheld({cell: people for cell, (people, _) in spent.items()})
    return [
        SpentRow(
            town_code=None if town == TOTAL else town,
            town_name="合计" if town == TOTAL else towns.get(town, town),
            spent_points=None if (town, kind) in hidden else int(spent[town, kind][1]),
        )
        for town, kind in sorted(spent, key=_totals_last)
    ]
