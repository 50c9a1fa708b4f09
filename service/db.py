"""The engine, and the one commit of the program."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import Error
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from ledgers.bulk import Statement

SERVICE_ROLE = "tanhui_service"
ATTEMPTS_MAX = 5
FRESH_S = 1  # A connection that served within it is taken to live: asking is a round trip.
REQUEST_STATEMENT_MS = 15_000  # Whoever asked has gone by then; jobs and commands may take longer.
_RETRYABLE = {"40001", "40P01"}  # Serialisation failure, deadlock.
_MADE_MEANWHILE = "23505"  # A key that is there: another made the same row at once.
T = TypeVar("T")


def owner_engine(url: str) -> Engine:
    """Connections as whoever the URL names: for migrations only."""
    return create_engine(url, hide_parameters=True, connect_args={"connect_timeout": 5})


class Database:
    """Sessions that run as the service's role, which may not change what is append-only."""

    def __init__(self, url: str, *, statement_timeout_ms: int = 30_000) -> None:
        options = (
            f"-c role={SERVICE_ROLE} -c timezone=UTC -c statement_timeout={statement_timeout_ms}"
            " -c idle_in_transaction_session_timeout=60000"
            # Statements here are short. Where a plan may not scan (enable_seqscan = off) and has
            # to, its cost looks huge before PostgreSQL 18, and compiling it takes half a second.
            " -c jit=off"
        )
        self.engine = create_engine(
            url,
            hide_parameters=True,  # They are people's, and an error's text is logged.
            pool_size=16,
            max_overflow=4,
            pool_timeout=5,
            connect_args={"connect_timeout": 5, "options": options},
        )
        _ask_what_stood_idle(self.engine)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def transact(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction and commit; the answer counts only when this returns.

        A deadlock or serialisation failure rolls back and runs ``work`` again, whole, at most
        ATTEMPTS_MAX times: so ``work`` must do nothing outside its session. So does a row that
        another made at once, of a retry sent beside its request, say: ``work`` sees it then.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                with self._sessions.begin() as session:
                    return work(session)
            except DBAPIError as error:
                again = is_retryable(error) or _sqlstate(error) == _MADE_MEANWHILE
                if not again or attempt == ATTEMPTS_MAX:
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

    def read(self, statement: Statement) -> list[tuple[Any, ...]]:
        """The rows of one statement that only reads, in one round trip and no transaction.

        A connection that turns out to be dead is replaced, and the statement sent once more.
        """
        sql, parameters = statement
        for attempt in (1, 2):
            connection = self.engine.raw_connection()
            driver: Any = connection.driver_connection
            try:
                driver.autocommit = True
                rows: list[tuple[Any, ...]] = driver.execute(sql, parameters).fetchall()
            except Error as error:
                if driver.closed:
                    connection.invalidate()
                if not driver.closed or attempt == 2:
                    raise DBAPIError.instance(sql, None, error, Error) from error
            else:
                return rows
            finally:
                if not driver.closed:
                    driver.autocommit = False
                connection.close()
        raise AssertionError("unreachable")

    def dispose(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()


def _ask_what_stood_idle(engine: Engine) -> None:
    """A restarted server is found before a request's own work: SQLAlchemy's pre-ping, but only of
    connections that stood idle. One that ends within FRESH_S of its last use is a 503 to one
    caller, who may send the same again.
    """

    @event.listens_for(engine, "checkin")
    def _served(_: Any, record: Any) -> None:
        record.info["served"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("served", float("inf")) > FRESH_S:
            try:
                engine.dialect.do_ping(connection)
            except Error as error:
                raise InvalidatePoolError from error


def is_retryable(error: DBAPIError) -> bool:
    """Whether running the whole transaction again may well succeed."""
    return _sqlstate(error) in _RETRYABLE


def is_too_slow(error: DBAPIError) -> bool:
    """Whether a statement took longer than it may."""
    return _sqlstate(error) == "57014"


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the server is away, restarting or refusing connections."""
    state = _sqlstate(error)
    if state is None:
        return isinstance(error, OperationalError)
    return state.startswith(("08", "57P", "53"))


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
