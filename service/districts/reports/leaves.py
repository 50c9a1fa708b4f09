"""Leaves: the figures of a district's month that are published, each for one behaviour or measure.

Read from the roll-ups, with what must be withheld left out; or from an issued report. All tables
of a report, and of those that add up months, are sums of leaves
(``service.districts.reports.tables``).
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.districts.reports.contents import Content, Figures
from service.districts.reports.periods import Period
from service.districts.reports.suppression import MIN_RESIDENTS, TOTAL, Cell, lines_of, withheld
from service.districts.rollups import behind
from service.districts.rollups import reading as rollups
from service.districts.rollups.reading import NO_BEHAVIOUR, Atom
from service.districts.rollups.spenders import spenders

POINTS = ("spent_points", "expired_points", "vouchers")
MEASURES = ("activities", "saved_mg_co2e", "earned_points")
WHOLE: Cell = (TOTAL, TOTAL)
_NO_DAY = ""  # Points have no days: one stands for all, and is no line.
NO_DAYS: Cell = (TOTAL, _NO_DAY)

Hidden = Mapping[str, Collection[Cell]]  # Lines withheld before, by behaviour or measure of points.


@dataclass(frozen=True, slots=True)
class Leaves:
    """A month's published figures by line: (town, *), (*, day) and (*, *). None: withheld.

    ``behaviours`` by behaviour; ``points`` by measure, without days; ``anybody`` how many residents
    did anything, in tens; ``taken`` the log's size at which each behaviour or measure was read.
    """

    behaviours: dict[str, dict[Cell, Figures | None]]
    points: dict[str, dict[Cell, int | None]]
    anybody: dict[Cell, int | None]
    taken: dict[str, int] = field(default_factory=dict)

    @property
    def hidden(self) -> dict[str, set[Cell]]:
        """The lines withheld, by behaviour or measure."""
        tables: dict[str, Mapping[Cell, object]] = {**self.behaviours, **self.points}
        return {
            code: {line for line, value in lines.items() if value is None}
            for code, lines in tables.items()
        }

    def is_empty(self) -> bool:
        return not self.behaviours and not any(
            value != 0 for lines in self.points.values() for value in lines.values()
        )


class _Sums(NamedTuple):
    activities: int
    saved_mg_co2e: int
    earned_points: int


def tens(residents: int) -> int | None:
    """Rounded down to tens; None for 1 to 9, for nobody is to be seen among them."""
    rounded = residents // MIN_RESIDENTS * MIN_RESIDENTS
    return None if residents and not rounded else rounded


def read(
    session: Session,
    divisions: Sequence[str],
    month: Period,
    towns: Sequence[str],
    *,
    index: int,
    hidden: Hidden,
) -> Leaves:
    """What may be published of districts' month as the roll-ups have it.

    Args:
        towns: all towns, those of which nothing is known too.
        index: how far the roll-ups reach; the caller has their reader locked.
        hidden: lines that stay withheld, and behaviours that are told though nothing is left.
    """
    span = (divisions, month.first, month.beyond)
    sums: defaultdict[str, dict[Cell, _Sums]] = defaultdict(dict)
    points: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rollups.month_figures(session, *span):
        if row.behaviour_code == NO_BEHAVIOUR:
            for measure in POINTS:
                points[measure][row.town_code] += getattr(row, measure)
            continue
        found = _Sums(row.activities, row.saved_mg_co2e, row.earned_points)
        if any(found):
            sums[row.behaviour_code][row.town_code, row.day.isoformat()] = found
    people: defaultdict[str, dict[Cell, int]] = defaultdict(dict)
    with behind.in_order_of_days(session):
        atoms = behind.atoms(session, *span)
        who = _who(session, divisions, month, atoms)
        by_day = _by_day(session, divisions, month)
    for atom in atoms:
        people[atom.behaviour_code][atom.town_code, atom.day.isoformat()] = atom.residents
    distinct = _distinct(session, divisions, month, towns)
    days = [day.isoformat() for day in month.days()]
    every = [(town, TOTAL) for town in towns] + [(TOTAL, day) for day in days] + [WHOLE]
    told = sorted({*sums, *people, *(set(hidden) - set(POINTS))})
    behaviours = {}
    for code in told:
        counts = dict.fromkeys(sums[code], 0) | people[code]
        secret = withheld(counts, who[code], hidden=hidden.get(code, ()))
        residents = Counter({(t, TOTAL): distinct.get((t, code), 0) for t in (*towns, TOTAL)})
        for (_, day), count in people[code].items():
            residents[TOTAL, day] += count
        behaviours[code] = _behaviour(sums[code], residents, every, secret)
    gone = spenders(session, *span)
    return Leaves(
        behaviours=behaviours,
        points={
            measure: _points(points[measure], towns, gone, measure, hidden.get(measure, ()))
            for measure in POINTS
        },
        anybody={(town, TOTAL): tens(distinct.get((town, TOTAL), 0)) for town in (*towns, TOTAL)}
        | {(TOTAL, day): tens(count) for day, count in by_day.items()},
        taken=dict.fromkeys((*told, *POINTS), index),
    )


def _behaviour(
    sums: Mapping[Cell, _Sums],
    residents: Mapping[Cell, int],
    every: Iterable[Cell],
    secret: Collection[Cell],
) -> dict[Cell, Figures | None]:
    totals: defaultdict[Cell, list[int]] = defaultdict(lambda: [0, 0, 0])
    for cell, found in sums.items():
        for line in lines_of([cell]):
            totals[line] = [a + b for a, b in zip(totals[line], found, strict=True)]
    return {
        line: None
        if line in secret
        else {
            "activities": totals[line][0],
            "saved_mg_co2e": totals[line][1],
            "earned_points": totals[line][2],
            "residents": tens(residents[line]),
        }
        for line in every
    }


def _points(
    values: Mapping[str, int],
    towns: Sequence[str],
    behind: Mapping[tuple[str, str], int],
    measure: str,
    hidden: Collection[Cell],
) -> dict[Cell, int | None]:
    """Nobody spends in two towns, so who is behind a town's figure is nobody else's."""
    counts = {
        (town, _NO_DAY): behind.get((town, measure), 0)
        for town in towns
        if values.get(town) or behind.get((town, measure))
    }
    who = [((town, n), (town, day)) for (town, day), count in counts.items() for n in range(count)]
    secret = withheld(counts, who, hidden={*hidden, NO_DAYS})
    lines: dict[Cell, int | None] = {
        (town, TOTAL): None if (town, TOTAL) in secret else values.get(town, 0) for town in towns
    }
    return lines | {WHOLE: None if WHOLE in secret else sum(values.values())}


def _who(
    session: Session, divisions: Sequence[str], month: Period, atoms: Sequence[Atom]
) -> defaultdict[str, list[tuple[object, Cell]]]:
    """Who is behind small atoms, by behaviour."""
    small = [atom[:3] for atom in atoms if atom.residents < MIN_RESIDENTS]
    found: defaultdict[str, list[tuple[object, Cell]]] = defaultdict(list)
    for act in behind.who(session, divisions, month.first, month.beyond, small):
        cell = act.town_code, act.day.isoformat()
        found[act.behaviour_code].append((act.holder_id, cell))
    return found


_DISTINCT = text("""
    SELECT CASE WHEN division_code = ANY(:divisions) THEN '*' ELSE division_code END,
           behaviour_code, sum(residents)::bigint
    FROM district_month
    WHERE month = :first AND (division_code = ANY(:divisions) OR division_code = ANY(:towns))
    GROUP BY 1, 2
