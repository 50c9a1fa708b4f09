"""Messages are tried until they are taken or their time is over; no endpoint holds up others."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest

from rewards.webhooks import deliveries, endpoints
from rewards.webhooks.deliveries import LEASE, Outcome, backoff, claim, record
from service.db import Database
from tests.emptying import empty
from tests.rewards.webhooks.telling import NOW, an_endpoint, ids_of, message, told

DAYS = timedelta(days=3)


def claimed(session, *, now=NOW, room=10, limit=100):
    return claim(session, room=lambda _: room, limit=limit, now=now)


def answered(session, claims, answer="500", *, now=NOW):
    good = answer.startswith("2")
    record(session, [Outcome(each, good, answer) for each in claims], now=now)


@pytest.fixture(scope="module")
def url(copied_database):
    with copied_database() as found:
        yield found


@pytest.fixture
def database(url):
    """Without messages of other tests: a claim takes whatever is due."""
    empty(url, "webhook_message", "webhook_endpoint")
    found = Database(url)
    yield found
    found.dispose()


@pytest.fixture
def endpoint(database):
    return database.transact(an_endpoint)


def test_what_was_taken_is_delivered_and_never_sent_again(database, endpoint):
    def work(session):
        (id_,) = told(session, endpoint)
        (one,) = claimed(session)
        assert (one.id, one.url, one.tries) == (id_, endpoint.url, 1)
        assert one.body == message(session, id_).body
        answered(session, [one], "204", now=NOW + timedelta(seconds=1))
        found = message(session, id_)
        assert (found.state, found.next_at, found.last_answer) == ("delivered", None, "204")
        assert found.ended_at == NOW + timedelta(seconds=1)
        assert claimed(session, now=NOW + DAYS) == []

    database.transact(work)


def test_what_is_claimed_is_nobody_elses_until_the_lease_is_over(database, endpoint):
    def work(session):
        (id_,) = told(session, endpoint)
        assert [each.id for each in claimed(session)] == [id_]
        assert claimed(session, now=NOW + LEASE - timedelta(seconds=1)) == []
        (again,) = claimed(session, now=NOW + LEASE)
        assert (again.id, again.tries) == (id_, 2)

    database.transact(work)


def test_a_failure_of_an_earlier_lease_changes_nothing_and_a_success_counts(database, endpoint):
    def work(session):
        (id_,) = told(session, endpoint)
        (late,) = claimed(session)
        later = NOW + LEASE
        (current,) = claimed(session, now=later)
        answered(session, [late], "500", now=later)
        assert message(session, id_).next_at == current.leased_to
        answered(session, [late], "200", now=later)
        assert message(session, id_).state == "delivered"
        answered(session, [current], "500", now=later)
        assert message(session, id_).state == "delivered"

    database.transact(work)


def test_a_message_is_tried_for_three_days_and_then_dead(database, endpoint):
    def work(session):
        (id_,) = told(session, endpoint)
        now, tried = NOW, []
        while message(session, id_).state == "waiting":
            now = message(session, id_).next_at
            (one,) = claimed(session, now=now)
            answered(session, [one], "503", now=now)
            tried.append(now - NOW)
        assert tried[0] == timedelta(0)
        assert tried[-1] == DAYS  # The last try is at the very end.
        assert timedelta(seconds=4) <= tried[1] <= timedelta(seconds=6)
        assert 15 <= len(tried) <= 22
        found = message(session, id_)
        assert (found.state, found.last_answer, found.ended_at) == ("dead", "503", NOW + DAYS)

    database.transact(work)


def test_waits_grow_and_differ():
    seconds = [backoff(tries, jitter=0).total_seconds() for tries in range(1, 13)]

    assert seconds == [5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800, 28800, 28800]
    assert backoff(1, jitter=1).total_seconds() == 6
    assert backoff(1, jitter=-1).total_seconds() == 4


def test_one_that_nobody_sent_in_three_days_is_tried_once_all_the_same(database, endpoint):
    def work(session):
        told(session, endpoint, 2)
        late = NOW + 2 * DAYS
        first, second = claimed(session, now=late)
        answered(session, [first], "200", now=late)
        answered(session, [second], "500", now=late)
        assert message(session, first.id).state == "delivered"
        assert message(session, second.id).state == "dead"

    database.transact(work)


def test_gone_ends_the_endpoint_and_what_waits_for_it(database, endpoint):
    def work(session):
        other = an_endpoint(session)
        (beside,) = told(session, other)
        ids = told(session, endpoint, 3)
        one, *_ = [each for each in claimed(session) if each.endpoint_id == endpoint.id]
        answered(session, [one], "410")
        assert {message(session, id_).state for id_ in ids} == {"dead"}
        assert message(session, one.id).last_answer == "410"
        found = endpoints.get(session, endpoint.merchant_id, endpoint.id)
        assert found.ended_at == NOW
        assert message(session, beside).state == "waiting"

    database.transact(work)


def test_what_waits_for_an_endpoint_that_has_ended_is_dead_and_not_sent(database, endpoint):
    def work(session):
        ids = told(session, endpoint, 3)
        endpoints.end(session, endpoint.merchant_id, endpoint.id, now=NOW)
        session.flush()
        assert claimed(session) == []
        found = [message(session, id_) for id_ in ids]
        assert {(each.state, each.last_answer, each.tries) for each in found} == {
            ("dead", deliveries.ENDED, 0)
        }

    database.transact(work)


def test_of_each_endpoint_as_many_as_it_has_room_and_the_oldest_first(database):
    def work(session):
        crowd = an_endpoint(session)
        many = told(session, crowd, 500, at=NOW - timedelta(hours=1))
        few = [an_endpoint(session) for _ in range(5)]
        theirs = {told(session, each)[0] for each in few}
        found = claim(session, room=lambda id_: 3 if id_ == crowd.id else 1, limit=100, now=NOW)
        assert {each.id for each in found} >= theirs
        mine = [each.id for each in found if each.endpoint_id == crowd.id]
        assert len(mine) == 3
        assert set(mine) <= set(many)
        full = claim(session, room=lambda id_: 0 if id_ == crowd.id else 1, limit=100, now=NOW)
        assert full == []
        assert len(claimed(session, room=100, limit=7)) == 7

    database.transact(work)


def test_statements_do_not_grow_with_the_messages(database, statements):
    def work(session):
        each = [an_endpoint(session) for _ in range(2)]
        with statements() as sent:
            assert claimed(session) == []
        assert len(sent) == 1
        for one in each:
            told(session, one, 200)
        with statements() as sent:
            found = claimed(session, room=200, limit=400)
        assert len(found) == 400
        assert len(sent) == 3 + len(each)
        with statements() as sent:
            answered(session, found, "500")
        assert len(sent) == 1

    database.transact(work)


def test_two_who_claim_at_once_share_and_never_double(database):
    places = [database.transact(an_endpoint) for _ in range(4)]
    wanted = {id_ for each in places for id_ in database.transact(lambda s, e=each: told(s, e, 50))}
    barrier = Barrier(4)

    def runner(_):
        mine = []
        barrier.wait()
        while batch := database.transact(lambda s: claimed(s, room=5, limit=12)):
            mine += [each.id for each in batch]
            database.transact(lambda s, b=batch: answered(s, b, "200"))
        return mine

    with ThreadPoolExecutor(4) as pool:
        found = [id_ for mine in pool.map(runner, range(4)) for id_ in mine]

    assert len(found) == len(set(found))
    left = database.transact(lambda s: {each.id for each in claimed(s, room=500, limit=500)})
    assert set(found) | left == wanted  # A runner may have found none while others held all.
    assert not set(found) & left


def test_a_long_answer_is_cut(database, endpoint):
    def work(session):
        (id_,) = told(session, endpoint)
        answered(session, claimed(session), "x" * 300)
        assert len(message(session, id_).last_answer) == deliveries.ANSWER_LENGTH_MAX

    database.transact(work)


def test_outcomes_of_messages_that_are_not_there_any_more_change_nothing(database, endpoint):
    def work(session):
        told(session, endpoint)
        (one,) = claimed(session)
        answered(session, [one._replace(id=uuid4())], "200")
        record(session, [], now=NOW)
        assert [message(session, id_).state for id_ in ids_of(session, endpoint)] == ["waiting"]

    database.transact(work)
