"""History is exact to the transfer, with snapshots or without; folding is exact at any moment."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text

from ledgers.accounts import EXPIRED, ISSUED, PERSONAL, REDEEMED, account_key
from ledgers.errors import UnknownAccount
from ledgers.folding import Liability, fold, liability, system_balances
from ledgers.lapsing import lapse_due
from ledgers.log.sealing import sequence
from ledgers.models import BalanceSnapshot, SnapshotMonth
from ledgers.partitions import ensure_partitions
from ledgers.reversal import reverse
from ledgers.snapshots import net_at, next_month, take_slice
from ledgers.statements import balance_at, page, whole_ledger
from tests.ledgers.issuers import JANUARY, Issuer, points

ORIGIN = "test.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
MONTHS = [datetime(2027, month, 10, 4, tzinfo=UTC) for month in (1, 2, 3, 4)]


def account_of(holder_id) -> UUID:
    return UUID(account_key(holder_id, "point", PERSONAL).id)


@pytest.fixture
def story(fresh_database):
    """A resident who earns 10 points on the tenth of four months and spends 3 the day after."""

    def work(session):
        issuer = Issuer.opened(session, ends="year")
        holder_id = issuer.resident(session)
        for at in MONTHS:
            issuer.earn(session, holder_id, 10, at=at)
            issuer.spend(session, holder_id, 3, at=at + timedelta(days=1))
        return issuer, holder_id

    return fresh_database, *fresh_database.transact(work)


def snapshot_all(database, *, now):
    while (month := database.transact(lambda s: next_month(s, now=now))) is not None:
        database.transact(lambda s, month=month: take_slice(s, month, now=now))


EXPECTED = [
    (MONTHS[0] - timedelta(days=3), 0),
    (MONTHS[0] - timedelta(milliseconds=1), 0),
    (MONTHS[0], 10),
    (MONTHS[0] + timedelta(days=1), 7),
    (datetime(2027, 1, 31, 23, 59, 59, 999000, tzinfo=UTC), 7),
    (datetime(2027, 2, 1, tzinfo=UTC), 7),
    (MONTHS[1], 17),
    (MONTHS[2], 24),
    (MONTHS[3], 31),
    (MONTHS[3] + timedelta(days=1), 28),
    (MONTHS[3] + timedelta(days=100), 28),
]


@pytest.mark.parametrize("snapshots_until", [None, MONTHS[1], MONTHS[2], MONTHS[3]])
def test_the_balance_at_any_instant_is_exact_with_snapshots_or_without(story, snapshots_until):
    database, _, holder_id = story
    if snapshots_until is not None:
        snapshot_all(database, now=snapshots_until)

    with database.snapshot() as session:
        found = [(at, net_at(session, holder_id, account_of(holder_id), at)) for at, _ in EXPECTED]

    assert found == EXPECTED


def test_a_balance_reads_no_transfer_from_before_the_last_complete_month(story, owner):
    database, _, holder_id = story
    snapshot_all(database, now=MONTHS[3])
    with owner.begin() as connection:  # What is no longer there cannot have been read.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM transfer_2027_01"))
        connection.execute(text("DELETE FROM transfer_2027_02"))

    with database.snapshot() as session:
        assert balance_at(session, holder_id, account_of(holder_id), MONTHS[3]) == 31
        assert [e.balance for e in page(session, holder_id, account_of(holder_id)).entries] == [
            28, 31, 21, 24,
        ]  # fmt: skip


def test_a_month_is_closed_an_hour_after_its_end(story):
    database, _, _ = story
    february = datetime(2027, 2, 1, tzinfo=UTC)

    def due(now):
        return database.transact(lambda s: next_month(s, now=now))

    assert due(february + timedelta(minutes=59)) is None
    assert due(february + timedelta(hours=1)) == date(2027, 2, 1)


def test_snapshots_are_written_for_accounts_that_moved_and_again_changes_nothing(story):
    database, issuer, holder_id = story
    idle = database.transact(issuer.resident)
    snapshot_all(database, now=MONTHS[3])

    def rows(session):
        query = select(BalanceSnapshot.month, BalanceSnapshot.net)
        mine = session.execute(
            query.where(BalanceSnapshot.holder_id == holder_id).order_by(BalanceSnapshot.month)
        ).all()
        others = session.execute(query.where(BalanceSnapshot.holder_id == idle)).all()
        return [tuple(row) for row in mine], others

    expected = [(date(2027, 2, 1), 7), (date(2027, 3, 1), 14), (date(2027, 4, 1), 21)]
    assert database.transact(rows) == (expected, [])
    database.transact(lambda s: take_slice(s, date(2027, 3, 1), now=MONTHS[3]))
    snapshot_all(database, now=MONTHS[3])
    assert database.transact(rows) == (expected, [])


def test_a_month_is_made_slice_by_slice(story, owner):
    """Killed in between, the next run goes on where the last commit was."""
    database, _, holder_id = story
    month = date(2027, 2, 1)
    with owner.begin() as connection:
        connection.execute(
            text("INSERT INTO snapshot_month (month, slices) VALUES (:month, 4)"), {"month": month}
        )

    done = [database.transact(lambda s: take_slice(s, month, now=MONTHS[1])) for _ in range(4)]

    assert done == [False, False, False, True]
    with database.snapshot() as session:
        progress = session.get_one(SnapshotMonth, month)
        assert (progress.slices_done, progress.completed_at) == (4, MONTHS[1])
        assert balance_at(session, holder_id, account_of(holder_id), MONTHS[1]) == 17


def test_somebody_elses_account_has_no_history(story):
    database, issuer, holder_id = story
    stranger = database.transact(issuer.resident)

    with database.snapshot() as session, pytest.raises(UnknownAccount):
        balance_at(session, stranger, account_of(holder_id), MONTHS[0])


def test_pages_carry_the_running_balance_across_their_borders(story):
    database, _, holder_id = story
    snapshot_all(database, now=MONTHS[2])
    seen, before = [], None
    with database.snapshot() as session:
        while True:
            found = page(session, holder_id, account_of(holder_id), before=before, limit=3)
            seen += [(entry.amount, entry.balance) for entry in found.entries]
            if (before := found.next_before) is None:
                break

    assert seen[::-1] == [(10, 10), (-3, 7), (10, 17), (-3, 14), (10, 24), (-3, 21), (10, 31),
                          (-3, 28)]  # fmt: skip


def test_the_whole_ledger_is_every_entry_once_oldest_first(story):
    database, _, holder_id = story

    with database.snapshot() as session:
        entries = [
            (account.unit, entry.amount, entry.balance)
            for account, entry in whole_ledger(session, holder_id)
        ]

    assert [balance for _, _, balance in entries] == [10, 7, 17, 14, 24, 21, 31, 28]
    assert {unit for unit, _, _ in entries} == {"point"}


@pytest.mark.parametrize("folded", ["nothing", "sequenced", "some", "all"])
def test_a_programmes_own_balances_are_exact_whatever_was_folded(story, folded):
    database, issuer, _ = story
    if folded != "nothing":
        leaves = 3 if folded == "some" else 1_000
        database.transact(lambda s: sequence(s, ORIGIN, leaves_max=leaves))
    if folded in ("some", "all"):
        database.transact(fold)

    with database.snapshot() as session:
        balances = system_balances(session, issuer.holder_id)

    assert balances["point", ISSUED] == -40
    assert balances["point", REDEEMED] == 12
    assert balances["point", EXPIRED] == 0


def test_folding_again_adds_nothing(story):
    database, issuer, _ = story
    database.transact(lambda s: sequence(s, ORIGIN))

    folded = [database.transact(fold) for _ in range(3)]

    assert folded == [8, 0, 0]
    with database.snapshot() as session:
        assert system_balances(session, issuer.holder_id)["point", ISSUED] == -40


def test_liability_is_what_residents_hold_by_month_of_expiry(fresh_database, owner):
    """Issued, spent and expired by month, and outstanding equal to the lots there are."""
    with owner.begin() as connection:
        ensure_partitions(connection, now=JANUARY)
    april = datetime(2027, 4, 2, 4, tzinfo=UTC)

    def work(session):
        issuer = Issuer.opened(session)
        ann, bob = issuer.resident(session), issuer.resident(session)
        issuer.earn(session, ann, 100, at=MONTHS[0])  # To the end of February.
        issuer.earn(session, bob, 50, at=MONTHS[1])  # To the end of March.
        issuer.spend(session, ann, 30, at=MONTHS[1])
        wrong = issuer.earn(session, bob, 8, at=MONTHS[2])  # To the end of April.
        issuer.spend(session, bob, 58, at=MONTHS[2])
        reverse(
            session,
            uuid4(),
            holder_id=bob,
            amounts={wrong.id: None},
            actor="operator:1",
            reason="test",
            now=MONTHS[2],
        )
        lapse_due(session, now=april, limit=10_000)
        assert points(session, ann).balance == 0
        assert points(session, bob).debt == 8
        return issuer

    issuer = fresh_database.transact(work)
    with fresh_database.snapshot() as session:
        before = liability(session, issuer.holder_id)
    fresh_database.transact(lambda s: sequence(s, ORIGIN))
    fresh_database.transact(fold)
    with fresh_database.snapshot() as session:
        after = liability(session, issuer.holder_id)

    assert (
        before
        == after
        == [
            Liability(date(2027, 2, 1), 100, 30, 70, 0),
            Liability(date(2027, 3, 1), 50, 50, 0, 0),
            Liability(date(2027, 4, 1), 8, 8, 0, 0),
            Liability(None, -8, 0, 0, -8),
        ]
    )
