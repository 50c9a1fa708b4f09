"""Cases: held acts wait for a person's decision (``activities.reviewing.review``)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.changes.adjusting import Key
from activities.deciding.decisions import Item
from activities.models import ReviewCase
from ledgers.bulk import array_of, look_up_by_index, together

CLOSED = "closed"

_OPEN: LiteralString = """
    INSERT INTO review_case (holder_id, activity_id, programme_code, code, points, opened_at)
    SELECT h, a, p, c, n, %(now)s
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[]),
        CAST(%(programmes)s AS text[]), CAST(%(codes)s AS text[]), CAST(%(points)s AS bigint[]))
        AS held (h, a, p, c, n)
"""


def open_cases(session: Session, held: Sequence[Item], now: datetime) -> None:
    """Open a case for each; ``points`` are what it would earn, before caps. None for none."""
    if not held:
        return
    parameters = {
        "holders": array_of(item.holder for item in held),
        "activities": array_of(item.activity_id.hex for item in held),
        "programmes": array_of(item.policy.programme_code for item in held if item.policy),
        "codes": array_of(item.code for item in held),
        "points": array_of(item.points for item in held),
        "now": now,
    }
    together(session, (_OPEN, parameters))


_OF_ACTIVITIES = text("""
    SELECT c.* FROM unnest(CAST(:holders AS uuid[]), CAST(:activities AS uuid[])) AS k (holder, id)
    JOIN review_case AS c ON c.holder_id = k.holder AND c.activity_id = k.id
""")
_MOVE: LiteralString = """
    UPDATE review_case AS c SET state = k.state,
        closed_at = CASE k.state WHEN 'closed' THEN CAST(%(now)s AS timestamptz) END
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[]),
        CAST(%(states)s AS text[])) AS k (holder_id, activity_id, state)
    WHERE c.holder_id = k.holder_id AND c.activity_id = k.activity_id AND c.state <> 'closed'
"""


def cases_of(session: Session, keys: Collection[Key]) -> dict[UUID, ReviewCase]:
    """The cases of activities, given as (holder, activity), by activity, as the database has them;
    without those that were never held.
    """
    look_up_by_index(session)
    rows = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    parameters = {
        "holders": array_of(holder for holder, _ in rows),
        "activities": array_of(id_ for _, id_ in rows),
    }
    query = select(ReviewCase).from_statement(_OF_ACTIVITIES)
    fresh = {"populate_existing": True}  # What was read before the lock is stale.
    found = session.scalars(query, parameters, execution_options=fresh)
    return {case.activity_id: case for case in found}


def move_cases(session: Session, states: Mapping[Key, str], now: datetime) -> None:
    """Put cases into states; a closed one stays closed. Their residents are locked."""
    if not states:
        return
    look_up_by_index(session)
    rows = sorted((holder.hex, id_.hex, state) for (holder, id_), state in states.items())
    parameters = {
        "holders": array_of(holder for holder, _, _ in rows),
        "activities": array_of(id_ for _, id_, _ in rows),
        "states": array_of(state for _, _, state in rows),
        "now": now,
    }
    together(session, (_MOVE, parameters))


def close_cases(session: Session, keys: Iterable[Key], now: datetime) -> None:
    """Nobody need look any more at these activities; those without a case are left out."""
    move_cases(session, dict.fromkeys(keys, CLOSED), now)
