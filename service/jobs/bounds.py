"""How a run is ended from outside: at the database, since a thread cannot be.

A run past its time fails at its next statement; a statement lasts ``service.db``'s timeout at most.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, event

CANCEL_S = 2


class RunTooLong(Exception):
    """The run took longer than its job allows."""


class RunStopped(Exception):
    """The runner is stopping."""


class Bounds:
    """On the engine of the jobs' own work."""

    def __init__(self, engine: Engine) -> None:
        self._here = threading.local()
        self.stopped = False
        self._in_use: set[psycopg.Connection[Any]] = set()
        event.listen(engine, "before_cursor_execute", self._check)
        event.listen(engine, "checkout", lambda connection, *_: self._in_use.add(connection))
        event.listen(engine, "checkin", lambda connection, *_: self._in_use.discard(connection))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """This thread's statements begin within so many seconds, or raise RunTooLong."""
        self._here.seconds, self._here.deadline = seconds, time.monotonic() + seconds
        try:
            yield
        finally:
            del self._here.deadline

    def stop(self) -> None:
        """Cancel what runs, and let no statement begin any more."""
        self.stopped = True
        for connection in list(self._in_use):
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_S)

    def _check(self, *_: object) -> None:
        if self.stopped:
            raise RunStopped("the runner is stopping")
        if time.monotonic() > getattr(self._here, "deadline", float("inf")):
            raise RunTooLong(f"not done in {self._here.seconds:g} s")
