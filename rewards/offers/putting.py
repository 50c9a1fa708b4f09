"""Stock by hand: units put into an offer or withdrawn from it, each change once.

An offer has no stock row before it is published (the release before would sell it): what is put
until then is counted when it is. Offers of the merchant's own codes are filled by their files.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from rewards.models import OfferStock, StockChange
from rewards.offers.drafting import POOL, locked
from rewards.offers.errors import (
    OfferStateRefuses,
    StockChangeReused,
    StockOfPool,
    StockTooLow,
)


def put_stock(
    session: Session,
    offer_id: UUID,
    change_id: UUID,
    *,
    units: int,
    made_by: str,
    now: datetime,
    merchant_id: UUID | None = None,
) -> StockChange:
    """Put ``units``, or withdraw them where they are below zero. The same id and units again:
    a retry.

    Raises:
        UnknownOffer: none of ``merchant_id``, where that is given.
        StockChangeReused: the id stands for another number.
        StockOfPool: the offer is filled by files.
        StockTooLow: fewer are left.
        OfferStateRefuses: the offer ended.

    Locks the offer against others who work on it, then its stock.
    """
    assert units
    offer = locked(session, offer_id, merchant_id=merchant_id)
    if (earlier := session.get(StockChange, (offer_id, change_id))) is not None:
        if earlier.units != units:
            raise StockChangeReused(change_id)
        return earlier
    if offer.kind == POOL:
        raise StockOfPool(offer_id)
    if offer.state == "ended":
        raise OfferStateRefuses(offer_id, offer.state)
    if not add_units(session, offer_id, units) and units < 0:
        _withdraw_from_draft(session, offer_id, units)
    change = StockChange(offer_id=offer_id, id=change_id, units=units, made_by=made_by, made_at=now)
    session.add(change)
    session.flush()
    return change


def add_units(session: Session, offer_id: UUID, units: int) -> bool:
    """Change what is left; False where the offer has no stock yet. Raises StockTooLow."""
    statement = (
        update(OfferStock)
        .where(OfferStock.offer_id == offer_id, OfferStock.stock_units + units >= 0)
        .values(
            stock_units=OfferStock.stock_units + units,
            put_units=OfferStock.put_units + units,
        )
        .returning(OfferStock.offer_id)
    )
    changed = session.scalars(statement, execution_options={"synchronize_session": False}).first()
    if changed is not None:
        return True
    left = session.scalar(select(OfferStock.stock_units).where(OfferStock.offer_id == offer_id))
    if left is not None:
        raise StockTooLow(stock_units=left, withdrawn_units=-units)
    return False


def _withdraw_from_draft(session: Session, offer_id: UUID, units: int) -> None:
    query = select(func.coalesce(func.sum(StockChange.units), 0))
    left = int(session.scalar(query.where(StockChange.offer_id == offer_id)) or 0)
    if left + units < 0:
        raise StockTooLow(stock_units=left, withdrawn_units=-units)
