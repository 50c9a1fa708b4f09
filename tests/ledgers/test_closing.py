"""Closing a holder: what remains lapses once, nothing is booked there again, the log verifies."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from ledgers.accounts import is_closed, of_holder
from ledgers.audit import audit
from ledgers.closing import Closed, close_holder, closed, erase, posting_id_of
from ledgers.errors import HolderErased, UnknownAccount
from ledgers.folding import fold, liability
from ledgers.holds import NewHold, active_holds, end_overdue, get_hold, reserve
from ledgers.log.issuing import receipt
from ledgers.log.notes import SignerKey
from ledgers.log.reading import open_checkpoint
from ledgers.log.receipts import check_receipt, find_in_log
from ledgers.log.sealing import publish, seal, sequence
from ledgers.log.tiles import CHECKPOINT, LogFolder
from ledgers.models import CommitmentSecret, Hold, Lot, Posting, Transfer
from ledgers.posting import post
from ledgers.reversal import reverse
from tests.makers import NOW, a_resident, balance, debt, earning, programme_holder, spending

ORIGIN = "closing.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
ACTOR = "test"


def close(session, holder_id, *, now=NOW):
    return close_holder(
        session, holder_id, issuer_id=programme_holder(session), actor=ACTOR, now=now
    )


def test_what_remains_lapses_by_a_posting_and_co2e_stays(session):
    holder_id = a_resident(session, points=500)
    post(session, earning(session, holder_id, 700, unit="mg_co2e"), now=NOW)

    assert close(session, holder_id) == Closed(500, 0)

    assert balance(session, holder_id) == 0
    assert balance(session, holder_id, "mg_co2e") == 700
    assert all(account.closed_at == NOW for account in of_holder(session, holder_id))
    posting = session.get_one(Posting, posting_id_of(holder_id))
    assert (posting.kind, posting.reason, posting.actor) == ("lapse", "account closed", ACTOR)
    (transfer,) = session.scalars(select(Transfer).where(Transfer.posting_id == posting.id))
    assert (transfer.kind, transfer.amount, transfer.unit) == ("lapse", 500, "point")
    assert session.scalar(select(func.sum(Lot.remaining)).where(Lot.holder_id == holder_id)) == 0


def test_closing_again_changes_nothing_and_answers_the_same(session):
    holder_id = a_resident(session, points=500)

    first = close(session, holder_id)
    again = close(session, holder_id, now=NOW + timedelta(days=1))

    assert first == again == closed(session, holder_id)
    assert all(account.closed_at == NOW for account in of_holder(session, holder_id))


def test_who_has_nothing_is_closed_without_a_posting(session):
    holder_id = a_resident(session)

    assert close(session, holder_id) == Closed(0, 0)
    assert session.get(Posting, posting_id_of(holder_id)) is None
    assert is_closed(session, holder_id)
    assert not is_closed(session, a_resident(session))


def test_a_debt_lapses_too_and_no_programme_waits_for_it(fresh_database):
    fresh_database.transact(_in_debt_and_gone)

    with fresh_database.snapshot() as session:
        assert list(audit(session)) == []


def _in_debt_and_gone(session):
    holder_id = a_resident(session)
    grant = earning(session, holder_id, 100)
    post(session, grant, now=NOW)
    post(session, spending(session, holder_id, 80), now=NOW)
    (earned,) = session.scalars(select(Transfer.id).where(Transfer.posting_id == grant.id))
    reverse(
        session, uuid4(), holder_id=holder_id, amounts={earned: None}, actor="a", reason="b",
        now=NOW,
    )  # fmt: skip
    assert debt(session, holder_id) == 80

    assert close(session, holder_id) == Closed(0, 80)

    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 0)


@pytest.mark.parametrize("work", ["earn", "spend", "reserve"])
def test_nothing_is_booked_on_a_closed_account(session, work):
    holder_id = a_resident(session, points=50)
    close(session, holder_id)
    hold = NewHold(uuid4(), holder_id, 5, uuid4(), "t", NOW + timedelta(days=1))
    book = {
        "earn": lambda: post(session, earning(session, holder_id, 5), now=NOW),
        "spend": lambda: post(session, spending(session, holder_id, 5), now=NOW),
        "reserve": lambda: reserve(session, hold, now=NOW),
    }[work]

    with pytest.raises(UnknownAccount):
        book()


def test_a_hold_past_its_deadline_ends_and_a_live_one_stays(session):
    holder_id = a_resident(session, points=50)
    overdue, live = (
        NewHold(uuid4(), holder_id, 20, uuid4(), "t", NOW + timedelta(hours=hours))
        for hours in (1, 3)
    )
    for hold in (overdue, live):
        reserve(session, hold, now=NOW)

    later = NOW + timedelta(hours=2)
    assert end_overdue(session, holder_id, now=later) == 1
    assert end_overdue(session, holder_id, now=later) == 0

    assert get_hold(session, holder_id, overdue.id).state == "lapsed"
    assert [hold.id for hold in active_holds(session, holder_id)] == [live.id]
    with pytest.raises(AssertionError):
        close(session, holder_id)


def test_points_in_a_lot_and_points_that_never_expire_all_lapse(session):
    """What is in no lot, as from before lots were kept, goes to the holder's programme."""
    holder_id = a_resident(session, points=30)
    lot = session.scalars(select(Lot).where(Lot.holder_id == holder_id)).one()
    lot.remaining = 10
    session.flush()

    assert close(session, holder_id) == Closed(30, 0)

    lapsed = session.execute(
        select(Transfer.amount, Transfer.expires_on)
        .where(Transfer.posting_id == posting_id_of(holder_id))
        .order_by(Transfer.amount)
    ).all()
    assert lapsed == [(10, lot.expires_on), (20, None)]


