"""Ids that our own clients make: the app and the staff's desk name an activity by a UUID.

A partner's event id is its own within a scene. A client's is an address (``/v1/activities/{id}``),
so it stands for one activity, whatever the scene and whoever asks, and leads to it. Kept as a
further retry key of the event.
"""

import hashlib
from collections.abc import Iterable
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from activities.errors import EventIdReused
from ledgers.bulk import array_of, together

_TIE: LiteralString = """
    INSERT INTO received_event (key, content, holder_id, activity_id)
    SELECT * FROM unnest(CAST(%(keys)s AS uuid[]), CAST(%(contents)s AS uuid[]),
        CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[])) AS e (key, b, c, d)
    ORDER BY key
    ON CONFLICT DO NOTHING RETURNING replace(key::text, '-', '')
"""
_FIND: LiteralString = "SELECT holder_id, activity_id FROM received_event WHERE key = %(key)s"


class Tie(NamedTuple):
    """A client's id, the key of the event that it stands for, and what that was recorded as."""

    own_id: str
    event_key: str
    holder_id: UUID
    activity_id: UUID


def tie(session: Session, ties: Iterable[Tie]) -> None:
    """Let ids stand for activities that were just recorded, in one statement.

    Raises EventIdReused for an id that stands for an event of another scene: the caller's
    transaction is to be rolled back, with the recording.
    """
    wanted: dict[str, Tie] = {}
    for each in ties:
        if wanted.setdefault(_key(each.own_id), each).event_key != each.event_key:
            raise EventIdReused(each.own_id)
    if not wanted:
        return
    parameters = {
        "keys": array_of(wanted),
        "contents": array_of(each.event_key for each in wanted.values()),
        "holders": array_of(each.holder_id.hex for each in wanted.values()),
        "activities": array_of(each.activity_id.hex for each in wanted.values()),
    }
    (written,) = together(session, (_TIE, parameters))
    missing = wanted.keys() - {row[0] for row in written.fetchall()}
    if missing:
        raise EventIdReused(wanted[min(missing)].own_id)


def find(session: Session, own_id: UUID) -> tuple[UUID, UUID] | None:
    """The holder and the activity that an id stands for."""
    (rows,) = together(session, (_FIND, {"key": _key(str(own_id))}))
    found: tuple[UUID, UUID] | None = rows.fetchone()
    return found


def _key(own_id: str) -> str:
    return hashlib.sha256(f"own\n{own_id}".encode()).hexdigest()[:32]
