"""Merchants and what they offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.models import Merchant, Offer, OfferStock


def add_merchant(session: Session, merchant_id: UUID, *, name_zh: str, name_en: str) -> None:
    """Write a merchant; the same id again changes nothing."""
    row = {"id": merchant_id, "name_zh": name_zh, "name_en": name_en}
    session.execute(insert(Merchant).values(row).on_conflict_do_nothing())


def publish(session: Session, offer: Offer, *, stock_units: int) -> None:
    """Put an offer on sale with its first stock; the same id again changes nothing."""
    row = {column.key: getattr(offer, column.key) for column in Offer.__table__.columns}
    session.execute(insert(Offer).values(row).on_conflict_do_nothing())
    stock = {"offer_id": offer.id, "stock_units": stock_units}
    session.execute(insert(OfferStock).values(stock).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class OnSale:
    """An offer with its merchant and what is left of it."""

    offer: Offer
    merchant: Merchant
    stock_units: int


def on_sale(
    session: Session, *, programme_holder_id: UUID | None, now: datetime, limit: int = 200
) -> Sequence[OnSale]:
    """What can be redeemed now for a programme's points, cheapest first; ``limit`` rows at most.

    None is for somebody who takes part nowhere: nothing is for them.
    """
    query = (
        select(Offer, Merchant, OfferStock.stock_units)
        .join(Merchant, Merchant.id == Offer.merchant_id)
        .join(OfferStock, OfferStock.offer_id == Offer.id)
        .where(
            Offer.programme_holder_id == programme_holder_id,
            Offer.on_sale_from <= now,
            Offer.on_sale_to > now,
        )
        .order_by(Offer.price_points, Offer.id)
        .limit(limit)
    )
    return [OnSale(*row) for row in session.execute(query)]