""")


def _distinct(
    session: Session, divisions: Sequence[str], month: Period, towns: Sequence[str]
) -> dict[Cell, int]:
    """Different residents of the month by (town or "*", behaviour or "*"), as the job counts them.

    Nobody lives in two districts, so those of districts that became one add up.
    """
    parameters = {"divisions": list(divisions), "first": month.first, "towns": list(towns)}
    rows = session.execute(_DISTINCT, parameters)
    return {(town, behaviour): count for town, behaviour, count in rows}


def _by_day(session: Session, divisions: Sequence[str], month: Period) -> dict[str, int]:
    found = Counter({day.isoformat(): 0 for day in month.days()})
    for district in divisions:
        residents = behind.anybody(session, district, month.first, month.beyond)
        found.update({day.isoformat(): count for day, count in residents.items()})
    return dict(found)


def of_content(content: Content) -> Leaves:
    """The leaves of a month's report."""
    behaviours: defaultdict[str, dict[Cell, Figures | None]] = defaultdict(dict)
    for row in (*content["by_town"], *content["by_time"], *content["by_behaviour"]):
        assert row["behaviour_code"] is not None
        behaviours[row["behaviour_code"]][_line(row["town_code"], row["at"])] = row["figures"]
    points: dict[str, dict[Cell, int | None]] = {measure: {} for measure in POINTS}
    for line in content["points"]:
        at = _line(line["town_code"], None)
        points["spent_points"][at] = line["spent_points"]
        points["expired_points"][at] = line["expired_points"]
        points["vouchers"][at] = line["vouchers"]
    anybody = {
        _line(row["town_code"], row["at"]): row["figures"] and row["figures"]["residents"]
        for row in (*content["town_totals"], *content["time_totals"], content["total"])
    }
    return Leaves(dict(behaviours), points, anybody, dict(content["taken"]))


def _line(town: str | None, at: str | None) -> Cell:
    return town or TOTAL, at or TOTAL
