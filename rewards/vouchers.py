"""Vouchers: codes derived, shown to their owner, stored hashed, consumed by the merchant.

A code is a keyed hash of its redemption, so that a resident whose first answer was lost on the way
gets the same code by asking again, while the database alone gives no code away (decision 9).
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed, VoucherLapsed
from rewards.models import Consumption, Offer, Voucher

# Crockford's base 32 (no I, L, O, U): 16 letters of 5 bits are 80 bits, and one to check by.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 16
_TYPED = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def voucher_code(key: bytes, redemption_id: UUID) -> str:
    """The code of a redemption: 80 bits and a check letter, in groups (``ABCD-EFGH-…-X``)."""
    digest = hmac.digest(key, b"voucher\n" + redemption_id.bytes, hashlib.sha256)
    number = int.from_bytes(digest[:10])
    letters = "".join(_ALPHABET[number >> 5 * n & 31] for n in reversed(range(_LETTERS)))
    groups = [letters[n : n + 4] for n in range(0, _LETTERS, 4)]
    return "-".join([*groups, _check_letter(letters)])


def code_sha256(typed: str) -> bytes | None:
    """The hash under which a typed code is stored; None when it is mistyped.

    Forgives case, spaces, dashes, and O for 0, I or L for 1. A plain hash is enough: 80 random
    bits cannot be searched.
    """
    letters = typed.upper().translate(_TYPED)
    if len(letters) != _LETTERS + 1 or not set(letters) <= set(_ALPHABET):
        return None
    if _check_letter(letters[:-1]) != letters[-1]:
        return None
    return hashlib.sha256(letters[:-1].encode()).digest()


def _check_letter(letters: str) -> str:
    """Weighted sum modulo 31: finds any one wrong letter but 0 for Z, and most exchanges."""
    total = sum((n + 1) * _ALPHABET.index(letter) for n, letter in enumerate(letters))
    return _ALPHABET[total % 31]


@dataclass(frozen=True, slots=True)
class Consumed:
    """What the clerk needs to see: what to hand over."""

    id: UUID
    offer_id: UUID
    title_zh: str
    title_en: str
    consumed_at: datetime


def consume(
    session: Session, consumption_id: UUID, *, merchant_id: UUID, code: str, now: datetime
) -> Consumed:
    """Take a voucher, once. The same id and code again answer the same.

    Raises:
        UnknownVoucher: mistyped, or no voucher of this merchant.
        VoucherConsumed: used before, under another id.
        VoucherLapsed: its owner has closed the account.
        ConsumptionReused: the id stands for another voucher's use.

    Locks the voucher's row.
    """
    hashed = code_sha256(code)
    voucher = session.get(Voucher, hashed, with_for_update=True) if hashed else None
    if voucher is None or voucher.merchant_id != merchant_id:
        raise UnknownVoucher
    if voucher.consumed_at is not None and voucher.consumption_id != consumption_id:
        raise VoucherConsumed(voucher.consumed_at)
    if voucher.lapsed_at is not None:
        raise VoucherLapsed(voucher.lapsed_at)
    if voucher.consumed_at is None:
        _take(session, consumption_id, voucher, now)
    assert voucher.consumed_at is not None
    offer = session.get_one(Offer, voucher.offer_id)
    return Consumed(consumption_id, offer.id, offer.title_zh, offer.title_en, voucher.consumed_at)


def _take(session: Session, consumption_id: UUID, voucher: Voucher, now: datetime) -> None:
    row = {
        "id": consumption_id,
        "code_sha256": voucher.code_sha256,
        "merchant_id": voucher.merchant_id,
        "consumed_at": now,
    }
    written = insert(Consumption).values(row).on_conflict_do_nothing().returning(Consumption.id)
    if session.execute(written).one_or_none() is None:
        raise ConsumptionReused(consumption_id)
    voucher.consumed_at, voucher.consumption_id = now, consumption_id
    session.flush()