class Log:
    def __init__(self, database, path):
        self.database, self.folder = database, LogFolder(path)

    def seal(self):
        transact = self.database.transact
        transact(lambda s: sequence(s, ORIGIN))
        transact(lambda s: seal(s, self.folder, KEY, ORIGIN, now=NOW))
        transact(lambda s: publish(s, self.folder, ORIGIN))


@pytest.fixture
def log(fresh_database, tmp_path):
    return Log(fresh_database, tmp_path / "log")


def test_the_secret_goes_once_all_is_sealed_and_earlier_receipts_hold(fresh_database, log):
    transact = fresh_database.transact
    holder_id = transact(lambda s: a_resident(s, points=500))
    log.seal()
    (earned,) = transact(
        lambda s: s.scalars(select(Transfer.id).where(Transfer.holder_id == holder_id)).all()
    )
    before = transact(lambda s: receipt(s, log.folder, earned, holder_id=holder_id))

    transact(lambda s: close(s, holder_id))
    assert not transact(lambda s: erase(s, holder_id)), "the lapse is not sealed yet"
    log.seal()
    transact(fold)
    assert transact(lambda s: erase(s, holder_id))
    assert transact(lambda s: erase(s, holder_id))

    assert transact(lambda s: s.get_one(CommitmentSecret, holder_id).secret) is None
    with pytest.raises(HolderErased):
        transact(lambda s: receipt(s, log.folder, earned, holder_id=holder_id))
    verifier = SignerKey(ORIGIN, b"c" * 32).verifier
    published = open_checkpoint(log.folder.read(CHECKPOINT).decode(), verifier)
    _, proved = check_receipt(before, verifier)
    find_in_log(before, log.folder, published, proved)
    with fresh_database.snapshot() as session:
        assert list(audit(session, log.folder)) == []
        outstanding = sum(
            month.outstanding_points for month in liability(session, programme_holder(session))
        )
    assert outstanding == 0


def test_who_never_earned_is_erased_at_once(session):
    holder_id = a_resident(session)
    close(session, holder_id)

    assert erase(session, holder_id)
    assert session.get_one(CommitmentSecret, holder_id).secret is None


def test_of_earning_and_closing_at_once_all_that_was_booked_has_lapsed(database):
    holders = database.transact(lambda s: [a_resident(s, points=7) for _ in range(4)])

    def earn(holder_id):
        try:
            database.transact(lambda s: post(s, earning(s, holder_id, 5), now=NOW))
        except UnknownAccount:
            return 0
        return 5

    def leave(holder_id):
        return database.transact(lambda s: close(s, holder_id)).lapsed_points

    for holder_id in holders:
        with ThreadPoolExecutor(20) as pool:
            earned = [pool.submit(earn, holder_id) for _ in range(16)]
            left = [pool.submit(leave, holder_id) for _ in range(4)]
            booked = sum(future.result() for future in earned)
        assert {future.result() for future in left} == {7 + booked}
        with database.snapshot() as session:
            assert balance(session, holder_id) == 0


def test_reserving_and_closing_at_once_leaves_no_hold_on_a_closed_account(database):
    holder_id = database.transact(lambda s: a_resident(s, points=100))

    def hold(_):
        wanted = NewHold(uuid4(), holder_id, 5, uuid4(), "t", NOW + timedelta(days=1))
        try:
            database.transact(lambda s: reserve(s, wanted, now=NOW))
        except UnknownAccount:
            return False
        return True

    def leave():
        try:
            database.transact(lambda s: close(s, holder_id))
        except AssertionError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        held = list(pool.map(hold, range(10)))
        left = pool.submit(leave).result()
    with database.snapshot() as session:
        holds = session.scalars(select(Hold).where(Hold.holder_id == holder_id)).all()
        assert len(holds) == sum(held)
        assert is_closed(session, holder_id) is left is (not holds)
