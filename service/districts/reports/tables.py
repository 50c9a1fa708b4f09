"""The tables of a report, from published leaves. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from service.districts.reports.contents import Figures, PointsRow, Row
from service.districts.reports.leaves import WHOLE, Leaves
from service.districts.reports.suppression import MIN_RESIDENTS, TOTAL, Cell

_NOTHING: Figures = {"activities": 0, "saved_mg_co2e": 0, "earned_points": 0, "residents": 0}


class Tables(TypedDict):
    """As ``Content`` has them."""

    by_town: list[Row]
    by_time: list[Row]
    by_behaviour: list[Row]
    town_totals: list[Row]
    time_totals: list[Row]
    total: Row
    points: list[PointsRow]
    points_by_time: list[PointsRow]


def of_month(leaves: Leaves, towns: Sequence[str], days: Sequence[str]) -> Tables:
    """All tables of a month: its leaves, and what they add up to over behaviours."""
    behaviours = sorted(leaves.behaviours)
    town_lines = [(town, TOTAL) for town in towns]
    day_lines = [(TOTAL, day) for day in days]

    def leaf(code: str, line: Cell) -> Figures | None:
        return leaves.behaviours[code].get(line, _NOTHING)  # A town that is new has no line yet.

    def rows(lines: Iterable[Cell]) -> list[Row]:
        return [row(line, code, leaf(code, line)) for line in lines for code in behaviours]

    def total(line: Cell) -> Row:
        parts = [leaf(code, line) for code in behaviours]
        residents = leaves.anybody.get(line, 0)
        figures, left_out = added(parts, residents)
        return row(line, None, figures, left_out)

    return {
        "by_town": rows(town_lines),
        "by_time": rows(day_lines),
        "by_behaviour": rows([WHOLE]),
        "town_totals": [total(line) for line in town_lines],
        "time_totals": [total(line) for line in day_lines],
        "total": total(WHOLE),
        "points": [_points_row(leaves.points, line) for line in (*town_lines, WHOLE)],
        "points_by_time": [],
    }


def row(line: Cell, behaviour: str | None, figures: Figures | None, left_out: int = 0) -> Row:
    """A row of a table."""
    town, at = line
    return {
        "town_code": None if town == TOTAL else town,
        "at": None if at == TOTAL else at,
        "behaviour_code": behaviour,
        "figures": figures,
        "left_out": left_out,
    }


def added(parts: Sequence[Figures | None], residents: int | None) -> tuple[Figures | None, int]:
    """The sum of what is published, and how many parts it lacks; None where it lacks all."""
    shown = [part for part in parts if part is not None]
    left_out = len(parts) - len(shown)
    if left_out and not shown:
        return None, left_out
    figures: Figures = {
        "activities": sum(part["activities"] for part in shown),
        "saved_mg_co2e": sum(part["saved_mg_co2e"] for part in shown),
        "earned_points": sum(part["earned_points"] for part in shown),
        "residents": residents,
    }
    return figures, left_out


def mean_residents(parts: Sequence[Figures | None], months: int) -> int | None:
    """Of the months' published residents, rounded down to tens: what a month withholds is under
    ten there, or left out, and adds nothing. None where there were some, on average under ten.
    """
    shown = [part for part in parts if part is not None]
    residents = sum(part["residents"] or 0 for part in shown) // months
    tens = residents // MIN_RESIDENTS * MIN_RESIDENTS
    return tens or (None if any(part["activities"] for part in shown) else 0)


def _points_row(points: Mapping[str, Mapping[Cell, int | None]], line: Cell) -> PointsRow:
    return {
        "town_code": None if line == WHOLE else line[0],
        "at": None,
        "spent_points": points["spent_points"].get(line, 0),
        "expired_points": points["expired_points"].get(line, 0),
        "vouchers": points["vouchers"].get(line, 0),
        "left_out": 0,
    }
