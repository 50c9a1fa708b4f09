"""Divisions side by side: what is published of each, per 1,000 residents and per registered one.

No league table: divisions stand in the order of their codes, unless a ranking is asked for. A
quotient of what is withheld, or over what nobody reported, is not told, and why not is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from sqlalchemy.orm import Session

from service.districts.models import ReportedValue
from service.districts.plans.reported import populations
from service.districts.published.dashboards import Dashboard, dashboard
from service.districts.reports.contents import Figures
from service.districts.reports.periods import Period

Why = Literal["not_issued", "withheld", "no_population", "nobody_registered"]
_PERSON = 1000  # A reported value is in thousandths.


@dataclass(frozen=True, slots=True)
class PerResident:
    """Rounded down; ``…_thousandths`` in thousandths. ``why_not``: None of them can be told."""

    activities_thousandths: int | None
    saved_mg_co2e: int | None
    why_not: Why | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One division. ``population`` as last reported, for ``population_period``."""

    division_code: str
    name: str
    figures: Figures | None
    left_out: int
    registered: int | None
    population: int | None
    population_period: str | None
    per_1000_residents: PerResident
    per_registered_resident: PerResident
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The divisions one level below a division."""

    dashboard: Dashboard
    divisions: list[Compared]


def comparison(
    session: Session,
    division_code: str,
    period: Period,
    *,
    ranked: bool = False,
    today: date,
    now: datetime,
) -> Comparison:
    """A division's children in a period. ``ranked``: by kg CO2e per 1,000 residents, most first.

    Raises UnknownDivision.
    """
    found = dashboard(session, division_code, period, today=today)
    people = populations(session, list(found.child_names), beyond=period.beyond, as_of=now)
    rows = [_compared(found, code, people) for code in sorted(found.child_names)]
    return Comparison(found, _ranked(rows) if ranked else rows)


def _compared(found: Dashboard, code: str, people: Mapping[str, ReportedValue]) -> Compared:
    summed = found.children.get(code)
    figures = summed["figures"] if summed else None
    registered = found.children_registered.get(code)
    reported = people.get(code)
    population = None if reported is None else reported.value_thousandths // _PERSON
    why: Why | None = "not_issued" if summed is None else "withheld" if figures is None else None
    return Compared(
        division_code=code,
        name=found.child_names[code],
        figures=figures,
        left_out=summed["left_out"] if summed else 0,
        registered=registered,
        population=population,
        population_period=None if reported is None else reported.period,
        per_1000_residents=_per(figures, 1000, population, why or "no_population"),
        per_registered_resident=_per(figures, 1, registered, why or "nobody_registered"),
    )


def _per(figures: Figures | None, times: int, people: int | None, why: Why) -> PerResident:
    if figures is None or not people:
        return PerResident(None, None, why)
    return PerResident(
        activities_thousandths=figures["activities"] * times * 1000 // people,
        saved_mg_co2e=figures["saved_mg_co2e"] * times // people,
        why_not=None,
    )


def _ranked(rows: list[Compared]) -> list[Compared]:
    """Those of whom nothing can be said come last, without a rank; equals have the same rank."""
    saved = {row.division_code: row.per_1000_residents.saved_mg_co2e for row in rows}
    known = sorted((value for value in saved.values() if value is not None), reverse=True)
    ranks = {value: place for place, value in reversed(list(enumerate(known, 1)))}
    placed = []
    for row in rows:
        value = saved[row.division_code]
        placed.append(replace(row, rank=None if value is None else ranks[value]))
    return sorted(placed, key=lambda row: (row.rank is None, row.rank or 0, row.division_code))
