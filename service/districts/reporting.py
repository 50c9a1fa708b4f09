"""A district's month: activities by behaviour and town, residents, kg CO2e, points.

Read straight from activities and transfers, for districts and months that are over. Months are
those of the programme's zone (Asia/Shanghai, design section 4). Small cells are withheld by
``service.districts.suppression``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, DivisionMerge
from activities.errors import UnknownDivision
from service.districts.errors import DistrictMerged, MonthNotOver, NotADistrict
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


# First a row a resident, in which Citus lets GROUPING SETS and DISTINCT be counted exactly.
# An activity counts as it stands now, with all that became of it after its first decision.
_ACTIVITIES = text("""
    WITH of_resident AS MATERIALIZED (
        SELECT division_code, behaviour_code, holder_id, count(*) AS activities,
               sum(mg) AS mg, sum(points) AS points
        FROM (
            SELECT a.division_code, a.behaviour_code, a.holder_id,
                   coalesce(d.decision, a.decision) AS decision,
                   a.saved_mg_co2e + coalesce(d.mg, 0) AS mg,
                   a.points + coalesce(d.points, 0) AS points
            FROM activity AS a
            LEFT JOIN (
                SELECT DISTINCT ON (holder_id, activity_id) holder_id, activity_id, decision,
                       sum(saved_mg_co2e) OVER of_one AS mg, sum(points) OVER of_one AS points
                FROM adjustment
                WHERE day >= :first AND day < :beyond AND left(division_code, 6) = ANY(:divisions)
                WINDOW of_one AS (PARTITION BY holder_id, activity_id)
                ORDER BY holder_id, activity_id, recorded_at DESC
            ) AS d ON d.holder_id = a.holder_id AND d.activity_id = a.id
            WHERE a.day >= :first AND a.day < :beyond AND left(a.division_code, 6) = ANY(:divisions)
        ) AS standing
        WHERE decision = 'verified'
        GROUP BY division_code, behaviour_code, holder_id)
    SELECT division_code, behaviour_code, sum(activities)::bigint, count(DISTINCT holder_id),
           sum(mg), sum(points)
    FROM of_resident
    GROUP BY GROUPING SETS
        ((division_code, behaviour_code), (division_code), (behaviour_code), ())
""")
_SPENT = text("""
    WITH of_resident AS MATERIALIZED (
        SELECT participant.division_code, transfer.holder_id, sum(transfer.amount) AS points
        FROM transfer JOIN participant USING (holder_id)
        WHERE transfer.kind = 'spend' AND transfer.unit = 'point'
          AND transfer.occurred_at >= :first AND transfer.occurred_at < :beyond
          AND left(participant.division_code, 6) = ANY(:divisions)
        GROUP BY participant.division_code, transfer.holder_id)
    SELECT division_code, count(DISTINCT holder_id), sum(points)
    FROM of_resident GROUP BY GROUPING SETS ((division_code), ())
""")


def report(session: Session, division_code: str, month: date, *, now: datetime) -> Report:
    """The division's ``month`` (its first day), small cells withheld.

    Reads what is recorded up to now; spends count by the town of today.

    Raises:
        UnknownDivision: no such code.
        NotADistrict: a province, city or town.
        DistrictMerged: it was part of another by the end of the month.
        MonthNotOver: it has not ended yet.

    Districts that merged into it by the end of the month are part of it, with their towns.
    """
    division = session.get(Division, division_code)
    if division is None:
        raise UnknownDivision(division_code)
    if division.level != "district":
        raise NotADistrict(division_code)
    if month >= now.astimezone(ZONE).date().replace(day=1):
        raise MonthNotOver(f"{month:%Y-%m}")
    beyond = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    divisions = _with_merged(session, division_code, beyond)
    towns = _towns(session, divisions)
    return Report(
        division_code=division.code,
        division_name=division.name_zh,
        month=f"{month:%Y-%m}",
        as_of=now,
        rows=_rows(session, towns, divisions, month, beyond),
        spent=_spent(session, towns, divisions, month, beyond),
    )


def _with_merged(session: Session, district: str, beyond: date) -> list[str]:
    """The district and those that became part of it before a day, through others too."""
    merges = session.scalars(select(DivisionMerge).where(DivisionMerge.merged_on < beyond)).all()
    into = {merge.code: merge.into_code for merge in merges}
    if district in into:
        raise DistrictMerged(district, into[district])
    found = [district]
    for each in found:  # Grows while it is read.
        found += [code for code, target in into.items() if target == each and code not in found]
    return found


def _towns(session: Session, divisions: list[str]) -> dict[str, str]:
    rows = session.execute(
        text("SELECT code, name_zh FROM division WHERE level = 'town'"
             " AND left(code, 6) = ANY(:divisions) ORDER BY code"),
        {"divisions": divisions},
    )  # fmt: skip
    return {row[0]: row[1] for row in rows}


def _rows(
    session: Session, towns: Mapping[str, str], divisions: list[str], first: date, beyond: date
) -> list[Row]:
    found = session.execute(_ACTIVITIES, {"first": first, "beyond": beyond, "divisions": divisions})
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
    session: Session, towns: Mapping[str, str], divisions: list[str], first: date, beyond: date
) -> list[SpentRow]:
    found = session.execute(
        _SPENT,
        {
            "first": datetime(first.year, first.month, 1, tzinfo=ZONE),
            "beyond": datetime(beyond.year, beyond.month, 1, tzinfo=ZONE),
            "divisions": divisions,
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
