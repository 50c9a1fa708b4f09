"""Ids made by the program: UUIDv7 (RFC 9562, section 5.7), so that a row's id gives its month.

Tables that grow are partitioned by ranges of these ids (docs/DECISIONS.md, decision 3).
"""

import secrets
import struct
import threading
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from uuid import UUID

_COUNTER_BITS = 62  # rand_b is one counter within a call (section 6.2, method 2).
_CALLS_MAX = 0xFFF  # rand_a is one over the calls of a millisecond (method 1).


class _Calls:
    """Numbers the calls of one millisecond in this process, so that ids rise from call to call:
    what a transaction writes first stands first in a statement. Beyond 4,095 calls they rise no
    further, and are random within the millisecond.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = self._number = 0

    def number(self, milliseconds: int) -> int:
        with self._lock:
            if milliseconds == self._milliseconds:
                self._number = min(self._number + 1, _CALLS_MAX)
            else:
                self._milliseconds, self._number = milliseconds, secrets.randbits(11)
            return self._number


_calls = _Calls()


def uuid7s(count: int, at: datetime) -> list[str]:
    """``count`` ids in rising order, as 32 hexadecimal digits, carrying the millisecond of ``at``.

    Two calls in one millisecond do not clash: each starts at a random point of 2^61.
    """
    milliseconds = _milliseconds(at)
    head = f"{milliseconds:012x}7{_calls.number(milliseconds):03x}"
    steps = struct.unpack(f"{count}I", secrets.token_bytes(4 * count))
    start = 0x2 << _COUNTER_BITS | secrets.randbits(_COUNTER_BITS - 1)
    counters = accumulate((1 + step for step in steps), initial=start)
    return [f"{head}{counter:016x}" for counter in islice(counters, 1, None)]


def uuid7_floor(at: datetime) -> UUID:
    """The lowest value that an id made at ``at`` or later can have: a partition's bound."""
    return UUID(int=_milliseconds(at) << 80)


def instant_of(id_: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)


def uuid7_earlier(id_: UUID, margin: timedelta) -> UUID:
    """The lowest value of an id made at most ``margin`` before this UUIDv7."""
    return UUID(int=max((id_.int >> 80) - margin // timedelta(milliseconds=1), 0) << 80)


def _milliseconds(at: datetime) -> int:
    assert at.tzinfo is not None, "an instant carries its zone"
    return int(at.timestamp() * 1000)
