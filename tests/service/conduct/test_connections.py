"""Connections are asked whether they live only when they stood idle; reads outlive a cut one."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service import db
from service.app import create_app
from service.db import REQUEST_STATEMENT_MS, Database, owner_engine

ONE = ("SELECT 1", {})


@pytest.fixture
def fresh(database_url):
    """With one connection that has served."""
    found = Database(database_url)
    found.read(ONE)
    yield found
    found.dispose()


@pytest.fixture
def owners_cut(database_url):
    """The service's role may not end its own connections: the owner does."""

    def end(ours):
        with ours.engine.connect() as connection:
            pid = connection.connection.driver_connection.info.backend_pid
        with owner.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    owner = owner_engine(database_url)
    yield end
    owner.dispose()


def test_a_read_outlives_a_connection_that_was_cut(fresh, owners_cut):
    owners_cut(fresh)

    assert fresh.read(ONE) == [(1,)]


def test_a_connection_that_stood_idle_is_asked_before_it_serves(fresh, owners_cut, monkeypatch):
    owners_cut(fresh)
    monkeypatch.setattr(db, "FRESH_S", -1)  # As if it had stood so long.

    assert fresh.transact(lambda session: session.scalar(text("SELECT 1"))) == 1


def test_what_was_cut_just_now_fails_once(fresh, owners_cut):
    """A transaction is not sent twice by itself: its caller may, by the same id."""
    owners_cut(fresh)

    with pytest.raises(DBAPIError) as failure:
        fresh.transact(lambda session: session.scalar(text("SELECT 1")))

    assert db.is_unavailable(failure.value)
    assert fresh.transact(lambda session: session.scalar(text("SELECT 1"))) == 1


def test_what_serves_all_the_time_is_not_asked(fresh, statements):
    with statements() as sent:
        for _ in range(3):
            fresh.read(ONE)

    assert sent == ["SELECT 1"] * 3


def test_a_request_has_less_time_than_a_job(settings):
    app = create_app(settings)
    database = app.extensions["tanhui"].database
    ((timeout,),) = database.read(("SHOW statement_timeout", {}))
    database.dispose()

    assert timeout == f"{REQUEST_STATEMENT_MS // 1000}s"
    assert REQUEST_STATEMENT_MS < 30_000


def test_a_statement_that_takes_too_long_is_known_as_such(database_url):
    hurried = Database(database_url, statement_timeout_ms=20)
    with pytest.raises(DBAPIError) as failure:
        hurried.read(("SELECT pg_sleep(5)", {}))
    hurried.dispose()

    assert db.is_too_slow(failure.value)
