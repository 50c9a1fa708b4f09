"""Which figures another version of a report may show, given all versions before.

Kept true: every linear combination of the published lines of *all* versions, with any
coefficients, is of what at least ten residents did (``service.districts.reports.suppression``
keeps it for one). What a resident did in an atom is the same unknown in all versions in which it
is the same, so adding and subtracting versions can leave a few residents over though each
difference of two is of many.

How. Versions are taken away one by one, until one is left. The one taken away must, in every cut of
towns and days across which it differs from another that stays, have ten residents with *private*
figures: there now, and another than in all that stay. Then a combination in which it has a part
across such a cut is of those ten; and where its part crosses none, it says what the other says,
and the part can be that one's. The last one is safe by itself. Lines withheld in the one taken away
must hold those withheld in the other. If no order of taking away works, the figures are not told.

Stricter by one rule than the above: a resident whose changes between the two go both ways does not
count, for who moves an act from one day to another cancels out in the town's month.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.districts.reports.changes import Cause
from service.districts.reports.suppression import Cell, withheld


@dataclass(frozen=True, slots=True)
class Version:
    """Figures of one behaviour and measure, as far as they are not the same in all versions.

    ``values`` by cause, what stands more than in the first version (less, if below 0); ``present``:
    the causes of which anything stands. ``hidden``: the lines withheld.
    """

    values: Mapping[Cause, int]
    present: Collection[Cause]
    hidden: frozenset[Cell]


def may_be_told(versions: Sequence[Version]) -> bool:
    """Whether these versions may all be published, each of which is safe by itself.

    Every cause that is not the same in all of them is in their ``values``.
    """
    remaining = list(versions)
    while len(remaining) > 1:
        for at in reversed(range(len(remaining))):
            others = [*remaining[:at], *remaining[at + 1 :]]
            if _may_be_taken_away(remaining[at], others):
                remaining = others
                break
        else:
            return False
    return True


def _may_be_taken_away(one: Version, others: Sequence[Version]) -> bool:
    return any(other.hidden <= one.hidden and _fits(one, other, others) for other in others)


def _fits(one: Version, other: Version, others: Sequence[Version]) -> bool:
    """Whether ten residents have private figures wherever ``one`` differs from ``other``."""
    causes = one.values.keys() | other.values.keys()
    change = {cause: _value(one, cause) - _value(other, cause) for cause in causes}
    differs = {
        cause
        for cause in causes
        if change[cause] or (cause in one.present) != (cause in other.present)
    }
    ways: defaultdict[UUID, set[bool]] = defaultdict(set)
    for (holder_id, _), by in change.items():
        if by:
            ways[holder_id].add(by > 0)
    private = [
        cause
        for cause in differs
        if change[cause]
        and cause in one.present
        and len(ways[cause[0]]) == 1
        and not any(_same(one, each, cause) for each in others)
    ]
    counts = dict.fromkeys((cell for _, cell in differs), 0)
    for _, cell in private:
        counts[cell] += 1
    return withheld(counts, private, hidden=one.hidden) <= one.hidden


def _value(version: Version, cause: Cause) -> int:
    return version.values.get(cause, 0)


def _same(one: Version, other: Version, cause: Cause) -> bool:
    return cause in other.present and _value(one, cause) == _value(other, cause)
