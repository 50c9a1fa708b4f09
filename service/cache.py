"""Redis: cached reads, without it slower and never wrong; and what was used once before."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import redis


class CacheAway(Exception):
    """Redis does not answer, and without it this cannot be told."""


class Cache:
    """Answers kept for some seconds under the prefix ``tanhui:``."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=1, socket_connect_timeout=1, health_check_interval=30
        )

    def ping(self) -> bool:
        """Whether redis answers."""
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def first_use(self, key: str, seconds: int) -> bool:
        """Whether nobody used the key within ``seconds``; from now on somebody has.

        Raises:
            CacheAway: nobody can tell.
        """
        try:
            return bool(self._redis.set(f"tanhui:{key}", b"1", ex=seconds, nx=True))
        except redis.RedisError as error:
            raise CacheAway from error

    def step(self, script: str, key: str, *arguments: bytes | int) -> int:
        """Run a Lua script on one key, as one step that nothing comes between; its number.

        Raises:
            CacheAway: it may have run or not.
        """
        try:
            return int(self._redis.register_script(script)((f"tanhui:{key}",), arguments))
        except redis.RedisError as error:
            raise CacheAway from error

    def keep(self, key: str, value: bytes, seconds: int) -> None:
        """Keep a value for some time. Raises CacheAway."""
        try:
            self._redis.set(f"tanhui:{key}", value, ex=seconds)
        except redis.RedisError as error:
            raise CacheAway from error

    def kept(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is kept under each key, in one round trip; without redis nothing is."""
        try:
            found = self._redis.mget([f"tanhui:{key}" for key in keys])
        except redis.RedisError:
            return [None] * len(keys)
        return [value if isinstance(value, bytes) else None for value in found]

    def take(self, key: str) -> bytes | None:
        """What is kept, which is gone by that: of two who take it one has it. Raises CacheAway."""
        try:
            found = self._redis.getdel(f"tanhui:{key}")
        except redis.RedisError as error:
            raise CacheAway from error
        return found if isinstance(found, bytes) else None

    def forget(self, key: str) -> None:
        """Let the key be used again; without redis it is forgotten in its time."""
        with suppress(redis.RedisError):
            self._redis.delete(f"tanhui:{key}")

    def remembered(
        self, key: str, seconds: int, read: Callable[[], dict[str, int]]
    ) -> dict[str, int]:
        """``read()``, or what it answered at most ``seconds`` ago."""
        try:
            known = self._redis.get(f"tanhui:{key}")
            if isinstance(known, bytes):
                return msgspec.json.decode(known, type=dict[str, int])
        except redis.RedisError:
            return read()
        except msgspec.DecodeError:
            pass  # Not of our writing: written over.
        answer = read()
        try:
            self._redis.set(f"tanhui:{key}", msgspec.json.encode(answer), ex=seconds)
        except redis.RedisError:
            return answer
        return answer
