"""The desk: how a voucher stands, by its code, for operators. Nothing of its owner."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.errors import UnknownVoucher
from rewards.models import Consumption, Merchant, Offer, OfferVersion, Shop, Voucher
from rewards.voucher_codes import Codes, code_sha256


@dataclass(frozen=True, slots=True)
class OnDesk:
    """A voucher with what it is for and, once it was used, when, where, and by which consumption:
    instants of what has not happened are None.
    """

    redemption_id: UUID
    offer_id: UUID
    version: int
    title_zh: str
    title_en: str
    merchant_id: UUID
    merchant_zh: str
    merchant_en: str
    state: str
    expires_at: datetime | None
    ended_at: datetime | None
    consumption_id: UUID | None
    shop_zh: str | None
    shop_en: str | None


def look_up(
    session: Session, code: str, *, codes: Codes, merchant_id: UUID | None = None
) -> OnDesk:
    """A voucher by its code as it is typed; ``merchant_id`` for a code of that merchant's own.

    Raises UnknownVoucher.
    """
    ours = code_sha256(code) if merchant_id is None else codes.pool_hash(merchant_id, code)
    voucher = session.get(Voucher, ours) if ours is not None else None
    if voucher is None:
        raise UnknownVoucher
    key = (voucher.offer_id, voucher.version)
    version, offer = session.get_one(OfferVersion, key), session.get_one(Offer, voucher.offer_id)
    merchant = session.get_one(Merchant, offer.merchant_id)
    state, ended_at = state_of(voucher)
    shop = _shop(session, voucher.consumption_id)
    return OnDesk(
        redemption_id=voucher.redemption_id,
        offer_id=offer.id,
        version=version.version,
        title_zh=version.title_zh,
        title_en=version.title_en,
        merchant_id=merchant.id,
        merchant_zh=merchant.name_zh,
        merchant_en=merchant.name_en,
        state=state,
        expires_at=voucher.expires_at,
        ended_at=ended_at,
        consumption_id=voucher.consumption_id,
        shop_zh=shop.name_zh if shop else None,
        shop_en=shop.name_en if shop else None,
    )


def state_of(voucher: Voucher) -> tuple[str, datetime | None]:
    """How a voucher stands, and since when: unused has no instant."""
    ends = (
        ("refunded", voucher.refunded_at),
        ("used", voucher.consumed_at),
        ("cancelled", voucher.cancelled_at),
        ("expired", voucher.expired_at),
        ("lapsed", voucher.lapsed_at),
    )
    return next(((state, at) for state, at in ends if at is not None), ("unused", None))


def _shop(session: Session, consumption_id: UUID | None) -> Shop | None:
    if consumption_id is None:
        return None
    query = (
        select(Shop)
        .join(Consumption, Consumption.shop_id == Shop.id)
        .where(Consumption.id == consumption_id)
    )
    return session.scalar(query)
