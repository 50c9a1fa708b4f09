"""Dead letters are listed and sent again on request; a ping tries an endpoint out."""

from datetime import timedelta
from uuid import uuid4

import pytest

from rewards.webhooks import endpoints, messages
from rewards.webhooks.errors import (
    UnknownWebhook,
    UnknownWebhookMessage,
    WebhookEnded,
    WebhookMessageReused,
)
from tests.rewards.webhooks.telling import NOW, an_endpoint, message, told

LATER = NOW + timedelta(days=10)


def died(session, ids, *, state="dead"):
    for id_ in ids:
        found = message(session, id_)
        found.state, found.next_at, found.ended_at, found.tries = state, None, NOW, 9
    session.flush()


@pytest.fixture
def endpoint(session):
    return an_endpoint(session)


def key_of(endpoint):
    return endpoint.merchant_id, endpoint.id


def test_lists_are_of_one_state_newest_first_and_go_on(session, endpoint):
    dead, waiting = told(session, endpoint, 5), told(session, endpoint, 2)
    other = an_endpoint(session, endpoint.merchant_id, kinds=("pool.low",))
    died(session, dead)

    first = messages.listed(session, *key_of(endpoint), state="dead", limit=3)
    rest = messages.listed(session, *key_of(endpoint), state="dead", before=first[-1].id, limit=3)

    assert [each.id for each in (*first, *rest)] == dead[::-1]
    found = messages.listed(session, *key_of(endpoint), state="waiting", limit=3)
    assert [each.id for each in found] == waiting[::-1]
    assert messages.listed(session, *key_of(endpoint), state="delivered", limit=3) == []
    assert messages.listed(session, *key_of(other), state="dead", limit=3) == []
    with pytest.raises(UnknownWebhook):
        messages.listed(session, uuid4(), endpoint.id, state="dead", limit=3)


@pytest.mark.parametrize("state", ["dead", "delivered"])
def test_a_message_waits_again_with_three_days_to_come(session, endpoint, state):
    (id_,) = told(session, endpoint)
    died(session, [id_], state=state)

    found = messages.redeliver(session, *key_of(endpoint), id_, now=LATER)

    assert (found.id, found.state, found.tries) == (id_, "waiting", 0)
    assert (found.next_at, found.ended_at) == (LATER, None)
    assert found.give_up_at == LATER + timedelta(days=3)


def test_one_that_waits_is_left_alone(session, endpoint):
    (id_,) = told(session, endpoint)

    found = messages.redeliver(session, *key_of(endpoint), id_, now=LATER)

    assert (found.state, found.next_at) == ("waiting", NOW)


def test_all_dead_ones_made_since_an_instant_wait_again(session, endpoint, monkeypatch):
    old, recent = told(session, endpoint, 2), told(session, endpoint, 5, at=NOW + timedelta(days=1))
    delivered = told(session, endpoint, at=NOW + timedelta(days=1))
    died(session, [*old, *recent])
    died(session, delivered, state="delivered")
    since = NOW + timedelta(hours=1)
    monkeypatch.setattr(messages, "AT_ONCE", 3)

    def again():
        return messages.redeliver_dead(session, *key_of(endpoint), since=since, now=LATER)

    assert [again(), again(), again()] == [3, 2, 0]
    assert messages.dead_count(session, *key_of(endpoint), since=since) == 0
    assert messages.dead_count(session, *key_of(endpoint), since=NOW) == 2
    assert {message(session, id_).next_at for id_ in recent} == {LATER}
    assert {message(session, id_).state for id_ in old} == {"dead"}
    assert message(session, delivered[0]).state == "delivered"


def test_a_ping_is_a_message_like_any_other_once(session, endpoint):
    id_ = uuid4()
    first = messages.ping(session, *key_of(endpoint), id_, now=NOW)
    again = messages.ping(session, *key_of(endpoint), id_, now=LATER)

    assert first is again
    assert (first.id, first.kind, first.state, first.next_at) == (id_, "ping", "waiting", NOW)
    assert '"type":"ping"' in first.body
    with pytest.raises(WebhookMessageReused):
        messages.ping(session, *key_of(an_endpoint(session)), id_, now=NOW)
    (other,) = told(session, endpoint)
    with pytest.raises(WebhookMessageReused):
        messages.ping(session, *key_of(endpoint), other, now=NOW)


def test_nothing_is_sent_to_what_has_ended_or_is_anothers(session, endpoint):
    (id_,) = told(session, endpoint)
    died(session, [id_])
    stranger = an_endpoint(session)

    with pytest.raises(UnknownWebhookMessage):
        messages.redeliver(session, *key_of(stranger), id_, now=NOW)
    with pytest.raises(UnknownWebhookMessage):
        messages.redeliver(session, *key_of(endpoint), uuid4(), now=NOW)
    with pytest.raises(UnknownWebhook):
        messages.redeliver(session, stranger.merchant_id, endpoint.id, id_, now=NOW)
    endpoints.end(session, *key_of(endpoint), now=NOW)
    session.flush()
    for refused in (
        lambda: messages.redeliver(session, *key_of(endpoint), id_, now=NOW),
        lambda: messages.redeliver_dead(session, *key_of(endpoint), since=NOW, now=NOW),
        lambda: messages.ping(session, *key_of(endpoint), uuid4(), now=NOW),
    ):
        with pytest.raises(WebhookEnded):
            refused()
    assert message(session, id_).state == "dead"
