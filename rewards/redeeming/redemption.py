"""Redemption: points, stock and voucher move together, or not at all."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, REDEEMED, account_key, is_closed
from ledgers.errors import AccountClosed, PostingReused, UnknownAccount
from ledgers.models import Posting
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.errors import (
    OfferNotOnSale,
    RedemptionReused,
    SoldOut,
    UnknownOffer,
    UnknownRedemption,
)
from rewards.models import Offer, OfferStock, Redemption, Voucher
from rewards.voucher_codes import code_sha256, voucher_code

_ONESELF = "holder:"  # Before the resident's own id, as the posting's actor.


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The redemption and its voucher's code, which is shown to nobody else and kept nowhere.

    ``acted_by`` is who redeemed for the resident; None where it was the resident.
    """

    id: UUID
    offer_id: UUID
    spent_points: int
    redeemed_at: datetime
    voucher_code: str
    acted_by: str | None


def redeem(
    session: Session,
    redemption_id: UUID,
    *,
    holder_id: UUID,
    programme_holder_id: UUID | None,
    offer_id: UUID,
    code_key: bytes,
    now: datetime,
    request_id: str | None = None,
    acting: str | None = None,
) -> Redeemed:
    """Redeem one unit of an offer. The same id, holder and offer again answer the same, whoever
    asks.

    Args:
        programme_holder_id: who runs the programme in which the resident takes part; None for
            somebody who takes part nowhere. Another programme's offer is unknown to them.
        code_key: derives the voucher's code (docs/DECISIONS.md, decision 9).
        request_id: kept with the posting.
        acting: who redeems for the resident ("delegate:ID"), in whose place the posting names
            them; None where it is the resident.

    Raises:
        UnknownOffer, OfferNotOnSale, SoldOut: nothing was written.
        RedemptionReused: the id stands for another offer, or is another resident's.
        InsufficientPoints: the resident has too few, or owes.
        AccountClosed: the resident has closed the account.

    Locks the offer's stock, then the resident's accounts, until the caller's transaction ends.
    """
    offer = session.get(Offer, offer_id)
    if offer is None or offer.programme_holder_id != programme_holder_id:
        raise UnknownOffer(offer_id)
    stock_query = select(OfferStock).where(OfferStock.offer_id == offer_id).with_for_update()
    stock = session.scalars(stock_query, execution_options={"populate_existing": True}).one()
    earlier = session.get(Redemption, (holder_id, redemption_id), populate_existing=True)
    if earlier is not None:
        return _same_or_refuse(session, earlier, offer_id, code_key)
    if not offer.on_sale_from <= now < offer.on_sale_to:
        raise OfferNotOnSale(on_sale_from=offer.on_sale_from, on_sale_to=offer.on_sale_to)
    if stock.stock_units < 1:
        raise SoldOut(offer_id)
    who = acting or f"{_ONESELF}{holder_id}"
    _spend(session, redemption_id, holder_id, offer, who, now, request_id)
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
    return _redeemed(redemption, code_key, acting)


def get_redemption(session: Session, redemption_id: UUID, *, holder_id: UUID) -> Redemption:
    """The resident's redemption; raises UnknownRedemption also for somebody else's."""
    redemption = session.get(Redemption, (holder_id, redemption_id))
    if redemption is None:
        raise UnknownRedemption(redemption_id)
    return redemption


def acted_by(session: Session, redemption_id: UUID) -> str | None:
    """Who redeemed for the resident, as the posting names them; None where it was the resident."""
    actor = session.scalar(select(Posting.actor).where(Posting.id == redemption_id))
    return None if actor is None or actor.startswith(_ONESELF) else actor


def _same_or_refuse(
    session: Session, earlier: Redemption, offer_id: UUID, code_key: bytes
) -> Redeemed:
    if earlier.offer_id != offer_id:
        raise RedemptionReused(earlier.id)
    return _redeemed(earlier, code_key, acted_by(session, earlier.id))


def _spend(
    session: Session,
    redemption_id: UUID,
    holder_id: UUID,
    offer: Offer,
    actor: str,
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
    posting = NewPosting(redemption_id, "redemption", actor, [transfer], request_id=request_id)
    try:
        post(session, posting, now=now)
    except PostingReused as error:
        raise RedemptionReused(redemption_id) from error
    except UnknownAccount as error:
        if is_closed(session, holder_id):
            raise AccountClosed(holder_id) from error
        raise


def _redeemed(redemption: Redemption, code_key: bytes, acting: str | None) -> Redeemed:
    return Redeemed(
        redemption.id,
        redemption.offer_id,
        redemption.spent_points,
        redemption.redeemed_at,
        voucher_code(code_key, redemption.id),
        acting,
    )
