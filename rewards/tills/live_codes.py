"""Live codes: what a resident's phone shows at the till, another one every 30 seconds. Pure.

A phone makes them by itself, offline, by a key that it was given once; they are checked by the same
key, which follows from the phone's id. docs/app.md has the bytes and test vectors.

    TH1.<26 letters: the phone's id>.<step>.<16 letters: the first 80 bits of a keyed hash>
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

STEP_S = 30
STEPS_OFF_MAX = 4  # Two minutes, in both directions.
LENGTH_MAX = 80
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U.
_ID_LETTERS, _MAC_LETTERS = 26, 16
_WRITTEN = re.compile(
    rf"TH1\.([{_ALPHABET}]{{{_ID_LETTERS}}})\.([1-9][0-9]{{0,8}})\.([{_ALPHABET}]{{{_MAC_LETTERS}}})"
)


class LiveCode(NamedTuple):
    """A code that a phone has made."""

    device_id: UUID
    step: int

    @property
    def shown_at(self) -> datetime:
        """When the phone began to show it, by its clock."""
        return datetime.fromtimestamp(self.step * STEP_S, UTC)


def device_key(root: bytes, device_id: UUID) -> bytes:
    """The 32 bytes by which a phone makes its codes."""
    return hmac.digest(root, device_id.bytes, hashlib.sha256)


def step_of(at: datetime) -> int:
    """The number of the 30 seconds since 1970 in which an instant is."""
    return int(at.timestamp()) // STEP_S


def written(key: bytes, code: LiveCode) -> str:
    """The code as a phone shows it."""
    mac = int.from_bytes(_mac(key, code)[:10])
    device = _letters(code.device_id.int, _ID_LETTERS)
    return f"TH1.{device}.{code.step}.{_letters(mac, _MAC_LETTERS)}"


def read(root: bytes, sent: str) -> LiveCode | None:
    """The code, if a phone's key made it; None for anything else. Whether it is of now, and whether
    it was read before, is for others to say.
    """
    if (found := _WRITTEN.fullmatch(sent)) is None:
        return None
    number = 0
    for letter in found[1]:
        number = number << 5 | _ALPHABET.index(letter)
    if number >> 128:
        return None
    code = LiveCode(UUID(int=number), int(found[2]))
    right = written(device_key(root, code.device_id), code)
    return code if hmac.compare_digest(right, sent) else None


def is_of(code: LiveCode, now: datetime) -> bool:
    """Whether the phone can be showing it now, as far as clocks may differ."""
    return abs(code.step - step_of(now)) <= STEPS_OFF_MAX


def _mac(key: bytes, code: LiveCode) -> bytes:
    text = f"live\n{code.device_id}\n{code.step}"
    return hmac.digest(key, text.encode(), hashlib.sha256)


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 5 * n & 31] for n in reversed(range(count)))
