"""The read side of review: the queue, and all that a reviewer should see of one case."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, select, text, tuple_
from sqlalchemy.orm import Session

from activities.changes.adjusting import State, activities_of, adjustments_of, after
from activities.errors import UnknownActivity
from activities.models import Activity, Adjustment, ReviewCase, ReviewStep
from activities.reviewing.cases import CLOSED, cases_of
from activities.reviewing.errors import UnknownCase
from activities.reviewing.steps import steps_of

PAGE_MAX = 200
RECENT = 20  # Activities of the resident that a reviewer sees beside the one in question.
_COUNTS = text("""
    SELECT coalesce(d.decision, a.decision) AS decision, count(*) AS count
    FROM activity AS a
    LEFT JOIN (
        SELECT DISTINCT ON (holder_id, activity_id) holder_id, activity_id, decision
        FROM adjustment WHERE holder_id = :holder
        ORDER BY holder_id, activity_id, recorded_at DESC, id DESC
    ) AS d ON d.holder_id = a.holder_id AND d.activity_id = a.id
    WHERE a.holder_id = :holder
    GROUP BY 1
""")


class Place(NamedTuple):
    """A case's place in the queue."""

    opened_at: datetime
    holder_id: UUID
    activity_id: UUID


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases: of a programme, held by a code, in a state (None: all that are not closed),
    opened before an instant; ``within``, a further condition on ``ReviewCase``.
    """

    programme_code: str | None = None
    code: str | None = None
    state: str | None = None
    opened_before: datetime | None = None
    within: ColumnElement[bool] | None = None


class Queued(NamedTuple):
    """A case and what it is about."""

    case: ReviewCase
    activity: Activity


@dataclass(frozen=True, slots=True)
class Page:
    """``next_after`` asks for the page after this one; None at the end."""

    cases: Sequence[Queued]
    next_after: Place | None


class Stands(NamedTuple):
    """An activity as it was recorded and as it stands."""

    activity: Activity
    state: State


@dataclass(frozen=True, slots=True)
class History:
    """What else the resident did. ``counts`` are of all their activities, by decision as it stands;
    ``recent`` those received last, the newest first; ``cases`` the other ones, the newest first.
    """

    counts: Mapping[str, int]
    recent: Sequence[Stands]
    cases: Sequence[ReviewCase]


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a person needs to decide about one activity; ``case`` is None if it was never
    held. Steps and adjustments are the oldest first.
    """

    activity: Activity
    state: State
    case: ReviewCase | None
    steps: Sequence[ReviewStep]
    adjustments: Sequence[Adjustment]
    history: History


def queue(session: Session, chosen: Filter, *, after: Place | None = None, limit: int = 50) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) cases, those that wait longest first."""
    assert 0 < limit <= PAGE_MAX
    place = tuple_(ReviewCase.opened_at, ReviewCase.holder_id, ReviewCase.activity_id)
    query = select(ReviewCase).order_by(*place)
    if chosen.programme_code is not None:
        query = query.where(ReviewCase.programme_code == chosen.programme_code)
    if chosen.code is not None:
        query = query.where(ReviewCase.code == chosen.code)
    if chosen.state != CLOSED:  # In so many words, so that the index of the open ones is used.
        query = query.where(text("state <> 'closed'"))
    if chosen.state is not None:
        query = query.where(ReviewCase.state == chosen.state)
    if chosen.opened_before is not None:
        query = query.where(ReviewCase.opened_at < chosen.opened_before)
    if chosen.within is not None:
        query = query.where(chosen.within)
    if after is not None:
        query = query.where(place > tuple(after))
    rows = list(session.scalars(query.limit(limit + 1)))
    cases = rows[:limit]
    last = cases[-1] if len(rows) > limit else None
    found = activities_of(session, [(one.holder_id, one.activity_id) for one in cases])
    return Page(
        [Queued(one, found[one.activity_id]) for one in cases],
        Place(last.opened_at, last.holder_id, last.activity_id) if last else None,
    )


def find_cases(session: Session, activity_ids: Collection[UUID]) -> list[ReviewCase]:
    """Cases by the activities' ids alone; those without one are left out. For the command line."""
    query = select(ReviewCase).where(ReviewCase.activity_id.in_(activity_ids))
    return list(session.scalars(query))


def get_case(session: Session, holder_id: UUID, activity_id: UUID) -> ReviewCase:
    """A holder's case. Raises UnknownCase."""
    found = cases_of(session, [(holder_id, activity_id)])
    if activity_id not in found:
        raise UnknownCase(activity_id)
    return found[activity_id]


def dossier(session: Session, holder_id: UUID, activity_id: UUID) -> Dossier:
    """An activity with its evidence, what became of it, and the resident's history.

    Raises UnknownActivity, also for somebody else's. Some statements; locks nothing.
    """
    key = holder_id, activity_id
    activity = activities_of(session, [key]).get(activity_id)
    if activity is None:
        raise UnknownActivity(activity_id)
    adjustments = adjustments_of(session, [key]).get(activity_id, [])
    return Dossier(
        activity,
        after(activity, adjustments),
        cases_of(session, [key]).get(activity_id),
        steps_of(session, [key]).get(activity_id, []),
        adjustments,
        _history(session, activity),
    )


def evidence(activity: Activity) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the sender said besides, and what the decision knew besides the event."""
    decode = msgspec.json.decode
    return decode(activity.details or "{}"), decode(activity.facts or "{}")


def _history(session: Session, about: Activity) -> History:
    """Everything but the activity itself; it is in the counts."""
    holder_id = about.holder_id
    counts = session.execute(_COUNTS, {"holder": holder_id}).all()
    others = select(Activity).where(Activity.holder_id == holder_id, Activity.id != about.id)
    recent = list(session.scalars(others.order_by(Activity.id.desc()).limit(RECENT)))
    adjusted = adjustments_of(session, [(holder_id, one.id) for one in recent])
    cases = select(ReviewCase).where(
        ReviewCase.holder_id == holder_id, ReviewCase.activity_id != about.id
    )
    return History(
        dict(counts),
        [Stands(one, after(one, adjusted.get(one.id, ()))) for one in recent],
        list(session.scalars(cases.order_by(ReviewCase.opened_at.desc()).limit(RECENT))),
    )
