"""A district's month as one table, read from the report that was issued.

What is published is in the report (``service.districts.reports.issuing``); here is the shape of
``GET /v1/districts/…/report`` and of ``tanhui report``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from service.districts.errors import ReportNotIssued
from service.districts.models import DistrictReport
from service.districts.reports.contents import Content, decoded
from service.districts.reports.contents import Row as PublishedRow
from service.districts.reports.issuing import issued
from service.districts.reports.periods import check_over, district_of, period_of, with_merged
from service.districts.rollups.reading import ZONE as ZONE


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands behind one cell; ``residents`` in tens, rounded down, None below ten."""

    activities: int
    residents: int | None
    saved_mg_co2e: int
    earned_points: int


@dataclass(frozen=True, slots=True)
class Row:
    """One published line. ``figures`` is None where the cell is withheld.

    ``town_code`` or ``behaviour_code`` is None in a total, which lacks ``left_out`` withheld cells.
    """

    town_code: str | None
    town_name: str
    behaviour_code: str | None
    behaviour_name_zh: str
    behaviour_name_en: str
    figures: Figures | None
    left_out: int


@dataclass(frozen=True, slots=True)
class SpentRow:
    """Points spent by the residents of a town; None where withheld."""

    town_code: str | None
    town_name: str
    spent_points: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """A division's month as its latest version says, with figures as of ``as_of``."""

    division_code: str
    division_name: str
    month: str
    version: int
    as_of: datetime
    rows: list[Row]
    spent: list[SpentRow]


def report(session: Session, division_code: str, month: date, *, now: datetime) -> Report:
    """The district's ``month`` (its first day), as it was issued last.

    Raises:
        UnknownDivision: no such code.
        NotADistrict: a province, city or town.
        DistrictMerged: it was part of another by the end of the month.
        MonthNotOver: it has not ended yet.
        ReportNotIssued: it has ended, and was not issued yet.
    """
    return told(decoded(latest(session, division_code, f"{month:%Y-%m}", now=now).content))


def latest(session: Session, division_code: str, period: str, *, now: datetime) -> DistrictReport:
    """The latest version of a report; see ``report``. Raises ValueError for what is no period."""
    span = period_of(period)
    if versions := issued(session, division_code, period):
        return versions[-1]
    district_of(session, division_code)
    check_over(span, now=now)
    with_merged(session, division_code, span.months()[-1])
    raise ReportNotIssued(division_code, period)


def told(content: Content) -> Report:
    """A report as one table: rows with anything in them, totals last."""
    towns = {town["code"]: town["name"] for town in content["towns"]}
    names = {each["code"]: (each["name_zh"], each["name_en"]) for each in content["behaviours"]}
    rows = [_row(row, towns, names) for row in _published(content) if _says_something(row)]
    return Report(
        division_code=content["division"]["code"],
        division_name=content["division"]["name"],
        month=content["period"],
        version=content["version"],
        as_of=datetime.fromisoformat(content["as_of"]),
        rows=sorted(rows, key=_totals_last),
        spent=[
            SpentRow(
                town_code=line["town_code"],
                town_name=_name(line["town_code"], towns),
                spent_points=line["spent_points"],
            )
            for line in content["points"]
            if line["spent_points"] != 0
        ],
    )


def _published(content: Content) -> Iterator[PublishedRow]:
    yield from content["by_town"]
    yield from content["by_behaviour"]
    yield from content["town_totals"]
    yield content["total"]


def _says_something(row: PublishedRow) -> bool:
    figures = row["figures"]
    return figures is None or any(figures.values())


def _row(row: PublishedRow, towns: Mapping[str, str], names: Mapping[str, tuple[str, str]]) -> Row:
    behaviour = row["behaviour_code"]
    zh, en = ("合计", "Total") if behaviour is None else names[behaviour]
    return Row(
        town_code=row["town_code"],
        town_name=_name(row["town_code"], towns),
        behaviour_code=behaviour,
        behaviour_name_zh=zh,
        behaviour_name_en=en,
        figures=None if row["figures"] is None else Figures(**row["figures"]),
        left_out=row["left_out"],
    )


def _name(town: str | None, towns: Mapping[str, str]) -> str:
    return "合计" if town is None else towns[town]


def _totals_last(row: Row) -> tuple[bool, str, bool, str]:
    town, behaviour = row.town_code, row.behaviour_code
    return town is None, town or "", behaviour is None, behaviour or ""
