"""The read side of appeals: how far one is, and those that wait for an answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, tuple_
from sqlalchemy.orm import Session

from activities.changes.adjusting import Key, activities_of
from activities.models import Activity, Appeal, ReviewStep
from activities.reviewing.errors import UnknownAppeal
from activities.reviewing.steps import steps_of
from ledgers.bulk import array_of, look_up_by_index

PAGE_MAX = 200
PENDING, SECONDED, UPHELD, OVERTURNED = "pending", "seconded", "upheld", "overturned"
_OF_ACTIVITIES = text("""
    SELECT a.* FROM unnest(CAST(:holders AS uuid[]), CAST(:activities AS uuid[])) AS k (holder, id)
    JOIN appeal AS a ON a.holder_id = k.holder AND a.activity_id = k.id
""")


class Heard(NamedTuple):
    """An appeal and how far it is: pending, seconded (one person would overturn it), upheld or
    overturned.
    """

    appeal: Appeal
    state: str


class Listed(NamedTuple):
    """The same with the activity it is about."""

    appeal: Appeal
    state: str
    activity: Activity


class Place(NamedTuple):
    """An appeal's place among the others."""

    opened_at: datetime
    holder_id: UUID
    activity_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """``next_after`` asks for the page after this one; None at the end."""

    appeals: Sequence[Listed]
    next_after: Place | None


def get_appeal(session: Session, holder_id: UUID, activity_id: UUID) -> Heard:
    """A holder's appeal against an activity's refusal. Raises UnknownAppeal."""
    key = holder_id, activity_id
    appeal = appeals_of(session, [key]).get(activity_id)
    if appeal is None:
        raise UnknownAppeal(activity_id)
    return heard(appeal, steps_of(session, [key]).get(activity_id, ()))


def appeals(
    session: Session,
    *,
    programme_code: str | None = None,
    answered: bool = False,
    within: ColumnElement[bool] | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) appeals that wait for an answer, or have one; those opened
    first come first. ``within``: a further condition on ``Appeal``.
    """
    assert 0 < limit <= PAGE_MAX
    place = tuple_(Appeal.opened_at, Appeal.holder_id, Appeal.activity_id)
    waiting = Appeal.answered_at.is_not(None) if answered else Appeal.answered_at.is_(None)
    query = select(Appeal).where(waiting).order_by(*place)
    if programme_code is not None:
        query = query.where(Appeal.programme_code == programme_code)
    if within is not None:
        query = query.where(within)
    if after is not None:
        query = query.where(place > tuple(after))
    rows = list(session.scalars(query.limit(limit + 1)))
    found = rows[:limit]
    last = found[-1] if len(rows) > limit else None
    keys = [(one.holder_id, one.activity_id) for one in found]
    steps, about = steps_of(session, keys), activities_of(session, keys)
    return Page(
        [
            Listed(*heard(one, steps.get(one.activity_id, ())), about[one.activity_id])
            for one in found
        ],
        Place(last.opened_at, last.holder_id, last.activity_id) if last else None,
    )


def find_appeals(session: Session, activity_ids: Collection[UUID]) -> list[Appeal]:
    """Appeals by the activities' ids alone, for the command line; unknown ones are left out."""
    return list(session.scalars(select(Appeal).where(Appeal.activity_id.in_(activity_ids))))


def heard(appeal: Appeal, steps: Sequence[ReviewStep]) -> Heard:
    if appeal.outcome is not None:
        return Heard(appeal, appeal.outcome)
    return Heard(appeal, SECONDED if first_to_overturn(steps) else PENDING)


def first_to_overturn(steps: Sequence[ReviewStep]) -> str | None:
    """Who would overturn it, where that takes two."""
    return steps[-1].actor if steps and steps[-1].action == "overturn" else None


def appeals_of(session: Session, keys: Collection[Key]) -> dict[UUID, Appeal]:
    """By activity, as the database has them."""
    look_up_by_index(session)
    rows = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    parameters = {
        "holders": array_of(holder for holder, _ in rows),
        "activities": array_of(id_ for _, id_ in rows),
    }
    query = select(Appeal).from_statement(_OF_ACTIVITIES)
    fresh = {"populate_existing": True}  # What was read before the lock is stale.
    found = session.scalars(query, parameters, execution_options=fresh)
    return {appeal.activity_id: appeal for appeal in found}
