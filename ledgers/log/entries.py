"""Leaves and what their commitments cover, byte for byte as docs/log.md, section 3, says.

Each function on the way to a leaf runs once for every transfer ever made, so they take ids as 16
bytes, instants as microseconds and days as numbers, and check no more than struct would miss.
"""

import hmac
import struct
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from ledgers.accounts import CLEARING, EXPIRED, ISSUED, PERSONAL, REDEEMED, RETIRED
from ledgers.log.errors import LeafInvalid

VERSION = 1
UNITS = {"mg_co2e": 1, "point": 2, "fen": 3}
ACCOUNT_KINDS = {PERSONAL: 1, ISSUED: 2, REDEEMED: 3, EXPIRED: 4, RETIRED: 5, CLEARING: 6}
KIND_LENGTH_MAX = 32
ID_BYTES = 16
SALT_BYTES = 16
COMMITMENT_BYTES = 32
RECORD_BYTES = 144
NO_END = 0x7FFFFFFF
NO_TRANSFER = bytes(ID_BYTES)
NO_COMMITMENT = bytes(COMMITMENT_BYTES)  # Of both, where the holder was erased before sealing.

_UNIT_NAMES = {code: name for name, code in UNITS.items()}
KIND_NAMES = {code: name for name, code in ACCOUNT_KINDS.items()}
_KIND_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz_")

_LEAF = struct.Struct(">BBBBQi32s32sB")
_FIGURES = struct.Struct(">BBBBQi").pack
_POSITION = struct.Struct(">I").pack
_INSTANT = struct.Struct(">q").pack
_DAY = struct.Struct(">i").pack
_LENGTH = struct.Struct(">H").pack
_ABSENT = b"\xff\xff"
_TEXT_BYTES_MAX = 0xFFFE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Entry(NamedTuple):
    """What a leaf says. ``amount`` is in ``unit``; ``day`` counts from 1970-01-01, in the zone
    Asia/Shanghai; the commitments have 32 bytes.
    """

    unit: str
    debit_kind: str
    credit_kind: str
    amount: int
    day: int
    holder_commitment: bytes
    record_commitment: bytes
    kind: str


def encode(
    unit: str,
    debit_kind: str,
    credit_kind: str,
    amount: int,
    day: int,
    holder_commitment: bytes,
    record_commitment: bytes,
    kind: str,
) -> bytes:
    """The leaf of one transfer; the arguments are the fields of ``Entry``.

    Raises:
        LeafInvalid: the transfer's kind is not 1 to 32 of ``a``-``z`` and ``_``.
        KeyError, struct.error: a unit or kind of account that has no code, a number that does not
            fit; our bug, since the database refuses such rows.
    """
    # struct would cut or fill up silently.
    assert len(holder_commitment) == len(record_commitment) == COMMITMENT_BYTES
    return (
        _FIGURES(
            VERSION, UNITS[unit], ACCOUNT_KINDS[debit_kind], ACCOUNT_KINDS[credit_kind], amount, day
        )
        + holder_commitment
        + record_commitment
        + kind_field(kind)
    )


@lru_cache(maxsize=256)
def kind_field(kind: str) -> bytes:
    """A kind behind its length; there are a dozen of them, and millions of leaves."""
    letters = kind.encode()
    _check_kind(letters)
    return bytes([len(letters)]) + letters


def _check_kind(letters: bytes) -> None:
    if not 1 <= len(letters) <= KIND_LENGTH_MAX or not _KIND_LETTERS.issuperset(letters):
        raise LeafInvalid(f"a kind has 1 to {KIND_LENGTH_MAX} letters of a-z and _")


