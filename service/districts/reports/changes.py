"""What changed of a month since its report was issued, resident by resident.

Read from the postings of what was late (``service.districts.rollups.lateness``), each cause as it
stands now less as it stood at a version. What of it may be told is said in
``service.districts.reports.versions``.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, look_up_by_index
from ledgers.ids import uuid7_floor
from service.districts.reports.leaves import MEASURES, NO_DAYS, POINTS
from service.districts.reports.periods import Period
from service.districts.reports.suppression import Cell
from service.districts.rollups.effects import Batch, Effect, effects_of
from service.districts.rollups.reading import NO_BEHAVIOUR, start_of
from service.districts.rollups.standing import settled

POSTINGS_MAX = 1_000  # In one statement that reads their transfers.
_OLDEST = timedelta(days=60)  # Before its month began nothing of it was posted, but for clocks.
_HIGHEST = UUID(int=2**128 - 1)

Cause = tuple[UUID, Cell]  # A resident, and a town's day; of points a town.
Net = dict[tuple[str, str], dict[Cause, int]]  # By behaviour (of points: measure) and measure.


class Late(NamedTuple):
    """A leaf of the log that changed something of a month with a report."""

    holder_id: UUID
    log_index: int
    day: date
    town_code: str
    behaviour_code: str

    def codes(self) -> tuple[str, ...]:
        """The behaviours, or measures of points, that it may have changed."""
        return POINTS if self.behaviour_code == NO_BEHAVIOUR else (self.behaviour_code,)

    def cause(self) -> Cause:
        """Whose, and where."""
        day = NO_DAYS[1] if self.behaviour_code == NO_BEHAVIOUR else self.day.isoformat()
        return self.holder_id, (self.town_code, day)


_LATE = text("""
    SELECT holder_id, log_index, day, division_code, behaviour_code FROM district_late
    WHERE log_index >= :since AND log_index < :upto AND day >= :first AND day < :beyond
      AND left(division_code, 6) = ANY(:divisions)
""")


def late(
    session: Session, divisions: Sequence[str], month: Period, since: int, upto: int
) -> list[Late]:
    """What was late of districts' month, from leaf ``since`` on and before ``upto``."""
    parameters = {
        "divisions": list(divisions),
        "first": month.first,
        "beyond": month.beyond,
        "since": since,
        "upto": upto,
    }
    return [Late(*row) for row in session.execute(_LATE, parameters)]


def net(session: Session, divisions: Sequence[str], month: Period, since: int, upto: int) -> Net:
    """What postings changed from leaf ``since`` on and before ``upto``.

    What came to nothing may be in it. The caller has the roll-ups' reader locked.
    """
    lates = late(session, divisions, month, since, upto)
    if not lates:
        return {}
    own = {(one.holder_id, one.town_code, one.day, one.behaviour_code) for one in lates}
    postings = _postings(session, {one.holder_id for one in lates}, month, since, upto)
    leaves = sorted({one.log_index for one in lates})
    touched = {
        id_: first
        for id_, (first, count) in postings.items()
        if bisect_right(leaves, first + count - 1) > bisect_right(leaves, first - 1)
    }
    found = _effects(session, touched, month, since, upto)
    return _summed(each for each in found if _place(each) in own)


def standing_points(
    session: Session, divisions: Sequence[str], holders: Iterable[UUID], month: Period, upto: int
) -> Net:
    """What residents spent and lost in a month in all, and their vouchers, before leaf ``upto``."""
    wanted = set(holders)
    if not wanted:
        return {}
    postings = _postings(session, wanted, month, 0, upto)
    first_leaves = {id_: first for id_, (first, _) in postings.items()}
    found = _effects(session, first_leaves, month, 0, upto)
    return _summed(
        each
        for each in found
        if each.holder_id in wanted
        and each.behaviour_code == NO_BEHAVIOUR
        and month.first <= each.day < month.beyond
        and each.town_code[:6] in divisions
    )


_STANDING = text("""
    SELECT holder_id, division_code, day, behaviour_code, activities FROM district_resident
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND day >= :first AND day < :beyond
""")


def standing_activities(
    session: Session, holders: Iterable[UUID], month: Period
) -> dict[tuple[str, Cause], int]:
    """How many activities of residents stand now, by behaviour and cause."""
    parameters = {
        "holders": array_of(holder.hex for holder in set(holders)),
        "first": month.first,
        "beyond": month.beyond,
    }
    return {
        (behaviour, (holder_id, (town, day.isoformat()))): count
        for holder_id, town, day, behaviour, count in session.execute(_STANDING, parameters)
    }


def _place(effect: Effect) -> tuple[UUID, str, date, str]:
    return effect.holder_id, effect.town_code, effect.day, effect.behaviour_code


def _summed(effects: Iterable[Effect]) -> Net:
    found: defaultdict[tuple[str, str], defaultdict[Cause, int]]
    found = defaultdict(lambda: defaultdict(int))
    for effect in effects:
        if effect.behaviour_code == NO_BEHAVIOUR:
            for measure in POINTS:
                cause = effect.holder_id, (effect.town_code, NO_DAYS[1])
                found[measure, measure][cause] += getattr(effect, measure)
        else:
            for measure in MEASURES:
                cause = effect.holder_id, (effect.town_code, effect.day.isoformat())
                found[effect.behaviour_code, measure][cause] += getattr(effect, measure)
    return {key: dict(causes) for key, causes in found.items()}


_POSTINGS = text("""
    SELECT DISTINCT t.posting_id FROM transfer AS t
    WHERE t.holder_id = ANY(CAST(:holders AS uuid[])) AND t.id >= :low
""")
_PLACES = text("""
    SELECT posting_id, first_index, transfer_count FROM sealed_posting
    WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND first_index >= :since
      AND first_index < :upto
    ORDER BY first_index
""")


def _postings(
    session: Session, holders: Iterable[UUID], month: Period, since: int, upto: int
) -> dict[UUID, tuple[int, int]]:
    """First leaf and number of leaves of the residents' postings, in order."""
    look_up_by_index(session)
    parameters = {"holders": array_of(holder.hex for holder in holders), "low": _low(month)}
    ids = array_of(id_.hex for id_ in session.scalars(_POSTINGS, parameters))
    rows = session.execute(_PLACES, {"postings": ids, "since": since, "upto": upto})
    return {id_: (first, count) for id_, first, count in rows}


def _low(month: Period) -> UUID:
    return uuid7_floor(start_of(month.first) - _OLDEST)


def _effects(
    session: Session, first_leaves: dict[UUID, int], month: Period, since: int, upto: int
) -> list[Effect]:
    """What postings changed, each cause from ``since`` to ``upto``."""
    ids, found = list(first_leaves), list[Effect]()
    for at in range(0, len(ids), POSTINGS_MAX):
        part = {id_: first_leaves[id_] for id_ in ids[at : at + POSTINGS_MAX]}
        found += effects_of(session, Batch(part, since, upto, _low(month), _HIGHEST))
    return settled(session, Batch(first_leaves, since, upto, _low(month), _HIGHEST), found)
