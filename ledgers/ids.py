"""Ids made by the program: UUIDv7 (RFC 9562, section 5.7), so that a row's id gives its month.

Tables that grow are partitioned by ranges of these ids (docs/DECISIONS.md, decision 3).
"""

import secrets
import struct
from datetime import datetime
from itertools import accumulate, islice
from uuid import UUID

_COUNTER_BITS = 62  # rand_b is one counter (section 6.2, method 2), rand_a random once a call.


def uuid7s(count: int, at: datetime) -> list[str]:
    """``count`` ids in rising order, as 32 hexadecimal digits, carrying the millisecond of ``at``.

    Two calls in one millisecond do not clash: each starts at a random point of 2^73.
    """
    head = f"{_milliseconds(at):012x}7{secrets.randbits(12):03x}"
    steps = struct.unpack(f"{count}I", secrets.token_bytes(4 * count))
    start = 0x2 << _COUNTER_BITS | secrets.randbits(_COUNTER_BITS - 1)
    counters = accumulate((1 + step for step in steps), initial=start)
    return [f"{head}{counter:016x}" for counter in islice(counters, 1, None)]


def uuid7_floor(at: datetime) -> UUID:
    """The lowest value that an id made at ``at`` or later can have: a partition's bound."""
    return UUID(int=_milliseconds(at) << 80)


def _milliseconds(at: datetime) -> int:
    assert at.tzinfo is not None, "an instant carries its zone"
    return int(at.timestamp() * 1000)
