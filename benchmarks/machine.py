"""Where a benchmark ran, and a server of its own for it."""

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from service import embedded, migrating
from service.db import Database, owner_engine


def machine() -> str:
    """Date, cores, memory and interpreter, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" Python {platform.python_version()}"
    )


@contextmanager
def fresh_database() -> Iterator[str]:
    """URL of a migrated, empty database on the default server, fsync on; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tanhui-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)  # The server's user must pass through it.
        with embedded.postgres(Path(folder)) as url:
            engine = owner_engine(url)
            migrating.upgrade(engine, now=datetime.now(UTC))
            with engine.connect() as connection:
                version = connection.scalar(text("SHOW server_version"))
                fsync = connection.scalar(text("SHOW fsync"))
            engine.dispose()
            print(f"PostgreSQL {version}, fsync {fsync}")
            yield url
        shutil.rmtree(embedded.fallback(Path(folder)), ignore_errors=True)


def cpu_s(database: Database) -> float:
    """CPU seconds of this process and of the server's process behind the one connection that it
    uses: what a busy machine does not change, as it does the time by the clock.
    """
    with database.engine.connect() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    told = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    ticks = int(told[11]) + int(told[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
