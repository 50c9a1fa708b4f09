"""Which behaviours' new figures enter another version of a month's report, and which are carried.

All figures of a behaviour (or of points spent, points expired, vouchers) enter or none does, so
that its lines always belong together.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from uuid import UUID

from sqlalchemy.orm import Session

from service.districts.reports import changes
from service.districts.reports.changes import Cause, Late, Net
from service.districts.reports.leaves import MEASURES, NO_DAYS, POINTS, Leaves
from service.districts.reports.periods import Period
from service.districts.reports.suppression import Cell
from service.districts.reports.versions import Version, may_be_told


@dataclass(frozen=True, slots=True)
class _Read:
    """Figures of a behaviour as a version shows them: read at a size of the log, lines withheld."""

    log_size: int
    hidden: frozenset[Cell]


def decided(
    session: Session,
    divisions: Sequence[str],
    month: Period,
    before: Sequence[Leaves],
    now: Leaves,
    log_size: int,
) -> tuple[set[str], set[str]]:
    """Of what changed since it was read last: what enters, and what is carried.

    Args:
        before: the versions until now, the first one first.
        now: the figures at ``log_size``; the caller has the roll-ups' reader locked there.
    """
    first = min(before[0].taken.values())
    lates = changes.late(session, divisions, month, first, log_size)
    reads = {code: _reads(code, before, first) for one in lates for code in one.codes()}
    open_ = {
        code for one in lates for code in one.codes() if one.log_index >= reads[code][-1].log_size
    }
    standing = _standing(session, divisions, month, lates, log_size)

    @cache
    def net(since: int, upto: int) -> Net:
        return changes.net(session, divisions, month, since, upto)

    entering, carried = set[str](), set[str]()
    for code in sorted(open_):
        every = [*reads[code], _Read(log_size, _hidden(code, now))]
        sizes = [read.log_size for read in every]
        steps = [net(*span) for span in pairwise(sizes)]
        measures = (code,) if code in POINTS else MEASURES
        if not any(any(steps[-1].get((code, each), {}).values()) for each in measures):
            continue
        told = all(
            may_be_told(_versions(code, measure, steps, every, standing)) for measure in measures
        )
        (entering if told else carried).add(code)
    return entering, carried


def _reads(code: str, before: Sequence[Leaves], first: int) -> list[_Read]:
    """The different figures that versions showed; a behaviour that was not there was nothing."""
    found: dict[int, _Read] = {}
    for each in before:
        size = each.taken.get(code, first)
        found.setdefault(size, _Read(size, _hidden(code, each)))
    return [found[size] for size in sorted(found)]


def _hidden(code: str, found: Leaves) -> frozenset[Cell]:
    hidden = frozenset(found.hidden.get(code, ()))
    return hidden | {NO_DAYS} if code in POINTS else hidden


def _standing(
    session: Session,
    divisions: Sequence[str],
    month: Period,
    lates: Iterable[Late],
    log_size: int,
) -> Mapping[tuple[str, Cause], int]:
    """What stands now of residents of whom anything was late: activities, or points."""
    holders: dict[bool, set[UUID]] = {True: set(), False: set()}
    for one in lates:
        holders[one.codes() == POINTS].add(one.holder_id)
    found = changes.standing_activities(session, holders[False], month)
    points = changes.standing_points(session, divisions, holders[True], month, log_size)
    for (code, _), causes in points.items():
        found |= {(code, cause): value for cause, value in causes.items()}
    return found


def _versions(
    code: str,
    measure: str,
    steps: Sequence[Net],
    every: Sequence[_Read],
    standing: Mapping[tuple[str, Cause], int],
) -> list[Version]:
    """Each version's figures of what ever changed, from what stands now and each step to it."""
    counted = measure if code in POINTS else "activities"
    causes = {cause for step in steps for cause in step.get((code, measure), {})}
    causes |= {cause for step in steps for cause in step.get((code, counted), {})}
    stands = {cause: standing.get((code, cause), 0) for cause in causes}
    for step in steps:
        for cause, change in step.get((code, counted), {}).items():
            stands[cause] -= change  # As it was in the first version.
    values: defaultdict[Cause, int] = defaultdict(int)
    found = []
    for at, read in enumerate(every):
        if at:
            for cause, change in steps[at - 1].get((code, measure), {}).items():
                values[cause] += change
            for cause, change in steps[at - 1].get((code, counted), {}).items():
                stands[cause] += change
        present = frozenset(cause for cause, count in stands.items() if count)
        found.append(Version(dict(values), present, read.hidden))
    return found
