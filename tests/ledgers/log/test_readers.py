"""Who follows the log reads a posting once it is all there; and nothing gets two places in it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from ledgers.accounts import ISSUED
from ledgers.folding import fold, system_balances
from ledgers.log.sealing import queue_missed, sequence
from ledgers.models import SealedPosting
from service.districts.rollups import summing
from service.districts.rollups.audit import drifts
from tests.ledgers.issuers import JANUARY, Issuer
from tests.makers import NOW, a_resident, a_walk, recorded

ORIGIN = "test.example/log"


@contextmanager
def not_yet_seen(owner, holder_id):
    """What is stored with a holder is away meanwhile, as on a node that shows it later."""
    tables = ("transfer", "activity", "participant")
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in tables:
            connection.execute(
                text(f"CREATE TABLE away_{table} AS SELECT * FROM {table} WHERE holder_id = :h"),
                {"h": holder_id},
            )
            connection.execute(text(f"DELETE FROM {table} WHERE holder_id = :h"), {"h": holder_id})
    yield
    with owner.begin() as connection:
        for table in tables:
            connection.execute(text(f"INSERT INTO {table} SELECT * FROM away_{table}"))


def test_a_programmes_sums_wait_for_every_transfer_of_a_posting(fresh_database, owner):
    def work(session):
        issuer = Issuer.opened(session)
        ann, bob = issuer.resident(session), issuer.resident(session)
        issuer.earn(session, ann, 10, at=JANUARY)
        issuer.earn(session, bob, 7, at=JANUARY + timedelta(days=1))
        issuer.earn(session, ann, 3, at=JANUARY + timedelta(days=2))
        return issuer.holder_id, bob

    programme, bob = fresh_database.transact(work)
    fresh_database.transact(lambda s: sequence(s, ORIGIN))
    with not_yet_seen(owner, bob):
        folded = [fresh_database.transact(fold) for _ in range(2)]
    folded.append(fresh_database.transact(fold))

    assert folded == [1, 0, 2]
    with fresh_database.snapshot() as session:
        assert system_balances(session, programme)["point", ISSUED] == -20


def test_districts_wait_for_every_transfer_of_a_posting(fresh_database, owner):
    """A batch of two residents, of whom one is on a node that shows it later."""
    ann, bob = fresh_database.transact(lambda s: [a_resident(s), a_resident(s)])
    fresh_database.transact(lambda s: recorded(s, a_walk(ann), a_walk(bob), at=NOW))
    fresh_database.transact(lambda s: sequence(s, ORIGIN))
    with not_yet_seen(owner, bob):
        while fresh_database.transact(summing.fold):
            pass
    while fresh_database.transact(summing.fold):
        pass

    with fresh_database.snapshot() as session:
        assert list(drifts(session)) == []


@pytest.mark.parametrize("began_before", [False, True])
def test_what_gets_its_place_meanwhile_is_not_queued_again(fresh_database, owner, began_before):
    """Else its second place is refused for ever, and nothing is sealed any more."""

    def earn(session):
        issuer = Issuer.opened(session)
        issuer.earn(session, issuer.resident(session), 10, at=JANUARY)

    if began_before:
        fresh_database.transact(earn)
        fresh_database.transact(lambda s: sequence(s, ORIGIN))
    fresh_database.transact(earn)

    def missed():
        since = JANUARY - timedelta(days=9)
        return fresh_database.transact(lambda s: queue_missed(s, ORIGIN, since=since))

    with ThreadPoolExecutor(1) as pool:
        with fresh_database._sessions.begin() as session:
            sequence(session, ORIGIN)
            queued = pool.submit(missed)
            wait_until_one_waits(owner, or_=queued.done)
        assert queued.result(timeout=20) == 0

    fresh_database.transact(earn)
    assert fresh_database.transact(lambda s: sequence(s, ORIGIN)) == 1
    with fresh_database.snapshot() as session:
        assert len(session.scalars(select(SealedPosting)).all()) == 2 + began_before


def wait_until_one_waits(owner, *, or_):
    """For a lock that another holds, or need not."""
    with owner.connect() as connection:
        waits = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while not (connection.scalar(waits) or or_()):
            connection.rollback()
