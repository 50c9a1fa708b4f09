"""Rules as the catalogue has them: kinds, parameters, and what may not stand beside what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from activities.catalogue.dating import boundaries, standing
from activities.catalogue.files import Line, Tables
from activities.rules import Cap, Geofence, MinInterval, NoOverlap, PlaceJump, RuleKind

# Parameters of which one is the least and one the most.
_RANGES = (
    ("min", "max"),
    ("min_s", "max_s"),
    ("min_m_per_h", "max_m_per_h"),
    ("min_per_h", "max_per_h"),
    ("min_mm", "max_mm"),
)


def rules(tables: Tables) -> Iterator[str]:
    """Parameters that do not decode, ranges that let nothing through, rules that do not agree."""
    kinds: dict[str, Any] = {}  # By place; what does not decode is not looked at further.
    for line in tables.all("rules.csv"):
        try:
            kinds[line.place] = msgspec.convert(line["parameters"], RuleKind)
        except msgspec.ValidationError as error:
            if line.given:
                yield f"{line.place}: parameters: {error}"
    for line in tables.given("rules.csv"):
        if line.place in kinds:
            yield from _parameters(line, kinds[line.place], tables)
    yield from moved_codes(tables, "rules.csv")
    for lines in _by_behaviour(tables, kinds):
        for day in boundaries(lines):
            yield from _together(standing(lines, day), kinds)


def _parameters(line: Line, kind: Any, tables: Tables) -> Iterator[str]:
    for low, high in _RANGES:
        if hasattr(kind, low) and getattr(kind, low) > getattr(kind, high):
            yield f"{line.place}: parameters: {low} is above {high}: nothing passes"
    if isinstance(kind, Geofence):
        for code in kind.divisions:
            if tables.rows["divisions.csv.gz"] and not tables.find("divisions.csv.gz", code):
                yield f"{line.place}: parameters: division {code} is unknown"


def moved_codes(tables: Tables, name: str) -> Iterator[str]:
    """The versions of a code belong to one programme and one behaviour."""
    first: dict[str, Line] = {}
    for line in tables.all(name):
        other = first.setdefault(line["code"], line)
        if any(line[c] != other[c] for c in ("programme_code", "behaviour_code")):
            here, there = (line, other) if line.given else (other, line)
            if here.given:
                yield f"{here.place}: {line['code']} is of another behaviour in {there.place}"


def _by_behaviour(tables: Tables, kinds: dict[str, Any]) -> Iterable[list[Line]]:
    """The rules of each behaviour, with those of all the programme's behaviours."""
    groups: dict[tuple[str, str | None], list[Line]] = defaultdict(list)
    for line in tables.all("rules.csv"):
        if line.place in kinds:
            groups[line["programme_code"], line["behaviour_code"]].append(line)
    return [
        lines if behaviour is None else lines + groups.get((programme, None), [])
        for (programme, behaviour), lines in list(groups.items())
    ]


def _together(lines: Iterable[Line], kinds: dict[str, Any]) -> Iterator[str]:
    """What stands on one day: times without ``no_overlap``, weeks beside months."""
    held = [(line, kinds[line.place]) for line in lines]
    times = [line for line, kind in held if isinstance(kind, MinInterval | PlaceJump)]
    own = any(line["behaviour_code"] for line, _ in held)
    if not any(isinstance(kind, NoOverlap) for _, kind in held):
        for line in times:
            if line.given and (line["behaviour_code"] or not own):
                yield f"{line.place}: {line['parameters']['kind']} needs no_overlap beside it"
    caps = [(line, kind.per) for line, kind in held if isinstance(kind, Cap)]
    for week in (line for line, per in caps if per == "week"):
        for other in (line for line, per in caps if per in ("month", "year")):
            here, there = (other, week) if other.given else (week, other)
            if here.given:
                yield f"{here.place}: a cap by week does not nest in months: see {there.place}"
