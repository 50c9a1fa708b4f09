"""The lease: of all runners the one that works.

Kept true here: two runners never both believe that they hold it, unless one's clock runs at
another speed than the database's. The database decides by its own clock, so that no host's time of
day matters (elsewhere instants are passed in: design, section 7); the holder counts its term from
before it asked, so for the holder it ends first.
"""

import time
from datetime import timedelta

from sqlalchemy import text

from service.db import Database

LEASE = "jobs"
TTL = timedelta(seconds=15)

# One statement, so that two who ask at once are put in line by the row's key and its lock.
_TAKE = text("""
    INSERT INTO job_lease (name, runner, acquired_at, expires_at)
    VALUES (:name, :runner, clock_timestamp(), clock_timestamp() + :ttl)
    ON CONFLICT (name) DO UPDATE SET
        runner = excluded.runner,
        acquired_at = CASE job_lease.runner WHEN excluded.runner THEN job_lease.acquired_at
                      ELSE clock_timestamp() END,
        expires_at = clock_timestamp() + :ttl
    WHERE job_lease.expires_at < clock_timestamp() OR job_lease.runner = excluded.runner
    RETURNING true
""")
_RELEASE = text("DELETE FROM job_lease WHERE name = :name AND runner = :runner")


class Lease:
    """One runner's side of it. ``take`` and ``release`` are for one thread, ``held`` for any."""

    def __init__(
        self, database: Database, runner: str, *, ttl: timedelta = TTL, name: str = LEASE
    ) -> None:
        self.name, self.runner = name, runner
        self._database, self._ttl = database, ttl
        self._until = 0.0  # By time.monotonic(), which nobody sets.

    @property
    def held(self) -> bool:
        """Whether work may be started now; without asking anybody, so also while nobody answers."""
        return time.monotonic() < self._until

    def take(self) -> bool:
        """Acquire or renew; raises what SQLAlchemy raises, and what was held runs out by itself."""
        asked = time.monotonic()
        facts = {"name": self.name, "runner": self.runner, "ttl": self._ttl}
        got = self._database.transact(lambda session: session.scalar(_TAKE, facts))
        self._until = asked + self._ttl.total_seconds() if got else 0.0
        return self.held

    def lost(self) -> None:
        """Somebody has found out that it is not ours any more."""
        self._until = 0.0

    def release(self) -> None:
        """Let the next runner have it at once."""
        self._until = 0.0
        facts = {"name": self.name, "runner": self.runner}
        self._database.transact(lambda session: session.execute(_RELEASE, facts))
