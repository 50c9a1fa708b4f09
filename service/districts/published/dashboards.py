"""Dashboards: a division's period, as far as its districts' months are issued.

A pure function of the latest issued months, so that it tells nothing that they do not, and costs
the same however many activities stand behind them. A province's or city's figures are sums of what
its districts published. Residents of several districts are summed, of several months their mean:
rounded down to tens throughout.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from activities.errors import UnknownDivision
from service.districts.published.reading import Month, districts_of, first_months, months
from service.districts.reports.contents import Content, Figures, NamedBehaviour, Row
from service.districts.reports.periods import Period
from service.districts.reports.tables import added, mean_residents

_CHILD_DIGITS = {"province": 4, "city": 6}


class Summed(TypedDict):
    """Figures that were added up; null where all are withheld, ``left_out`` how many are."""

    figures: Figures | None
    left_out: int


class Points(TypedDict):
    """Points and vouchers of residents, summed likewise."""

    spent_points: int | None
    expired_points: int | None
    vouchers: int | None
    left_out: int


class _Part(NamedTuple):
    """A published figure, and what of the dashboard it goes into: only one of the three is set."""

    child: str | None
    behaviour: str | None
    at: str | None
    month: str
    row: Row


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What is published of a division's period.

    ``children`` by the division one level below, ``behaviours`` by behaviour, ``trend`` by day in a
    month (not of a town: its days are not published) and by month else. ``registered`` residents
    are those at the end of each district's last month; by child too, None: fewer than ten.
    ``missing``: (district, month) that is over, and not issued though an earlier one is.
    """

    division: Division
    period: Period
    months: list[Month]
    missing: list[tuple[str, str]]
    total: Summed
    points: Points
    registered: int | None
    children: dict[str, Summed]
    children_registered: dict[str, int | None]
    behaviours: dict[str, Summed]
    trend: dict[str, Summed]
    names: dict[str, NamedBehaviour]
    child_names: dict[str, str]


def dashboard(session: Session, division_code: str, period: Period, *, today: date) -> Dashboard:
    """What is published of a division's months, quarter or year by now.

    Args:
        today: in the districts' zone; months that are over by then may be ``missing``.

    Raises UnknownDivision. Where no month is issued there are no months, and all is zero.
    """
    division = session.get(Division, division_code)
    if division is None:
        raise UnknownDivision(division_code)
    own = districts_of(session, division)
    found = months(session, own, period)
    if division.level == "town":
        found = [each for each in found if division_code in _codes(each.content)]
    parts = [part for each in found for part in _parts(each, division, period)]
    count = len({each.period for each in found})
    child_names = _child_names(session, division, found)
    children = _by(parts, lambda part: part.child, count)
    return Dashboard(
        division=division,
        period=period,
        months=found,
        missing=_missing(found, first_months(session, own), period, today),
        total=_sum([part for part in parts if part[:3] == (None, None, None)], count),
        points=_points(found, division),
        registered=_registered(found, division),
        children={code: children[code] for code in sorted(children)},
        children_registered=_children_registered(found, division, children),
        behaviours=_by(parts, lambda part: part.behaviour, count),
        trend=_by(parts, lambda part: part.at, 1),
        names={each["code"]: each for one in found for each in one.content["behaviours"]},
        child_names=child_names,
    )


def _codes(content: Content) -> set[str]:
    return {town["code"] for town in content["towns"]}


def _parts(month: Month, division: Division, period: Period) -> Iterator[_Part]:
    content, name = month.content, month.period
    if division.level == "town":
        whole = next(r for r in content["town_totals"] if r["town_code"] == division.code)
        behaviours = [r for r in content["by_town"] if r["town_code"] == division.code]
        times: Sequence[Row] = []
    else:
        whole, behaviours, times = content["total"], content["by_behaviour"], content["time_totals"]
    yield _Part(None, None, None, name, whole)
    for row in behaviours:
        yield _Part(None, row["behaviour_code"], None, name, row)
    if period.kind == "month":
        for row in times:
            yield _Part(None, None, row["at"], name, row)
    else:
        yield _Part(None, None, name, name, whole)
    if division.level == "district":
        for row in content["town_totals"]:
            yield _Part(row["town_code"], None, None, name, row)
    elif division.level in _CHILD_DIGITS:
        child = month.division_code[: _CHILD_DIGITS[division.level]]
        yield _Part(child, None, None, name, whole)


def _by(
    parts: Sequence[_Part], key: Callable[[_Part], str | None], count: int
) -> dict[str, Summed]:
    found: defaultdict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        if (name := key(part)) is not None:
            found[name].append(part)
    return {name: _sum(found[name], count) for name in sorted(found)}


def _sum(parts: Sequence[_Part], count: int) -> Summed:
    """Of ``count`` months."""
    shown = [part.row["figures"] for part in parts]
    figures, _ = added(shown, mean_residents(shown, max(count, 1)))
    left_out = sum(part.row["left_out"] or (part.row["figures"] is None) for part in parts)
    return {"figures": figures, "left_out": left_out}


def _points(found: Sequence[Month], division: Division) -> Points:
    own = division.code if division.level == "town" else None
    rows = [row for each in found for row in each.content["points"] if row["town_code"] == own]

    def total(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known or not values else None

    spent = [row["spent_points"] for row in rows]
    expired = [row["expired_points"] for row in rows]
    vouchers = [row["vouchers"] for row in rows]
    return {
        "spent_points": total(spent),
        "expired_points": total(expired),
        "vouchers": total(vouchers),
        "left_out": sum(value is None for value in (*spent, *expired, *vouchers)),
    }


def _last_months(found: Sequence[Month]) -> list[Month]:
    """Of each district the last one."""
    return list({each.division_code: each for each in found}.values())


def _registered(found: Sequence[Month], division: Division) -> int | None:
    own = division.code if division.level == "town" else None
    return _added([_registered_in(each.content)[own] for each in _last_months(found)])


def _registered_in(content: Content) -> Mapping[str | None, int | None]:
    return {row["town_code"]: row["residents"] for row in content["registered"]}


def _added(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known or not counts else None


def _children_registered(
    found: Sequence[Month], division: Division, children: Mapping[str, Summed]
) -> dict[str, int | None]:
    counts: dict[str, list[int | None]] = {code: [] for code in children}
    for each in _last_months(found):
        registered = _registered_in(each.content)
        if division.level == "district":
            for code in children:
                counts[code].append(registered.get(code, 0))
        elif division.level in _CHILD_DIGITS:
            child = each.division_code[: _CHILD_DIGITS[division.level]]
            counts[child].append(registered[None])
    return {code: _added(each) for code, each in counts.items()}


def _missing(
    found: Sequence[Month], firsts: Mapping[str, date], period: Period, today: date
) -> list[tuple[str, str]]:
    have = {(each.division_code, each.period) for each in found}
    return [
        (code, month.name)
        for code, first in sorted(firsts.items())
        for month in period.months()
        if first <= month.first and month.beyond <= today and (code, month.name) not in have
    ]


def _child_names(session: Session, division: Division, found: Sequence[Month]) -> dict[str, str]:
    rows = session.execute(
        select(Division.code, Division.name_zh).where(Division.parent_code == division.code)
    )
    names = {row[0]: row[1] for row in rows}
    if division.level == "district":
        names |= {t["code"]: t["name"] for each in found for t in each.content["towns"]}
    return names
