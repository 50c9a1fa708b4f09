"""Redemption: points, stock and voucher move together, or not at all."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, REDEEMED, account_key, is_closed
from ledgers.errors import AccountClosed, PostingReused, UnknownAccount
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.errors import (
    OfferNotOnSale,
    RedemptionReused,
    SoldOut,
    UnknownOffer,
    UnknownRedemption,
)
from rewards.models import Offer, OfferStock, Redemption, Voucher
from rewards.vouchers import code_sha256, voucher_code


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The redemption and its voucher's code, which is shown to nobody else and kept nowhere."""

    id: UUID
    offer_id: UUID
    spent_points: int
    redeemed_at: datetime
    voucher_code: str


def redeem(
    session: Session,
    redemption_id: UUID,
    *,
    holder_id: UUID,
    offer_id: UUID,
    code_key: bytes,
    now: datetime,
    request_id: str | None = None,
) -> Redeemed:
    """Redeem one unit of an offer. The same id, holder and offer again answer the same.

    Raises:
        UnknownOffer, OfferNotOnSale, SoldOut: nothing was written.
        RedemptionReused: the id stands for another offer, or is another resident's.
        InsufficientPoints: the resident has too few, or owes.
        AccountClosed: the resident has closed the account.

    Locks the offer's stock, then the resident's accounts, until the caller's transaction ends.
    ``code_key`` derives the voucher's code (docs/DECISIONS.md, decision 9); ``request_id`` is kept
    with the posting.
    """
    offer = session.get(Offer, offer_id)
    if offer is None:
        raise UnknownOffer(offer_id)
    stock_query = select(OfferStock).where(OfferStock.offer_id == offer_id).with_for_update()
    stock = session.scalars(stock_query, execution_options={"populate_existing": True}).one()
    earlier = session.get(Redemption, (holder_id, redemption_id), populate_existing=True)
    if earlier is not None:
        return _same_or_refuse(earlier, offer_id, code_key)
    if not offer.on_sale_from <= now < offer.on_sale_to:
        raise OfferNotOnSale(on_sale_from=offer.on_sale_from, on_sale_to=offer.on_sale_to)
    if stock.stock_units < 1:
        raise SoldOut(offer_id)
    _spend(session, redemption_id, holder_id, offer, now, request_id)
    stock.stock_units -= 1
    redemption = Redemption(
        holder_id=holder_id,
        id=redemption_id,
        offer_id=offer_id,
        spent_points=offer.price_points,
        redeemed_at=now,
    )
    hashed = code_sha256(voucher_code(code_key, redemption_id))
    voucher = Voucher(
        code_sha256=hashed,
        holder_id=holder_id,
        redemption_id=redemption_id,
        merchant_id=offer.merchant_id,
        offer_id=offer_id,
    )
    session.add_all([redemption, voucher])
    session.flush()
    return _redeemed(redemption, code_key)


def get_redemption(session: Session, redemption_id: UUID, *, holder_id: UUID) -> Redemption:
    """The resident's redemption; raises UnknownRedemption also for somebody else's."""
    redemption = session.get(Redemption, (holder_id, redemption_id))
    if redemption is None:
        raise UnknownRedemption(redemption_id)
    return redemption


def _same_or_refuse(earlier: Redemption, offer_id: UUID, code_key: bytes) -> Redeemed:
    if earlier.offer_id != offer_id:
        raise RedemptionReused(earlier.id)
    return _redeemed(earlier, code_key)


def _spend(
    session: Session,
    redemption_id: UUID,
    holder_id: UUID,
    offer: Offer,
    now: datetime,
    request_id: str | None,
) -> None:
    """The posting has the redemption's id, which so belongs to one resident only."""
    transfer = NewTransfer(
        holder_id,
        account_key(holder_id, "point", PERSONAL),
        account_key(offer.programme_holder_id, "point", REDEEMED),
        offer.price_points,
        "spend",
        redemption_id,
        now,
    )
    actor = f"holder:{holder_id}"
    posting = NewPosting(redemption_id, "redemption", actor, [transfer], request_id=request_id)
    try:
        post(session, posting, now=now)
    except PostingReused as error:
        raise RedemptionReused(redemption_id) from error
    except UnknownAccount as error:
        if is_closed(session, holder_id):
            raise AccountClosed(holder_id) from error
        raise


def _redeemed(redemption: Redemption, code_key: bytes) -> Redeemed:
    return Redeemed(
        redemption.id,
        redemption.offer_id,
        redemption.spent_points,
        redemption.redeemed_at,
        voucher_code(code_key, redemption.id),
    )
