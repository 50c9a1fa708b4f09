"""After a closing: feeds go on, late versions leave alone who left, and all audits are clean."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from activities.audit import audit as audit_activities
from ledgers.audit import audit
from ledgers.closing import posting_id_of
from ledgers.folding import fold
from ledgers.holds import NewHold, reserve
from ledgers.log.sealing import publish, seal, sequence
from ledgers.log.tiles import LogFolder
from ledgers.models import CommitmentSecret, Posting
from rewards.audit import audit as audit_rewards
from rewards.redeeming.redemption import redeem
from rewards.tills.consuming import consume
from service.identity.closing import Wish, close, erase_closed
from service.identity.keyring import Keyring
from service.identity.outside_ids import add_ids
from tests.makers import (
    CODES,
    NOW,
    a_buyer,
    a_resident,
    a_ride,
    a_walk,
    an_offer,
    balance,
    recorded,
)
from tests.service.feeding import a_sender, told

ORIGIN = "left.example/log"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
KEYRING = Keyring("k1", {"k1": b"m" * 32}, b"i" * 32)
LATER = NOW + timedelta(days=2)
WISH = Wish("holder:test", "192.0.2.1", forfeit_vouchers=True)


def test_all_audits_are_clean_and_the_log_verifies_after_somebody_left(fresh_database, tmp_path):
    transact = fresh_database.transact

    def live(session):
        left, stays = (a_resident(session, points=500) for _ in range(2))
        for holder_id in (left, stays):
            add_ids(session, KEYRING, "metro", {str(holder_id): holder_id}, now=NOW)
            recorded(session, a_walk(holder_id, 12_000), a_ride(holder_id))
            offer = an_offer(session)
            codes = [
                redeem(
                    session,
                    uuid4(),
                    buyer=a_buyer(session, holder_id),
                    offer_id=offer.id,
                    codes=CODES,
                    now=NOW,
                ).voucher_code
                for _ in range(2)
            ]
            consume(
                session, uuid4(), merchant_id=offer.merchant_id, code=codes[0], codes=CODES,
                now=NOW, actor="till",
            )  # fmt: skip
            hold = NewHold(uuid4(), holder_id, 30, uuid4(), "test", NOW + timedelta(days=1))
            reserve(session, hold, now=NOW)
        return left

    left = transact(live)
    log = LogFolder(tmp_path / "log")

    def seal_all():
        transact(lambda s: sequence(s, ORIGIN))
        transact(lambda s: seal(s, log, LOG_KEY, ORIGIN, now=LATER))
        transact(lambda s: publish(s, log, ORIGIN))
        transact(fold)

    def drifts():
        with fresh_database.snapshot() as session:
            return [*audit(session, log), *audit_activities(session), *audit_rewards(session)]

    seal_all()
    closure = transact(lambda s: close(s, left, WISH, codes=CODES, now=LATER))
    assert closure.forfeited_vouchers == 1
    assert transact(lambda s: erase_closed(s, now=LATER)).erased == 0
    assert drifts() == []
    seal_all()
    assert transact(lambda s: erase_closed(s, now=LATER)).erased == 1
    assert transact(lambda s: erase_closed(s, now=LATER)).looked == 0

    assert drifts() == []
    with fresh_database.snapshot() as session:
        assert session.get_one(CommitmentSecret, left).secret is None
        posting = session.get_one(Posting, posting_id_of(left))
        assert (posting.kind, posting.actor) == ("lapse", WISH.actor)


@pytest.fixture
def sender(services, client):
    return a_sender(services, client)


def leave(sender, subject):
    now, services = datetime.now(UTC), sender.services
    holder_id = sender.residents[subject]
    services.database.transact(lambda s: close(s, holder_id, WISH, codes=services.codes, now=now))
    return holder_id


def adjustments(sender, holder_id):
    query = text("SELECT count(*) FROM adjustment WHERE holder_id = :holder")
    return sender.services.database.transact(lambda s: s.scalar(query, {"holder": holder_id}))


def saved(sender, holder_id):
    return sender.services.database.transact(lambda s: balance(s, holder_id, "mg_co2e"))


def test_a_partners_customer_who_left_is_an_unknown_resident(sender):
    left, stays = sender.resident(), sender.resident()
    holder_id = leave(sender, left)

    answers = told(sender.post([sender.event(left), sender.event(stays)]))

    assert answers[0]["code"] == "unknown_resident"
    assert answers[1]["points"] == 52
    assert saved(sender, holder_id) == 0


@pytest.mark.parametrize("version", ["missing", "changed", "the same"])
def test_a_later_version_of_a_batch_leaves_alone_what_somebody_did_who_left(sender, version):
    left, stays = sender.resident(), sender.resident()
    theirs, other = sender.event(left), sender.event(stays)
    sender.post([theirs, other])
    before = saved(sender, sender.residents[left])
    holder_id = leave(sender, left)
    later = {
        "missing": [],
        "changed": [theirs | {"ended_at": "2016-04-12T00:20:00+08:00"}],
        "the same": [theirs],
    }[version]

    answer = sender.post([*later, sender.event(stays, minute=60)], version=2)

    assert answer.status_code == 200, answer.text
    assert told(answer)[-1]["points"] == 52
    assert answer.headers["Tanhui-Withdrawn"] == "1"  # The other's, which is missing indeed.
    assert adjustments(sender, holder_id) == 0
    assert saved(sender, holder_id) == before > 0
