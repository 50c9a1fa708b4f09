"""Redis: without it, or with nonsense in it, reads are slower and never wrong."""

from uuid import uuid4

import pytest
from redis import Redis

from service.cache import Cache


@pytest.fixture
def key():
    return f"test-{uuid4()}"


def test_what_was_read_is_remembered_for_a_while(urls, key):
    cache, reads = Cache(urls["redis"]), iter(range(9))

    answers = [cache.remembered(key, 60, lambda: {"read": next(reads)}) for _ in range(3)]

    assert answers == [{"read": 0}] * 3
    with Redis.from_url(urls["redis"]) as redis:
        assert 0 < redis.ttl(f"tanhui:{key}") <= 60


@pytest.mark.parametrize("found", [b"", b"nonsense", b"[]", b'{"a": "b"}', b"\xff", b'{"a": 1.5}'])
def test_what_we_did_not_write_is_written_over(urls, key, found):
    cache = Cache(urls["redis"])
    with Redis.from_url(urls["redis"]) as redis:
        redis.set(f"tanhui:{key}", found)

    assert cache.remembered(key, 60, lambda: {"read": 1}) == {"read": 1}
    assert cache.remembered(key, 60, lambda: {"read": 2}) == {"read": 1}


def test_a_key_of_another_kind_is_read_past(urls, key):
    with Redis.from_url(urls["redis"]) as redis:
        redis.lpush(f"tanhui:{key}", "x")

    assert Cache(urls["redis"]).remembered(key, 60, lambda: {"read": 1}) == {"read": 1}


def test_without_redis_everything_is_read(key, tmp_path):
    cache, reads = Cache(f"unix://{tmp_path}/nobody.sock"), iter(range(9))

    answers = [cache.remembered(key, 60, lambda: {"read": next(reads)}) for _ in range(2)]

    assert answers == [{"read": 0}, {"read": 1}]
    assert not cache.ping()
