"""The audit finds what was changed behind the program's back, and names it."""

import shutil
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from ledgers.accounts import REDEEMED, account_key
from ledgers.audit import audit
from ledgers.folding import fold
from ledgers.holds import NewHold, capture, reserve
from ledgers.log.sealing import publish, seal, sequence
from ledgers.log.tiles import LogFolder
from ledgers.snapshots import next_month, take_slice
from rewards.audit import audit as audit_rewards
from rewards.redeeming.redemption import redeem
from rewards.tills.consuming import consume
from service.db import Database, owner_engine
from tests.makers import (
    CODES,
    NOW,
    a_buyer,
    a_resident,
    a_ride,
    a_walk,
    an_offer,
    programme_holder,
    recorded,
)

KEY = b"k" * 32
ORIGIN = "test.example/log"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(KEY)


@pytest.fixture(scope="module")
def url(copied_database):
    with copied_database() as found:
        yield found


@pytest.fixture(scope="module")
def database(url):
    found = Database(url)
    yield found
    found.dispose()


@pytest.fixture(scope="module")
def log(database, tmp_path_factory):
    """Of a resident who earned, redeemed and had points held; sealed, folded and snapshot."""

    def work(session):
        holder_id = a_resident(session, points=500)
        recorded(session, a_walk(holder_id, 12_000), a_ride(holder_id))
        offer = an_offer(session)
        redeemed = redeem(
            session,
            uuid4(),
            buyer=a_buyer(session, holder_id),
            offer_id=offer.id,
            codes=CODES,
            now=NOW,
        )
        code = redeemed.voucher_code
        consume(
            session, uuid4(), merchant_id=offer.merchant_id, code=code, codes=CODES, now=NOW,
            actor="till",
        )  # fmt: skip

        hold = NewHold(uuid4(), holder_id, 30, uuid4(), "test", NOW + timedelta(days=1))
        reserve(session, hold, now=NOW)
        captured = NewHold(uuid4(), holder_id, 20, uuid4(), "test", NOW + timedelta(days=1))
        reserve(session, captured, now=NOW)
        redeemed_account = account_key(programme_holder(session), "point", REDEEMED)
        capture(
            session,
            uuid4(),
            holder_id=holder_id,
            hold_id=captured.id,
            points=15,
            credit=redeemed_account,
            actor="test",
            now=NOW,
        )

    transact = database.transact
    transact(work)
    log = LogFolder(tmp_path_factory.mktemp("log") / "log")
    transact(lambda s: sequence(s, ORIGIN))
    transact(lambda s: seal(s, log, LOG_KEY, ORIGIN, now=NOW))
    transact(lambda s: publish(s, log, ORIGIN))
    transact(fold)
    later = NOW + timedelta(days=20)
    transact(lambda s: take_slice(s, next_month(s, now=later), now=later))
    return log


def drifts(session, log):
    return [*audit(session, log), *audit_activities(session), *audit_rewards(session)]


def tamper(session, statement: str) -> None:
    """As a superuser would: with triggers off."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    assert session.execute(text(statement)).rowcount > 0


@pytest.fixture(scope="module")
def checked(database, log):
    with database.snapshot() as session:
        assert drifts(session, log) == []
    return log


@pytest.fixture(scope="module")
def owner(url):
    engine = owner_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def tampered(checked, owner):
    """A session of the owner's, rolled back afterwards."""
    with owner.connect() as connection, Session(connection) as session:
        yield session
        session.rollback()


