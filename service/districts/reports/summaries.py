"""Quarters and years: pure functions of the latest issued months, named with their hashes.

Nothing is counted again, so nothing is told that the months do not tell: figures are sums of what
is published, residents the mean of the months.
"""

from collections.abc import Mapping, Sequence

from service.districts.reports.contents import (
    FORMAT,
    Content,
    Figures,
    MethodUsed,
    MonthUsed,
    Named,
    PointsRow,
    Previous,
    RegisteredRow,
    Row,
)
from service.districts.reports.differences import differences
from service.districts.reports.monthly import NOTES, Earlier, Facts, instant
from service.districts.reports.periods import Period
from service.districts.reports.tables import added, mean_residents, row

Month = tuple[Content, bytes]  # With its hash.


def summary(
    division: Named, period: Period, facts: Facts, months: Sequence[Month], earlier: Earlier | None
) -> Content:
    """The report of a quarter or year, from the issued months that it has, in order; one at least.

    ``facts.log_size`` and ``as_of`` are those of the month that was read last.
    """
    contents = [content for content, _ in months]
    towns = {town["code"]: town for content in contents for town in content["towns"]}
    behaviours = {each["code"]: each for content in contents for each in content["behaviours"]}
    by_town = _summed(contents, "by_town")
    by_month = _of_each(contents, "by_behaviour", sorted(behaviours))
    last = contents[-1]
    content: Content = {
        "format": FORMAT,
        "kind": period.kind,
        "division": division,
        "divisions": sorted({code for each in contents for code in each["divisions"]}),
        "period": period.name,
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "version": facts.version,
        "reason": facts.reason,
        "as_of": instant(facts.as_of),
        "issued_at": instant(facts.issued_at),
        "log_size": facts.log_size,
        "checkpoint": facts.checkpoint,
        "taken": {},
        "months": [_used(*month) for month in months],
        "towns": [towns[code] for code in sorted(towns)],
        "behaviours": [behaviours[code] for code in sorted(behaviours)],
        "by_town": by_town,
        "by_time": by_month,
        "by_behaviour": _summed(contents, "by_behaviour"),
        "town_totals": _summed(contents, "town_totals"),
        "time_totals": [_at(each["total"], each["period"]) for each in contents],
        "total": _total([each["total"] for each in contents]),
        "points": _summed_points(contents),
        "points_by_time": [_points_at(each) for each in contents],
        "registered": _registered(last, sorted(towns)),
        "methods": _methods(contents),
        "notes": list(NOTES),
        "differences": [],
        "carried": [],
        "previous": None,
    }
    if earlier is not None:
        content["previous"] = Previous(
            version=earlier.content["version"], sha256=earlier.sha256.hex()
        )
        content["differences"] = differences(earlier.content, content)
    return content


def _used(content: Content, sha256: bytes) -> MonthUsed:
    return MonthUsed(
        period=content["period"],
        version=content["version"],
        sha256=sha256.hex(),
        as_of=content["as_of"],
        log_size=content["log_size"],
    )


def _summed(contents: Sequence[Content], table: str) -> list[Row]:
    """The same rows of each month, summed; in the order of town and behaviour."""
    found: dict[tuple[str, str], list[Row]] = {}
    for content in contents:
        for each in content[table]:  # type: ignore[literal-required]
            found.setdefault((each["town_code"] or "", each["behaviour_code"] or ""), []).append(
                each
            )
    return [_total(rows, len(contents)) for _, rows in sorted(found.items())]


def _total(rows: Sequence[Row], months: int | None = None) -> Row:
    parts = [each["figures"] for each in rows]
    figures, _ = added(parts, mean_residents(parts, months or len(rows)))
    left_out = sum(each["left_out"] or (each["figures"] is None) for each in rows)
    return {
        "town_code": rows[0]["town_code"],
        "at": None,
        "behaviour_code": rows[0]["behaviour_code"],
        "figures": figures,
        "left_out": left_out,
    }


def _of_each(contents: Sequence[Content], table: str, behaviours: Sequence[str]) -> list[Row]:
    """Months × behaviours; a month without a behaviour has no activity of it."""
    nothing: Figures = {
        "activities": 0,
        "saved_mg_co2e": 0,
        "earned_points": 0,
        "residents": 0,
    }
    rows = []
    for content in contents:
        found = {each["behaviour_code"]: each for each in content[table]}  # type: ignore[literal-required]
        rows += [
            _at(found[code], content["period"])
            if code in found
            else row(("*", content["period"]), code, nothing)
            for code in behaviours
        ]
    return rows


def _at(each: Row, month: str) -> Row:
    return {**each, "at": month}


def _points_at(content: Content) -> PointsRow:
    whole = next(each for each in content["points"] if each["town_code"] is None)
    return {**whole, "at": content["period"]}


def _summed_points(contents: Sequence[Content]) -> list[PointsRow]:
    found: dict[str, list[PointsRow]] = {}
    for content in contents:
        for each in content["points"]:
            found.setdefault(each["town_code"] or "", []).append(each)
    towns = [*sorted(found.keys() - {""}), ""]  # The district is told last.
    return [_points(found[town]) for town in towns if town in found]


def _points(rows: Sequence[PointsRow]) -> PointsRow:
    def total(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    spent = [each["spent_points"] for each in rows]
    expired = [each["expired_points"] for each in rows]
    vouchers = [each["vouchers"] for each in rows]
    return {
        "town_code": rows[0]["town_code"],
        "at": None,
        "spent_points": total(spent),
        "expired_points": total(expired),
        "vouchers": total(vouchers),
        "left_out": sum(value is None for value in (*spent, *expired, *vouchers)),
    }


def _registered(last: Content, towns: Sequence[str]) -> list[RegisteredRow]:
    """At the period's end, so as its last month says."""
    known: Mapping[str | None, int | None] = {
        each["town_code"]: each["residents"] for each in last["registered"]
    }
    return [RegisteredRow(town_code=town, residents=known.get(town, 0)) for town in (*towns, None)]


def _methods(contents: Sequence[Content]) -> list[MethodUsed]:
    found = {
        (each["behaviour_code"], each["code"], each["version"]): each
        for content in contents
        for each in content["methods"]
    }
    return [found[key] for key in sorted(found)]
