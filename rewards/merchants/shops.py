"""Where a merchant takes vouchers."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.merchants import merchants
from rewards.merchants.errors import ShopReused, UnknownShop
from rewards.models import Shop


class NewShop(NamedTuple):
    """``id`` is made by the client; ``division_code`` is one of the catalogue's, or None."""

    id: UUID
    merchant_id: UUID
    name_zh: str
    name_en: str
    address: str
    division_code: str | None = None


def put(
    session: Session, new: NewShop, *, closed: bool = False, made_by: str, now: datetime
) -> Shop:
    """Open a shop, change it, close it or open it again; the same again changes nothing.

    Raises UnknownMerchant, MerchantEnded, ShopReused.
    """
    merchants.get_open(session, new.merchant_id)
    shop = session.get(Shop, new.id, with_for_update=True, populate_existing=True)
    if shop is None:
        shop = Shop(**new._asdict(), made_by=made_by, made_at=now)
        session.add(shop)
    elif shop.merchant_id != new.merchant_id:
        raise ShopReused(new.id)
    shop.name_zh, shop.name_en = new.name_zh, new.name_en
    shop.address, shop.division_code = new.address, new.division_code
    shop.closed_at = (shop.closed_at or now) if closed else None
    session.flush()
    return shop


def get(session: Session, merchant_id: UUID, shop_id: UUID) -> Shop:
    """This merchant's shop, closed or not; raises UnknownShop."""
    shop = session.get(Shop, shop_id)
    if shop is None or shop.merchant_id != merchant_id:
        raise UnknownShop(shop_id)
    return shop


def listed(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[Shop]:
    """A merchant's shops by id, closed ones too."""
    query = select(Shop).where(Shop.merchant_id == merchant_id).order_by(Shop.id).limit(limit)
    if after is not None:
        query = query.where(Shop.id > after)
    return session.scalars(query).all()
