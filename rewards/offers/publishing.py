"""Publishing: which version of an offer holds, and whether it is on sale.

Kept here: draft → published ⇄ paused → ended; only an approved merchant's offers are published, by
terms that an agreement covers; an ended offer holds nothing of its budget.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.accounts import open_payable
from rewards.models import (
    Budget,
    DonationProject,
    Merchant,
    Offer,
    OfferStock,
    OfferVersion,
    PoolFile,
    StockChange,
)
from rewards.offers.drafting import MIRRORED, agreement_for, locked
from rewards.offers.errors import (
    MerchantNotApproved,
    OfferStateRefuses,
    ProjectMissing,
    UnknownOfferVersion,
)
from rewards.webhooks.outbox import Told, tell

PUBLISHED, PAUSED, ENDED = "published", "paused", "ended"


def publish(
    session: Session,
    offer_id: UUID,
    version: int,
    *,
    published_by: str,
    now: datetime,
    zone: str = "Asia/Shanghai",
) -> Offer:
    """Let a version hold from now on, and put the offer on sale; what was redeemed before keeps
    the version of then. The version that is published already: a retry, nothing changes.

    Raises:
        UnknownOffer, UnknownOfferVersion: nothing was written.
        MerchantNotApproved, AgreementNotInForce, ProjectMissing: not now.
        OfferStateRefuses: the offer ended.

    Locks the offer, but not against redemptions.
    """
    offer = locked(session, offer_id)
    terms = session.get(OfferVersion, (offer_id, version), populate_existing=True)
    if terms is None:
        raise UnknownOfferVersion(offer_id, version)
    if (offer.state, offer.version) == (PUBLISHED, version):
        return offer
    if offer.state == ENDED:
        raise OfferStateRefuses(offer_id, offer.state)
    merchant = session.get_one(Merchant, offer.merchant_id, populate_existing=True)
    if merchant.state != "approved":
        raise MerchantNotApproved(merchant.id, merchant.state)
    agreement_for(session, offer.merchant_id, terms, zone=zone)
    _check_project(session, offer)
    if terms.settlement_fen:
        open_payable(session, offer.programme_holder_id, [offer.merchant_id], now=now)
    offer.state, offer.version = PUBLISHED, version
    for name in MIRRORED:
        setattr(offer, name, getattr(terms, name))
    if terms.published_at is None:
        terms.published_by, terms.published_at = published_by, now
    session.flush()
    _stock(session, offer_id)
    _tell(session, offer, now, version=version)
    return offer


def pause(session: Session, offer_id: UUID, *, now: datetime) -> Offer:
    """Take a published offer off sale until it is resumed; paused already: nothing changes.

    Raises UnknownOffer, OfferStateRefuses.
    """
    return _move(session, offer_id, PUBLISHED, PAUSED, now)


def resume(session: Session, offer_id: UUID, *, now: datetime) -> Offer:
    """Put a paused offer on sale again, by the same version; published already: nothing changes.

    Raises UnknownOffer, OfferStateRefuses, MerchantNotApproved.
    """
    offer = locked(session, offer_id)
    merchant = session.get_one(Merchant, offer.merchant_id, populate_existing=True)
    if merchant.state != "approved":
        raise MerchantNotApproved(merchant.id, merchant.state)
    return _move(session, offer_id, PAUSED, PUBLISHED, now)


def end(session: Session, offer_id: UUID, *, now: datetime) -> Offer:
    """End an offer for good, whatever its state; what it reserves goes back to its budget. Its
    vouchers stay good. Ended already: nothing changes.

    Locks the offer, then its stock, then its budget. Raises UnknownOffer.
    """
    offer = locked(session, offer_id)
    if offer.state != ENDED:
        offer.state = ENDED
        session.flush()
        _tell(session, offer, now)
    query = select(OfferStock).where(OfferStock.offer_id == offer_id).with_for_update()
    stock = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if stock is not None and stock.reserved_fen:
        less = Budget.drawn_fen - stock.reserved_fen
        budget = update(Budget).where(Budget.id == offer.budget_id).values(drawn_fen=less)
        session.execute(budget, execution_options={"synchronize_session": False})
        stock.reserved_fen = 0
        session.flush()
    return offer


def _move(session: Session, offer_id: UUID, before: str, after: str, now: datetime) -> Offer:
    offer = locked(session, offer_id)
    if offer.state == after:
        return offer
    if offer.state != before:
        raise OfferStateRefuses(offer_id, offer.state)
    offer.state = after
    session.flush()
    _tell(session, offer, now)
    return offer


def _check_project(session: Session, offer: Offer) -> None:
    if offer.project_id is None:
        return
    project = session.get_one(DonationProject, offer.project_id, populate_existing=True)
    if project.closed_at is not None:
        raise ProjectMissing


def _stock(session: Session, offer_id: UUID) -> None:
    """The first time: what was put and loaded while it was a draft."""
    put = select(func.coalesce(func.sum(StockChange.units), 0)).where(
        StockChange.offer_id == offer_id
    )
    loaded = select(func.coalesce(func.sum(PoolFile.codes), 0)).where(PoolFile.offer_id == offer_id)
    units = int(session.scalar(put) or 0) + int(session.scalar(loaded) or 0)
    row = {"offer_id": offer_id, "stock_units": units, "put_units": units}
    session.execute(insert(OfferStock).values(row).on_conflict_do_nothing())


def _tell(session: Session, offer: Offer, now: datetime, **facts: Any) -> None:
    content = {"offer_id": str(offer.id), "version": offer.version, **facts}
    tell(session, [Told(offer.merchant_id, f"offer.{offer.state}", content)], now=now)
