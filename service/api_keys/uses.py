"""When a key was last used: to the minute, and for one statement a minute at most.

Each process remembers what it wrote, so that a busy key costs nothing but a look into a dictionary.
"""

from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.api_keys.models import KeyUse
from service.db import Database

EVERY = timedelta(minutes=1)


class KeyUses:
    """Written in a transaction of its own, so that no request waits for another's row."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._written: dict[UUID, datetime] = {}  # As many as there are keys: some hundred.

    def note(self, database: Database, key_id: UUID, *, now: datetime) -> None:
        """The key was used now. Not to be called within a transaction."""
        with self._lock:
            earlier = self._written.get(key_id)
            if earlier is not None and now - earlier < EVERY:
                return
            self._written[key_id] = now
        try:
            database.transact(lambda session: _write(session, key_id, now))
        except BaseException:
            with self._lock:
                self._written.pop(key_id, None)
            raise


def last_uses(session: Session, key_ids: list[UUID]) -> dict[UUID, datetime]:
    """When keys were last used; those that never were are absent."""
    query = select(KeyUse.key_id, KeyUse.used_at).where(KeyUse.key_id.in_(key_ids))
    return {row.key_id: row.used_at for row in session.execute(query)}


def _write(session: Session, key_id: UUID, now: datetime) -> None:
    statement = insert(KeyUse).values(key_id=key_id, used_at=now)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["key_id"],
            set_={"used_at": now},
            where=KeyUse.used_at <= now - EVERY,
        )
    )
