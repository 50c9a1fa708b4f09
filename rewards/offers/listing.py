"""What residents can redeem, and what a merchant has on offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, cast, func, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from rewards.errors import UnknownOffer
from rewards.models import Merchant, Offer, OfferStock, OfferVersion, Shop
from rewards.offers.errors import UnknownOfferVersion
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.limits import own_left

_CURRENT = and_(OfferVersion.offer_id == Offer.id, OfferVersion.version == Offer.version)


@dataclass(frozen=True, slots=True)
class OnSale:
    """An offer by its published terms, with its merchant and what is left of it; and how much of
    that the buyer may have today by the limits of each resident (None: there are none).
    """

    offer: Offer
    version: OfferVersion
    merchant: Merchant
    stock_units: int
    own_left_units: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An offer in full: by the terms of a version, with the shops that take its voucher."""

    offer: Offer
    version: OfferVersion
    merchant: Merchant
    stock_units: int
    shops: Sequence[Shop]


@dataclass(frozen=True, slots=True)
class Listed:
    """An offer as its merchant and the programme see it: ``stock`` None before it is published."""

    offer: Offer
    newest: OfferVersion
    stock: OfferStock | None


def on_sale(
    session: Session,
    *,
    buyer: Buyer,
    now: datetime,
    kind: str | None = None,
    merchant_id: UUID | None = None,
    limit: int = 200,
    after: tuple[int, UUID] | None = None,
) -> Sequence[OnSale]:
    """What the buyer may redeem now for their programme's points, cheapest first; ``limit`` rows
    at most, after the price and id of ``after``.

    What is sold out is there, with nothing left. Who takes part nowhere is offered nothing.
    """
    query = (
        _published()
        .where(
            Offer.programme_holder_id == buyer.programme_holder_id,
            Offer.state == "published",
            Merchant.state == "approved",
            OfferVersion.on_sale_from <= now,
            OfferVersion.on_sale_to > now,
            or_(OfferVersion.valid_until.is_(None), OfferVersion.valid_until > now),
            _for_all_or(OfferVersion.division_codes, _beginnings(buyer.division_code)),
            _for_all_or(OfferVersion.scene_codes, sorted(buyer.scene_codes)),
        )
        .order_by(OfferVersion.price_points, Offer.id)
        .limit(limit)
    )
    if kind is not None:
        query = query.where(Offer.kind == kind)
    if merchant_id is not None:
        query = query.where(Offer.merchant_id == merchant_id)
    if after is not None:
        query = query.where(tuple_(OfferVersion.price_points, Offer.id) > tuple_(*after))
    rows = session.execute(query).all()
    left = own_left(session, [version for _, version, _, _ in rows], buyer, now)
    return [OnSale(*row, left.get(row[0].id)) for row in rows]


def shown(session: Session, offer_id: UUID, *, buyer: Buyer, version: int | None = None) -> Shown:
    """An offer of the buyer's programme that is, or was, on sale: by the terms of now, or by those
    of ``version``, under which it was redeemed.

    Raises UnknownOffer, UnknownOfferVersion.
    """
    query = _published().where(
        Offer.id == offer_id, Offer.programme_holder_id == buyer.programme_holder_id
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise UnknownOffer(offer_id)
    offer, terms, merchant, stock_units = found
    if version is not None:
        then = session.get(OfferVersion, (offer_id, version))
        if then is None or then.published_at is None:
            raise UnknownOfferVersion(offer_id, version)
        terms = then
    return Shown(offer, terms, merchant, stock_units, shops_of(session, offer, terms))


def shops_of(session: Session, offer: Offer, terms: OfferVersion) -> Sequence[Shop]:
    """Where its voucher is taken: the merchant's open shops, or those that the terms name."""
    query = select(Shop).where(Shop.merchant_id == offer.merchant_id, Shop.closed_at.is_(None))
    if terms.shop_ids:
        query = query.where(Shop.id.in_(terms.shop_ids))
    return session.scalars(query.order_by(Shop.id)).all()


def of_merchant(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int = 200
) -> Sequence[Listed]:
    """A merchant's offers by id, drafts and ended ones too."""
    query = _listed().where(Offer.merchant_id == merchant_id).order_by(Offer.id).limit(limit)
    if after is not None:
        query = query.where(Offer.id > after)
    return [Listed(*row) for row in session.execute(query)]


def of_everybody(
    session: Session, *, after: UUID | None = None, limit: int = 200
) -> Sequence[Listed]:
    """All offers by id, drafts and ended ones too."""
    query = _listed().order_by(Offer.id).limit(limit)
    if after is not None:
        query = query.where(Offer.id > after)
    return [Listed(*row) for row in session.execute(query)]


def get_listed(session: Session, merchant_id: UUID | None, offer_id: UUID) -> Listed:
    """An offer, of this merchant where one is given; raises UnknownOffer."""
    query = _listed().where(Offer.id == offer_id)
    if merchant_id is not None:
        query = query.where(Offer.merchant_id == merchant_id)
    found = session.execute(query, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise UnknownOffer(offer_id)
    return Listed(*found)


def versions(
    session: Session, merchant_id: UUID, offer_id: UUID, *, after: int = 0, limit: int = 200
) -> Sequence[OfferVersion]:
    """All versions of a merchant's offer, the first one first; raises UnknownOffer."""
    get_listed(session, merchant_id, offer_id)
    query = (
        select(OfferVersion)
        .where(OfferVersion.offer_id == offer_id, OfferVersion.version > after)
        .order_by(OfferVersion.version)
        .limit(limit)
    )
    return session.scalars(query).all()


def _published() -> Select[Offer, OfferVersion, Merchant, int]:
    return (
        select(Offer, OfferVersion, Merchant, OfferStock.stock_units)
        .join(OfferVersion, _CURRENT)
        .join(Merchant, Merchant.id == Offer.merchant_id)
        .join(OfferStock, OfferStock.offer_id == Offer.id)
    )


def _listed() -> Select[Offer, OfferVersion, OfferStock]:
    """By the newest version, which a reference table's own query finds."""
    newest = (
        select(func.max(OfferVersion.version))
        .where(OfferVersion.offer_id == Offer.id)
        .correlate(Offer)
        .scalar_subquery()
    )
    return (
        select(Offer, OfferVersion, OfferStock)
        .join(
            OfferVersion,
            and_(OfferVersion.offer_id == Offer.id, OfferVersion.version == newest),
        )
        .outerjoin(OfferStock, OfferStock.offer_id == Offer.id)
    )


def _for_all_or(
    column: InstrumentedAttribute[list[str]], own: Sequence[str]
) -> ColumnElement[bool]:
    """Whether a list of codes is empty, or has one of one's own."""
    return or_(func.cardinality(column) == 0, column.bool_op("&&")(cast(list(own), ARRAY(Text))))


def _beginnings(code: str) -> list[str]:
    """Those of a division's code, which are its parents' codes too."""
    return [code[:length] for length in range(1, len(code) + 1)]
