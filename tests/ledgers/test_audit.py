"""The audit finds what was changed behind the program's back, and names it."""

from uuid import uuid4

import pytest
from sqlalchemy import text

from activities.audit import audit as audit_activities
from ledgers.audit import audit
from rewards.audit import audit as audit_rewards
from rewards.redemption import redeem
from rewards.vouchers import consume
from tests.makers import NOW, a_resident, a_ride, a_walk, an_offer, recorded

KEY = b"k" * 32


@pytest.fixture
def written(fresh_database):
    def work(session):
        holder_id = a_resident(session, points=500)
        recorded(session, a_walk(holder_id, 12_000), a_ride(holder_id))
        offer = an_offer(session)
        redeemed = redeem(
            session, uuid4(), holder_id=holder_id, offer_id=offer.id, code_key=KEY, now=NOW
        )
        code = redeemed.voucher_code
        consume(session, uuid4(), merchant_id=offer.merchant_id, code=code, now=NOW)

    fresh_database.transact(work)
    return fresh_database


def drifts(database):
    with database.snapshot() as session:
        return [
            drift for check in (audit, audit_activities, audit_rewards) for drift in check(session)
        ]


def tamper(owner, statement: str) -> None:
    """As a superuser would: with triggers off."""
    with owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(text(statement)).rowcount > 0


@pytest.fixture
def checked(written):
    assert drifts(written) == []
    return written


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        ("UPDATE account SET balance = balance + 1 WHERE unit = 'point' AND guarded", {"balance"}),
        (
            "UPDATE transfer SET amount = amount + 1 WHERE kind = 'earn' AND unit = 'point'",
            {"balance", "grant of an activity"},
        ),
        (
            "UPDATE transfer SET credit_account_id = gen_random_uuid() WHERE kind = 'grant'",
            {"balance", "account of a transfer"},
        ),
        (
            "DELETE FROM transfer WHERE kind = 'spend'",
            {"balance", "transfers of a posting", "payment of a redemption"},
        ),
        ("UPDATE posting SET transfer_count = 9 WHERE kind = 'intake'", {"transfers of a posting"}),
        ("UPDATE tally SET points = points + 1", {"tally of a day"}),
        (
            "UPDATE activity SET saved_mg_co2e = 1 WHERE scene_code = 'demo.walking'",
            {"grant of an activity", "tally of a day", "quantification of an activity"},
        ),
        ("UPDATE redemption SET spent_points = 1", {"payment of a redemption"}),
        ("DELETE FROM voucher", {"voucher of a redemption", "use of a voucher"}),
        ("UPDATE voucher SET consumed_at = NULL", {"use of a voucher"}),
    ],
)
def test_each_kind_of_tampering_is_found(checked, owner, statement, checks):
    tamper(owner, statement)

    assert {drift.check for drift in drifts(checked)} == checks
