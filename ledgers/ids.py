"""Ids made by the program: UUIDv7 (RFC 9562, section 5.7), so that a row's id gives its month.

Tables that grow are partitioned by ranges of these ids (docs/DECISIONS.md, decision 3).
"""

import secrets
from datetime import datetime
from uuid import UUID

_RANDOM_BITS = 74  # 12 of rand_a and 62 of rand_b, used as one counter (section 6.2, method 2).


def uuid7s(count: int, at: datetime) -> list[str]:
    """``count`` ids in rising order, as 32 hexadecimal digits, carrying the millisecond of ``at``.

    Two calls in one millisecond do not clash: each starts at a random point of 2^73.
    """
    high = _milliseconds(at) << 80 | 0x7 << 76 | 0x2 << 62
    counter = secrets.randbits(_RANDOM_BITS - 1)
    steps = secrets.token_bytes(4 * count)
    made = []
    for n in range(count):
        counter += 1 + int.from_bytes(steps[4 * n : 4 * n + 4])
        rand_a, rand_b = counter >> 62 & 0xFFF, counter & 0x3FFFFFFFFFFFFFFF
        made.append(f"{high | rand_a << 64 | rand_b:032x}")
    return made


def uuid7_floor(at: datetime) -> UUID:
    """The lowest value that an id made at ``at`` or later can have: a partition's bound."""
    return UUID(int=_milliseconds(at) << 80)


def _milliseconds(at: datetime) -> int:
    assert at.tzinfo is not None, "an instant carries its zone"
    return int(at.timestamp() * 1000)
