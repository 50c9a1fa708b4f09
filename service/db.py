"""The engine, and the one commit of the program."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

SERVICE_ROLE = "tanhui_service"
ATTEMPTS_MAX = 5
_RETRYABLE = {"40001", "40P01"}  # Serialisation failure, deadlock.
T = TypeVar("T")


def owner_engine(url: str) -> Engine:
    """Connections as whoever the URL names: for migrations only."""
    return create_engine(url, connect_args={"connect_timeout": 5})


class Database:
    """Sessions that run as the service's role, which may not change what is append-only."""

    def __init__(self, url: str, *, statement_timeout_ms: int = 30_000) -> None:
        options = (
            f"-c role={SERVICE_ROLE} -c timezone=UTC -c statement_timeout={statement_timeout_ms}"
            " -c idle_in_transaction_session_timeout=60000"
        )
        self.engine = create_engine(
            url,
            pool_size=16,
            max_overflow=4,
            pool_timeout=5,
            pool_pre_ping=True,  # A restarted server is found before the request's own work.
            connect_args={"connect_timeout": 5, "options": options},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def transact(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction and commit; the answer counts only when this returns.

        A deadlock or serialisation failure rolls back and runs ``work`` again, whole, at most
        ATTEMPTS_MAX times: so ``work`` must do nothing outside its session.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                with self._sessions.begin() as session:
                    return work(session)
            except DBAPIError as error:
                if not is_retryable(error) or attempt == ATTEMPTS_MAX:
                    raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret.
        raise AssertionError("unreachable")

    @contextmanager
    def snapshot(self, *, unhurried: bool = False) -> Iterator[Session]:
        """One unchanging view of everything, for reading only.

        ``unhurried``: as long as it takes, for an audit; a request keeps its time limits.
        """
        with self._sessions() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            session.execute(text("SET TRANSACTION READ ONLY"))
            if unhurried:
                session.execute(text("SET LOCAL statement_timeout = 0"))
                session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield session
            session.rollback()

    def dispose(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()


def is_retryable(error: DBAPIError) -> bool:
    """Whether running the whole transaction again may well succeed."""
    return getattr(error.orig, "sqlstate", None) in _RETRYABLE


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the server is away, restarting or refusing connections."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError)
    return str(state).startswith(("08", "57P", "53"))
