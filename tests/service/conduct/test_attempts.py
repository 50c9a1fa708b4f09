"""Counters of attempts: the limit holds, also at the same time, also without Redis (stricter)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis

from service import limits
from service.errors import TooManyRequests
from service.limits import Attempts, Limit, subscriber

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
FIVE = Limit(5, 600)


@pytest.fixture
def attempts(urls):
    return Attempts(urls["redis"])


@pytest.fixture
def alone(tmp_path):
    """Without Redis."""
    return Attempts(f"unix://{tmp_path}/nobody.sock")


@pytest.fixture
def key():
    return str(uuid4())


def let_through(attempts, key, limit, *, times, now=NOW):
    """How many of so many attempts are let through."""
    found = 0
    for _ in range(times):
        try:
            attempts.count("test", key, limit, now=now)
        except TooManyRequests:
            continue
        found += 1
    return found


def test_as_many_as_the_limit_are_let_through(attempts, key):
    assert let_through(attempts, key, FIVE, times=9) == 5


def test_the_refusal_says_when_the_window_ends(attempts, key):
    let_through(attempts, key, FIVE, times=5)

    with pytest.raises(TooManyRequests) as refusal:
        attempts.count("test", key, FIVE, now=NOW + timedelta(seconds=99.5))

    assert refusal.value.retry_after_s == 501  # Rounded up: who waits so long is let through.
    assert let_through(attempts, key, FIVE, times=9, now=NOW + timedelta(seconds=599)) == 0
    assert let_through(attempts, key, FIVE, times=9, now=NOW + timedelta(seconds=600)) == 5


def test_checking_counts_nothing_and_refuses_what_counting_would(attempts, key):
    for _ in range(9):
        assert attempts.check("test", key, FIVE, now=NOW).remaining == 5
    let_through(attempts, key, FIVE, times=5)

    with pytest.raises(TooManyRequests):
        attempts.check("test", key, FIVE, now=NOW)


def test_what_is_forgotten_begins_anew(attempts, alone, key):
    for each, times in ((attempts, 5), (alone, 2)):
        let_through(each, key, FIVE, times=9)
        each.forget("test", key)
        assert let_through(each, key, FIVE, times=9) == times


def test_names_and_keys_are_counted_apart(attempts, key):
    let_through(attempts, key, FIVE, times=9)

    attempts.count("other", key, FIVE, now=NOW)
    attempts.count("test", key + "'", FIVE, now=NOW)
    attempts.count("test", key.encode(), FIVE, now=NOW)


@pytest.mark.parametrize("where", ["attempts", "alone"])
def test_at_the_same_time_no_more_get_through(where, key, request):
    counters = request.getfixturevalue(where)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: let_through(counters, key, FIVE, times=5), range(8))

    assert sum(found) == (5 if where == "attempts" else 2)


def test_without_redis_half_is_let_through_and_at_least_one(alone, key):
    assert let_through(alone, key, FIVE, times=9) == 2
    assert let_through(alone, key + "1", Limit(1, 60), times=9) == 1
    assert let_through(alone, key, FIVE, times=9, now=NOW + timedelta(seconds=600)) == 2


def test_without_redis_it_is_asked_once_in_a_while(alone, key, monkeypatch):
    asked = []
    monkeypatch.setattr(alone, "_script", lambda *_: asked.append(1) or alone._redis.ping())

    let_through(alone, key, FIVE, times=9)

    assert asked == [1]


def test_memory_is_bounded(alone, key, monkeypatch):
    monkeypatch.setattr(limits, "KEPT_MAX", 10)

    for number in range(99):
        alone.count("test", f"{key}-{number}", FIVE, now=NOW)

    assert len(alone._here._kept) == 10


def test_redis_forgets_what_is_over(attempts, key, urls):
    attempts.count("test", key, FIVE, now=NOW)

    with Redis.from_url(urls["redis"]) as redis:
        assert 0 < redis.ttl(f"tanhui:attempts:test:{key}") <= 601


def test_a_clock_that_was_set_back_locks_nobody_out(attempts, alone, key):
    for each in (attempts, alone):
        let_through(each, key, FIVE, times=9, now=NOW + timedelta(days=9))
        each.count("test", key, FIVE, now=NOW)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),  # Else all of IPv4 would have one budget.
        ("::ffff:192.0.2.8", "192.0.2.8"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", ""),
    ],
)
def test_whom_an_address_is_counted_as(address, counted):
    assert subscriber(address) == counted