EARN = "WHERE kind = 'earn' AND unit = 'point'"
RECOMPUTED = {"balance", "lot", "snapshot", "folded balance", "log"}


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("UPDATE account SET balance = balance + 1 WHERE unit = 'point' AND guarded", {"balance"}),
        (
            f"UPDATE transfer SET amount = amount + 1 {EARN}",
            RECOMPUTED | {"grant of an activity"},
        ),
        (
            "UPDATE transfer SET credit_account_id = gen_random_uuid() WHERE kind = 'grant'",
            {"balance", "lot", "snapshot", "log", "account of a transfer"},
        ),
        (
            "DELETE FROM transfer WHERE kind = 'spend'",
            RECOMPUTED
            | {"transfers of a posting", "payment of a redemption", "capture of a hold"},
        ),
        (f"UPDATE transfer SET occurred_at = occurred_at + interval '1 s' {EARN}", {"log"}),
        (f"UPDATE transfer SET reference = gen_random_uuid() {EARN}",
         {"log", "grant of an activity"}),
        (f"UPDATE transfer SET expires_on = expires_on + 1 {EARN}",
         {"log", "lot", "folded balance"}),
        ("UPDATE posting SET actor = 'somebody else' WHERE kind = 'intake'", {"log"}),
        ("UPDATE posting SET transfer_count = 9 WHERE kind = 'intake'", {"transfers of a posting"}),
        ("DELETE FROM sealed_posting WHERE first_index = 0", {"log"}),
        ("UPDATE log_checkpoint SET root = decode(repeat('00', 32), 'hex')", {"log"}),
        ("UPDATE lot SET remaining = remaining - 1", {"lot"}),
        ("UPDATE lot SET remaining = remaining + 1000", {"lot", "lots of an account"}),
        ("UPDATE account SET held = held + 1 WHERE unit = 'point' AND guarded", {"held"}),
        ("UPDATE hold SET amount = amount + 1 WHERE state = 'held'", {"held"}),
        ("UPDATE hold SET captured = captured + 1 WHERE state = 'captured'",
         {"capture of a hold"}),
        ("UPDATE balance_snapshot SET net = net + 1", {"snapshot"}),
        ("UPDATE system_bucket SET net = net + 1", {"folded balance"}),
        ("UPDATE tally SET points = points + 1", {"tally of a day"}),
        (
            "UPDATE activity SET saved_mg_co2e = 1 WHERE scene_code = 'demo.walking'",
            {"grant of an activity", "tally of a day", "quantification of an activity"},
        ),
        ("UPDATE redemption SET spent_points = 1", {"payment of a redemption"}),
        ("DELETE FROM voucher", {"voucher of a redemption", "use of a voucher"}),
        ("UPDATE voucher SET consumed_at = NULL", {"use of a voucher"}),
    ],
)  # fmt: skip
def test_each_kind_of_tampering_is_found(tampered, log, statement, checks):
    tamper(tampered, statement)

    assert {drift.check for drift in drifts(tampered, log)} == checks


def test_one_changed_transfer_is_named(tampered, log):
    """By a superuser, triggers off: the log knows which."""
    victim = tampered.scalar(text("SELECT id FROM transfer WHERE unit = 'mg_co2e' LIMIT 1"))

    tamper(tampered, f"UPDATE transfer SET occurred_at = now() WHERE id = '{victim}'")

    assert [drift.subject for drift in drifts(tampered, log)] == [f"transfer {victim}"]


def test_an_erased_holder_leaves_the_log_verifiable(tampered, log):
    """Their leaves cannot be recomputed any more; what is public in them still is."""
    tamper(tampered, "UPDATE commitment_secret SET secret = NULL")
    assert drifts(tampered, log) == []

    tamper(tampered, "UPDATE transfer SET amount = amount + 1 WHERE kind = 'grant'")
    assert "log" in {drift.check for drift in drifts(tampered, log)}


def test_a_changed_file_of_the_log_is_found(database, checked, tmp_path):
    log = LogFolder(shutil.copytree(checked.path, tmp_path / "log"))
    (bundle,) = (log.path / "tile" / "entries").rglob("*.p/*")
    content = bytearray(bundle.read_bytes())
    content[20] ^= 1
    bundle.write_bytes(content)

    with database.snapshot() as session:
        assert [drift.check for drift in drifts(session, log)] == ["log"]
