"""The till takes a voucher, once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed, VoucherLapsed
from rewards.models import Consumption, Offer, Voucher
from rewards.voucher_codes import code_sha256


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
