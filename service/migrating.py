"""Migrations: one runner at a time, no waiting on a busy table, and where the schema stands."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from ledgers.partitions import ensure_partitions, partitions_until

_LOCK = 7_204_119_001  # Any number, the same in every release.
_SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where the database stands: revision in force, revision of this program, room ahead."""

    revision: str | None
    head: str
    partitions_until: str

    @property
    def current(self) -> bool:
        return self.revision == self.head


def head() -> str:
    """The newest revision that this program brings."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def status(connection: Connection) -> SchemaStatus:
    """Read only; works on an empty database too."""
    revision = MigrationContext.configure(connection).get_current_revision()
    until = partitions_until(connection) if revision else ""
    return SchemaStatus(revision, head(), until)


def upgrade(engine: Engine, *, now: datetime, revision: str = "head") -> SchemaStatus:
    """Migrate and make the months' partitions; safe to repeat and to call from two programs.

    ``engine`` logs in as the owner of the schema. A migration that cannot get a table's lock in
    five seconds fails rather than hold up traffic; run it again.
    """
    with _only_runner(engine) as connection:
        command.upgrade(_config(connection), revision)
        found = status(connection)
        if found.current:
            ensure_partitions(connection, now=now)
            connection.commit()
            found = status(connection)
        return found


def downgrade(engine: Engine, revision: str) -> None:
    """Back to ``revision``; loses what later revisions stored."""
    with _only_runner(engine) as connection:
        command.downgrade(_config(connection), revision)


@contextmanager
def _only_runner(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
        # Asked for again and again: who waits inside a statement keeps its snapshot, for which
        # an index that is made CONCURRENTLY would wait in turn.
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            connection.rollback()
            time.sleep(0.1)
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.commit()
        try:
            yield connection
        finally:
            connection.rollback()
            connection.execute(text("RESET lock_timeout"))
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
