"""The lease: one holder at a time, by the database's clock."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from service.db import Database
from service.jobs.lease import Lease

LONG = timedelta(seconds=60)


@pytest.fixture
def name() -> str:
    return uuid4().hex


def expire(database, name) -> None:
    """As if its holder had been silent for its whole term."""
    query = text(
        "UPDATE job_lease SET expires_at = clock_timestamp() - interval '1 ms' WHERE name = :name"
    )
    database.transact(lambda s: s.execute(query, {"name": name}))


def test_of_twenty_who_ask_at_once_one_gets_it(database, name):
    leases = [Lease(database, f"runner {n}", ttl=LONG, name=name) for n in range(20)]
    together = threading.Barrier(10)

    def take(lease: Lease) -> bool:
        together.wait(30)
        return lease.take()

    with ThreadPoolExecutor(10) as pool:  # Twice ten: the pool has sixteen connections.
        answers = list(pool.map(take, leases))

    assert answers.count(True) == 1
    assert [lease.held for lease in leases] == answers


def test_when_it_has_expired_one_of_twenty_gets_it(database, name):
    assert Lease(database, "before", ttl=LONG, name=name).take()
    expire(database, name)

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda n: Lease(database, f"{n}", ttl=LONG, name=name).take(), range(20))
        )

    assert answers.count(True) == 1


def test_while_it_is_held_nobody_else_gets_it_and_its_holder_renews(database, name):
    mine, other = (Lease(database, who, ttl=LONG, name=name) for who in ("mine", "other"))
    query = text("SELECT acquired_at, expires_at FROM job_lease WHERE name = :name")

    def row():
        return database.transact(lambda s: s.execute(query, {"name": name}).one())

    assert mine.take()
    first = row()
    assert not other.take()
    assert row() == first
    assert mine.take()
    renewed = row()

    assert renewed.acquired_at == first.acquired_at
    assert renewed.expires_at > first.expires_at
    assert (mine.held, other.held) == (True, False)


def test_released_it_is_anybodys_at_once(database, name):
    mine, other = (Lease(database, who, ttl=LONG, name=name) for who in ("mine", "other"))
    assert mine.take()

    mine.release()

    assert not mine.held
    assert other.take()
    mine.release()  # What is another's stays.
    assert not mine.take()


def test_what_cannot_be_renewed_runs_out_by_itself(database, name):
    """The holder's term ends no later than the row's, with nobody there to ask."""
    lease = Lease(database, "mine", ttl=timedelta(seconds=0.5), name=name)
    assert lease.take()
    lease._database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")

    with pytest.raises(OperationalError):
        lease.take()

    deadline = time.monotonic() + 5
    while lease.held:
        assert time.monotonic() < deadline
    lease._database.dispose()
    other = Lease(database, "other", ttl=LONG, name=name)
    while not other.take():
        assert time.monotonic() < deadline


def test_a_holder_whose_row_was_taken_finds_out_when_it_renews(database, name):
    mine, other = (Lease(database, who, ttl=LONG, name=name) for who in ("mine", "other"))
    assert mine.take()
    expire(database, name)
    assert other.take()

    assert not mine.take()
    assert not mine.held
