"""What merchants are told is written with what it tells of, for live endpoints that asked."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from rewards.models import WebhookMessage
from rewards.webhooks.outbox import Told, tell
from tests.rewards.webhooks.telling import NOW, USED, a_seller, an_endpoint, ids_of, message, told


def test_a_message_waits_for_each_live_endpoint_that_asked(session):
    merchant_id = a_seller(session)
    asked = [an_endpoint(session, merchant_id), an_endpoint(session, merchant_id)]
    other_kind = an_endpoint(session, merchant_id, kinds=("settlement.paid", "pool.low"))
    ended = an_endpoint(session, merchant_id, ended_at=NOW)
    stranger = an_endpoint(session)
    fact = Told(merchant_id, USED, {"consumption_id": str(uuid4()), "settlement_fen": 1_200})

    assert tell(session, [fact], now=NOW) == 2

    for endpoint in asked:
        (id_,) = ids_of(session, endpoint)
        found = message(session, id_)
        assert (found.state, found.tries, found.next_at) == ("waiting", 0, NOW)
        assert (found.merchant_id, found.kind) == (merchant_id, USED)
        assert found.give_up_at == NOW + timedelta(days=3)
        assert json.loads(found.body) == {
            "type": USED,
            "timestamp": NOW.isoformat(),
            "data": fact.content,
        }
    for endpoint in (other_kind, ended, stranger):
        assert ids_of(session, endpoint) == []


def test_a_batch_takes_two_statements_and_one_where_nobody_listens(session, statements):
    endpoints = [an_endpoint(session) for _ in range(3)]
    facts = [Told(each.merchant_id, USED, {"n": n}) for n in range(100) for each in endpoints]
    silent = a_seller(session)
    session.flush()

    with statements() as sent:
        assert tell(session, facts, now=NOW) == 300
    assert len(sent) == 2
    with statements() as sent:
        assert tell(session, [Told(silent, USED, {})] * 100, now=NOW) == 0
    assert len(sent) == 1
    with statements() as sent:
        assert tell(session, [], now=NOW) == 0
    assert sent == []


def test_texts_of_any_kind_come_through_unchanged(session):
    endpoint = an_endpoint(session)
    content = {"name": 'a "b" {c}, \\d\n\t\u0000é示范', "none": None}

    tell(session, [Told(endpoint.merchant_id, USED, content)], now=NOW)

    (id_,) = ids_of(session, endpoint)
    assert json.loads(message(session, id_).body)["data"] == content


def test_what_is_rolled_back_told_nobody_anything(database):
    endpoint = database.transact(an_endpoint)

    def fails(session):
        assert len(told(session, endpoint, 3)) == 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.transact(fails)

    assert database.transact(lambda s: ids_of(s, endpoint)) == []


def test_a_kind_that_nobody_can_ask_for_is_our_own_mistake(session):
    endpoint = an_endpoint(session)

    with pytest.raises(AssertionError):
        tell(session, [Told(endpoint.merchant_id, "voucher.eaten", {})], now=NOW)


def test_ids_are_new_ones_of_their_instant(session):
    endpoint = an_endpoint(session)

    ids = told(session, endpoint, 50)

    assert len(set(ids)) == 50
    rows = session.scalars(select(WebhookMessage.made_at).where(WebhookMessage.id.in_(ids)))
    assert set(rows) == {NOW}
    assert {id_.version for id_ in ids} == {7}
