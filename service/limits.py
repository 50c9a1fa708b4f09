"""How often: counters of attempts, on Redis; without Redis in this process, and stricter.

``services().attempts`` counts what must not be tried at will: codes, passwords, messages sent. A
window of time begins with the first attempt and ends ``per_s`` later, so the border of two windows
lets through twice ``times`` at most. Count first and do the work then: among attempts at the same
time only a counter that is counted before the work refuses the surplus.

    attempts.count("code-phone", key, Limit(5, 600), now=now)  # TooManyRequests from the sixth on
    ...
    attempts.forget("code-phone", key)  # It was right: the next one starts anew.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

import redis

from service.errors import TooManyRequests

AWAY_S = 5  # So long is Redis left alone once it failed: a request waits for it at most once.
KEPT_MAX = 50_000  # Windows of one process; beyond it the oldest is forgotten.
_NETWORK_BITS = 64  # What one subscriber has of IPv6: counting each address would count nothing.
_ANSWER_S = 0.5  # Redis stands beside us: what takes longer is as good as away.

_COUNT = """
local kept = redis.call('HMGET', KEYS[1], 'count', 'began')
local now, per, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count, began = tonumber(kept[1]), tonumber(kept[2])
local fresh = not count or not began or now >= began + per or now < began - per
if fresh then count, began = 0, now end
if more > 0 then
  count = count + more
  redis.call('HSET', KEYS[1], 'count', count, 'began', string.format('%d', began))
  if fresh then redis.call('PEXPIRE', KEYS[1], per + 1000) end
end
return {count, math.floor(began + per - now)}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many ``times`` in a window of ``per_s`` seconds."""

    times: int
    per_s: int

    def __post_init__(self) -> None:
        assert self.times >= 1
        assert self.per_s >= 1

    @property
    def without_redis(self) -> "Limit":
        """What one process lets through when it cannot ask the others: half, at least one."""
        return Limit(max(1, self.times // 2), self.per_s)


# Of every route, by whom it is counted; TANHUI_RATE_LIMITS multiplies them (service.rates).
# Many phones share one address behind their carrier, so what counts by address is the wider one.
RATES = {
    "public": Limit(300, 60),  # By address: pages, the catalogue, what is not there.
    "files": Limit(6_000, 60),  # By address: the log's tiles, of which a check reads many.
    "sign-in": Limit(60, 60),  # By address: routes at which somebody proves who they are.
    "refresh": Limit(1_200, 60),  # By address: of each phone that is in use, every ten minutes.
    "refused": Limit(60, 60),  # By address: tokens and signatures that are not believed.
    "export": Limit(10, 3_600),  # By subject: everything about somebody, a snapshot each.
    "resident": Limit(120, 60),  # By subject: the resident, or who acts for one.
    "staff": Limit(600, 60),  # By subject: each person of staff, merchants and partners.
    "partner": Limit(600, 60),  # By scene: signed messages, each with up to thousands of events.
}
UNLIMITED = ""  # Probes of those who run the service.

View = TypeVar("View", bound=Callable[..., Any])


def limited(name: str) -> Callable[[View], View]:
    """Count a route under this name of RATES instead of its callers' own (UNLIMITED: not at all).

    By address where anybody may call it, by subject behind ``requires``.
    """
    assert name == UNLIMITED or name in RATES

    def decorate(view: View) -> View:
        view.rate = name  # type: ignore[attr-defined]
        return view

    return decorate


@dataclass(frozen=True, slots=True)
class Window:
    """What a window holds: ``count`` attempts of ``limit``, ``ends_in_ms`` from now."""

    count: int
    ends_in_ms: int
    limit: Limit

    @property
    def remaining(self) -> int:
        """How many more are let through in it."""
        return max(0, self.limit.times - self.count)

    def within(self, more: int = 0) -> "Window":
        """Itself, while so many ``more`` are let through; raises TooManyRequests."""
        if self.count + more > self.limit.times:
            raise TooManyRequests(self.ends_in_s)
        return self

    @property
    def ends_in_s(self) -> int:
        """Whole seconds until it ends, rounded up: who waits so long is let through."""
        return max(1, -(-self.ends_in_ms // 1000))


class Attempts:
    """Counters under a name and a key; a key that is personal data is a hash of it."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S
        )
        self._script = self._redis.register_script(_COUNT)
        self._away_until = 0.0
        self._here = _Here()

    def count(
        self, name: str, key: str | bytes, limit: Limit, *, now: datetime, times: int = 1
    ) -> Window:
        """Count one attempt (or so many ``times``), then refuse it if that is more than allowed.

        Also what is refused is counted; the window does not grow longer by it.

        Raises:
            TooManyRequests: with the seconds until the window ends.
        """
        window = self.window(name, key, limit, now=now, times=times)
        return window.within()

    def check(self, name: str, key: str | bytes, limit: Limit, *, now: datetime) -> Window:
        """Refuse when the window is used up; counts nothing: ``count`` is to follow.

        Raises:
            TooManyRequests: with the seconds until the window ends.
        """
        window = self.window(name, key, limit, now=now)
        return window.within(more=1)

    def window(
        self, name: str, key: str | bytes, limit: Limit, *, now: datetime, times: int = 0
    ) -> Window:
        """The window after counting so many ``times``; refuses nothing. One round trip."""
        place, now_ms = _place(name, key), int(now.timestamp() * 1000)
        if time.monotonic() >= self._away_until:
            try:
                found = self._script((place,), (now_ms, limit.per_s * 1000, times))
                return Window(int(found[0]), int(found[1]), limit)
            except redis.RedisError:
                self._away_until = time.monotonic() + AWAY_S
        return self._here.window(place, limit.without_redis, now_ms, times)

    def forget(self, name: str, key: str | bytes) -> None:
        """Start anew: what was counted was no abuse. Without redis it ends in its time."""
        place = _place(name, key)
        self._here.forget(place)
        if time.monotonic() >= self._away_until:
            try:
                self._redis.delete(place)
            except redis.RedisError:
                self._away_until = time.monotonic() + AWAY_S


def subscriber(address: str) -> str:
    """Whom an address is counted as: of IPv6 all that begin alike, IPv4 however it is written.

    "" for a socket of the same machine, which has none.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, _NETWORK_BITS), strict=False))


class _Here:
    """The windows of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def window(self, place: str, limit: Limit, now_ms: int, times: int) -> Window:
        per_ms = limit.per_s * 1000
        with self._lock:
            count, began = self._kept.get(place, (0, now_ms))
            if not began - per_ms <= now_ms < began + per_ms:
                count, began = 0, now_ms
            count += times
            if times:
                self._kept[place] = (count, began)
                self._kept.move_to_end(place)
                if len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
        return Window(count, began + per_ms - now_ms, limit)

    def forget(self, place: str) -> None:
        with self._lock:
            self._kept.pop(place, None)


def _place(name: str, key: str | bytes) -> str:
    return f"tanhui:attempts:{name}:{key.hex() if isinstance(key, bytes) else key}"