def decode(leaf: bytes) -> Entry:
    """What a leaf says, provided that it is the one way to say so.

    Raises:
        LeafInvalid: another version, an unknown code, or not exactly as long as it says.
    """
    try:
        version, unit, debit, credit, amount, day, holder, record, length = _LEAF.unpack_from(leaf)
    except struct.error:
        raise LeafInvalid(f"a leaf has more than {_LEAF.size} bytes, not {len(leaf)}") from None
    if version != VERSION:
        raise LeafInvalid(f"version {version} is unknown")
    letters = leaf[_LEAF.size :]
    if len(letters) != length:
        raise LeafInvalid(f"{length} letters announced, {len(letters)} there")
    _check_kind(letters)
    try:
        names = _UNIT_NAMES[unit], KIND_NAMES[debit], KIND_NAMES[credit]
    except KeyError:
        raise LeafInvalid(f"unknown among the codes {unit}, {debit} and {credit}") from None
    return Entry(*names, amount, day, holder, record, letters.decode("ascii"))


def record_bytes(
    *,
    transfer_id: bytes,
    posting_id: bytes,
    position: int,
    debit_account_id: bytes,
    credit_account_id: bytes,
    reference: bytes,
    occurred_at_us: int,
    last_day: int | None,
    reverses_id: bytes | None,
    head: bytes,
) -> bytes:
    """The record of one transfer: what the second commitment covers, 144 bytes.

    Args:
        transfer_id: and every other id: its 16 bytes.
        position: place in the posting, from 0.
        occurred_at_us: see ``microseconds``.
        last_day: the last day on which the points can be used (see ``day_number``); None: no end.
        reverses_id: the transfer that this one reverses, if any.
        head: see ``posting_head``.
    """
    record = b"".join(
        (
            transfer_id,
            posting_id,
            _POSITION(position),
            debit_account_id,
            credit_account_id,
            reference,
            _INSTANT(occurred_at_us),
            _DAY(NO_END if last_day is None else last_day),
            reverses_id or NO_TRANSFER,
            head,
        )
    )
    assert len(record) == RECORD_BYTES, "ids have 16 bytes, the head has 32"
    return record


def posting_head(
    *,
    posting_id: bytes,
    recorded_at_us: int,
    content_sha256: bytes,
    kind: str,
    actor: str,
    reason: str | None,
    request_id: str | None,
    approver: str | None,
) -> bytes:
    """SHA-256 of what the ledger keeps of a posting besides its transfers: 32 bytes.

    The texts are absent (None) or of at most 65,534 bytes; empty is not absent.
    """
    assert len(posting_id) == ID_BYTES
    assert len(content_sha256) == COMMITMENT_BYTES
    texts = map(_text_field, (kind, actor, reason, request_id, approver))
    return sha256(b"".join((posting_id, _INSTANT(recorded_at_us), content_sha256, *texts))).digest()


def _text_field(text: str | None) -> bytes:
    if text is None:
        return _ABSENT
    written = text.encode()
    assert len(written) <= _TEXT_BYTES_MAX, "a length of ffff says that there is none"
    return _LENGTH(len(written)) + written


def salts(secret: bytes, transfer_id: bytes) -> tuple[bytes, bytes]:
    """The holder salt and the record salt of a transfer, 16 bytes each.

    ``secret`` is the holder's; without it nobody can find out which leaves are one person's.
    """
    assert secret, "an empty secret is known to everybody"
    assert len(transfer_id) == ID_BYTES
    both = hmac.digest(secret, transfer_id, "sha256")
    return both[:SALT_BYTES], both[SALT_BYTES:]


def commitment(salt: bytes, content: bytes) -> bytes:
    """SHA-256 of a salt and what it hides: a holder's id (16 bytes) or a record (144)."""
    assert len(salt) == SALT_BYTES, "a salt of another length would move the border"
    return sha256(salt + content).digest()


def microseconds(at: datetime) -> int:
    """An instant as whole microseconds from 1970-01-01 UTC, exactly: no float on the way."""
    assert at.tzinfo is not None, "an instant carries its zone"
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def day_number(day: date) -> int:
    """A day as days from 1970-01-01, below zero before it."""
    return day.toordinal() - _EPOCH_DAY
