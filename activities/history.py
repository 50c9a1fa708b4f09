"""The read side: a resident's activities, newest first, each as it was decided and as it stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import own_ids
from activities.changes.adjusting import Key, State, adjustments_of, after
from activities.errors import UnknownActivity
from activities.models import Activity, Adjustment
from ledgers.bulk import array_of, together

PAGE_MAX = 200
_RECORDED: LiteralString = """
    SELECT a.holder_id, a.id, a.event_id, a.scene_code, a.behaviour_code, a.day, a.started_at,
        a.ended_at, a.quantity, a.decision, a.code, a.saved_mg_co2e, a.points, a.trimmed_points,
        a.duplicate_of
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[])) AS k (holder, id)
    JOIN activity AS a ON a.holder_id = k.holder AND a.id = k.id
"""


@dataclass(frozen=True, slots=True)
class Page:
    """``next_before`` asks for the page after this one; None at the end."""

    activities: Sequence[Activity]
    next_before: UUID | None


class Recorded(NamedTuple):
    """An activity as it was decided first, in what a door answers; as ``Activity`` has it."""

    holder_id: UUID
    id: UUID
    event_id: str
    scene_code: str
    behaviour_code: str | None
    day: date | None
    started_at: datetime
    ended_at: datetime
    quantity: int
    decision: str
    code: str
    saved_mg_co2e: int
    points: int
    trimmed_points: int
    duplicate_of: UUID | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An activity as it was decided first, what became of it, the oldest first, and how it stands:
    the sum of both.
    """

    activity: Activity
    adjustments: Sequence[Adjustment]
    state: State


def page(session: Session, holder_id: UUID, *, before: UUID | None = None, limit: int = 50) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) activities received before ``before``, newest first, as they
    were decided first.
    """
    assert 0 < limit <= PAGE_MAX
    query = select(Activity).where(Activity.holder_id == holder_id)
    if before is not None:
        query = query.where(Activity.id < before)
    rows = list(session.scalars(query.order_by(Activity.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def standings(session: Session, activities: Sequence[Activity]) -> list[Standing]:
    """How activities stand, in their order; one statement however many."""
    if not activities:
        return []
    keys = [(activity.holder_id, activity.id) for activity in activities]
    adjustments = adjustments_of(session, keys)
    return [
        Standing(activity, found := adjustments.get(activity.id, []), after(activity, found))
        for activity in activities
    ]


def recorded(session: Session, keys: Iterable[Key]) -> dict[UUID, Recorded]:
    """Activities as they were decided first, by id, given as (holder, activity).

    In the transaction that recorded them. One statement, and no objects of the session, which cost
    more than all else that a door does here.
    """
    rows = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    parameters = {
        "holders": array_of(holder for holder, _ in rows),
        "ids": array_of(id_ for _, id_ in rows),
    }
    (found,) = together(session, (_RECORDED, parameters))
    return {row.id: row for row in map(Recorded._make, found)}


def get_activity(session: Session, holder_id: UUID, activity_id: UUID) -> Activity:
    """A holder's activity, by our id of it or by the one that the client made.

    Raises UnknownActivity, also for somebody else's.
    """
    if (found := session.get(Activity, (holder_id, activity_id))) is not None:
        return found
    behind = own_ids.find(session, activity_id)
    if behind is None or behind[0] != holder_id:
        raise UnknownActivity(activity_id)
    return session.get_one(Activity, behind)
