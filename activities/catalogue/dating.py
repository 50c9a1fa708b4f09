"""Which rows hold on a day: of the versions of a code the highest that is valid then."""

from collections.abc import Iterable, Sequence
from datetime import date

from activities.catalogue.files import Line


def holds_on(line: Line, day: date) -> bool:
    return bool(line["valid_from"] <= day and (line["valid_to"] is None or day < line["valid_to"]))


def boundaries(lines: Iterable[Line]) -> list[date]:
    """The days on which what holds may change; between two of them it does not."""
    days = {line["valid_from"] for line in lines} | {line["valid_to"] for line in lines}
    return sorted(day for day in days if day is not None)


def standing(lines: Iterable[Line], day: date) -> Sequence[Line]:
    """Of rows with ``code`` and ``version`` those that count on a day, in their order."""
    best: dict[str, Line] = {}
    for line in lines:
        if holds_on(line, day):
            other = best.get(line["code"])
            if other is None or other["version"] < line["version"]:
                best[line["code"]] = line
    return list(best.values())
