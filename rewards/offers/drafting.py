"""Drafting: what an offer is to be. Every edit is a new version; none is ever changed.

Kept here: a version is one that its merchant, kind and agreement allow, and knows what a unit costs
the programme. That divisions and scenes exist is for who knows them (``service.offers``).
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.errors import UnknownMerchant, UnknownOffer
from rewards.models import (
    Agreement,
    Budget,
    DonationProject,
    Merchant,
    Offer,
    OfferVersion,
    Picture,
    Shop,
)
from rewards.offers.errors import (
    AgreementNotInForce,
    BudgetMissing,
    MerchantNotApproved,
    OfferReused,
    OfferStateRefuses,
    PriceNotPositive,
    ProjectMissing,
    SaleWindowReversed,
    ShopNotOfMerchant,
    TermNotOfKind,
    TitleMissing,
    UnknownPicture,
)

KINDS = ("pool_code", "voucher", "top_up", "goods", "donation")
POOL, DONATION, TOP_UP = "pool_code", "donation", "top_up"
PRICE_MAX_POINTS = 1_000_000_000
CANCEL_MAX_HOURS, VALID_MAX_DAYS = 8_784, 3_660
PICTURES_MAX = 10
MIRRORED = ("title_zh", "title_en", "price_points", "on_sale_from", "on_sale_to")
_WITHOUT_VOUCHER = (TOP_UP, DONATION)
Key = TypeVar("Key")
_LIMITS = ("daily_units", "resident_day_units", "resident_week_units", "resident_month_units")


@dataclass(frozen=True, slots=True)
class NewTerms:
    """The terms of a version, as ``rewards.models.OfferVersion`` says of them.

    ``agreement_id`` None: the merchant's agreement that covers the time of the sale. A top-up's
    ``face_value_fen`` is what the card gets.
    """

    title_zh: str
    title_en: str
    price_points: int
    on_sale_from: datetime
    on_sale_to: datetime
    text_zh: str = ""
    text_en: str = ""
    pictures: tuple[str, ...] = ()
    face_value_fen: int = 0
    agreement_id: UUID | None = None
    daily_units: int | None = None
    resident_day_units: int | None = None
    resident_week_units: int | None = None
    resident_month_units: int | None = None
    division_codes: tuple[str, ...] = ()
    scene_codes: tuple[str, ...] = ()
    shop_ids: tuple[UUID, ...] = ()
    valid_days: int | None = None
    valid_until: datetime | None = None
    cancel_hours: int = 0
    expiry_returns: bool = False


def draft(
    session: Session,
    offer_id: UUID,
    *,
    merchant_id: UUID,
    kind: str,
    terms: NewTerms,
    made_by: str,
    now: datetime,
    budget_id: UUID | None = None,
    project_id: UUID | None = None,
    zone: str = "Asia/Shanghai",
) -> OfferVersion:
    """Write the offer's next version, or answer the newest where it has just these terms: a retry.

    The first draft makes the offer; its kind, merchant, budget and project stay as they are then.
    ``zone`` is the programme's, whose days the agreements count.

    Raises:
        PriceNotPositive, TitleMissing, SaleWindowReversed, TermNotOfKind, ShopNotOfMerchant,
        UnknownPicture, AgreementNotInForce, BudgetMissing, ProjectMissing: nothing was written.
        UnknownMerchant, MerchantNotApproved: it ended.
        OfferReused: the id stands for another offer.
        OfferStateRefuses: the offer ended.

    Locks the offer until the caller's transaction ends, but not against redemptions.
    """
    assert kind in KINDS
    merchant = session.get(Merchant, merchant_id, populate_existing=True)
    if merchant is None or merchant.programme_holder_id is None:
        raise UnknownMerchant(merchant_id)
    if merchant.state == "ended":
        raise MerchantNotApproved(merchant_id, merchant.state)
    check(kind, terms)
    _check_rows(session, merchant_id, terms)
    agreement = agreement_for(session, merchant_id, terms, zone=zone)
    settlement_fen = _settlement_fen(agreement, kind, terms)
    _check_payer(session, merchant, kind, settlement_fen, budget_id, project_id)
    offer = Offer(
        id=offer_id,
        merchant_id=merchant_id,
        programme_holder_id=merchant.programme_holder_id,
        kind=kind,
        state="draft",
        version=0,
        budget_id=budget_id,
        project_id=project_id,
        **{name: getattr(terms, name) for name in MIRRORED},
    )
    offer = _made_or_same(session, offer)
    if offer.state == "ended":
        raise OfferStateRefuses(offer_id, offer.state)
    columns = {name: _column(value) for name, value in asdict(terms).items()}
    columns |= {"agreement_id": agreement.id, "settlement_fen": settlement_fen}
    newest = newest_version(session, offer_id)
    if newest is not None and all(getattr(newest, name) == columns[name] for name in columns):
        return newest
    number = newest.version + 1 if newest else 1
    row = OfferVersion(offer_id=offer_id, version=number, made_by=made_by, made_at=now, **columns)
    session.add(row)
    session.flush()
    return row


def newest_version(session: Session, offer_id: UUID) -> OfferVersion | None:
    """The version with the highest number."""
    query = select(OfferVersion).where(OfferVersion.offer_id == offer_id)
    return session.scalars(query.order_by(OfferVersion.version.desc()).limit(1)).first()


def locked(session: Session, offer_id: UUID, *, merchant_id: UUID | None = None) -> Offer:
    """The offer, held for the transaction against others who work on it; residents, whose
    redemptions refer to it, do not wait. ``merchant_id``: only if it is this merchant's.

    Raises UnknownOffer.
    """
    query = select(Offer).where(Offer.id == offer_id).with_for_update(key_share=True)
    offer = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if offer is None or merchant_id not in (None, offer.merchant_id):
        raise UnknownOffer(offer_id)
    return offer


def check(kind: str, terms: NewTerms) -> None:
    """Refuse terms that no offer, or none of this kind, may have."""
    if terms.price_points < 1:
        raise PriceNotPositive(terms.price_points)
    if not (terms.title_zh.strip() and terms.title_en.strip()):
        raise TitleMissing
    if terms.on_sale_from >= terms.on_sale_to:
        raise SaleWindowReversed(on_sale_from=terms.on_sale_from, on_sale_to=terms.on_sale_to)
    for field in _out_of_bounds(terms):
        raise TermNotOfKind(kind, field)
    for field in _not_of_kind(kind, terms):
        raise TermNotOfKind(kind, field)


def _out_of_bounds(terms: NewTerms) -> list[str]:
    fields = {
        "price_points": terms.price_points <= PRICE_MAX_POINTS,
        "face_value_fen": terms.face_value_fen >= 0,
        "valid_days": terms.valid_days is None or 1 <= terms.valid_days <= VALID_MAX_DAYS,
        "valid_until": terms.valid_until is None or terms.valid_until > terms.on_sale_from,
        "cancel_hours": 0 <= terms.cancel_hours <= CANCEL_MAX_HOURS,
        "pictures": len(terms.pictures) <= PICTURES_MAX,
    }
    for name in _LIMITS:
        limit = getattr(terms, name)
        fields[name] = limit is None or limit > 0
    return [name for name, good in fields.items() if not good]


def _not_of_kind(kind: str, terms: NewTerms) -> list[str]:
    """A code once shown cannot be taken back; what leaves no voucher cannot lapse."""
    refused = []
    if kind in (POOL, DONATION, TOP_UP) and terms.cancel_hours:
        refused.append("cancel_hours")
    if kind == TOP_UP and not terms.face_value_fen:
        refused.append("face_value_fen")
    if kind in (POOL, *_WITHOUT_VOUCHER) and terms.expiry_returns:
        refused.append("expiry_returns")
    if kind in _WITHOUT_VOUCHER:
        refused += [name for name in ("valid_days", "valid_until", "shop_ids") if _has(terms, name)]
    return refused


def _has(terms: NewTerms, name: str) -> bool:
    return bool(getattr(terms, name))


def _column(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _check_rows(session: Session, merchant_id: UUID, terms: NewTerms) -> None:
    """The shops are the merchant's own and open; the pictures are there."""
    shops = select(Shop.id).where(
        Shop.merchant_id == merchant_id, Shop.id.in_(terms.shop_ids), Shop.closed_at.is_(None)
    )
    for shop_id in _missing(terms.shop_ids, session.scalars(shops).all()):
        raise ShopNotOfMerchant(shop_id)
    pictures = select(Picture.sha256).where(Picture.sha256.in_(terms.pictures))
    for sha256 in _missing(terms.pictures, session.scalars(pictures).all()):
        raise UnknownPicture(sha256)


def _missing(wanted: Collection[Key], found: Collection[Key]) -> list[Key]:
    return [one for one in wanted if one not in set(found)]


def agreement_for(
    session: Session, merchant_id: UUID, terms: NewTerms | OfferVersion, *, zone: str
) -> Agreement:
    """The agreement of the terms, or the newest that covers the whole sale; raises
    AgreementNotInForce where there is none, or it is another merchant's.
    """
    first = terms.on_sale_from.astimezone(ZoneInfo(zone)).date()
    last_instant = terms.on_sale_to - timedelta(microseconds=1)
    last = last_instant.astimezone(ZoneInfo(zone)).date()
    query = select(Agreement).where(
        Agreement.merchant_id == merchant_id,
        Agreement.valid_from <= first,
        Agreement.valid_to > last,
    )
    if terms.agreement_id is not None:
        query = query.where(Agreement.id == terms.agreement_id)
    found = session.scalars(
        query.order_by(Agreement.valid_from.desc(), Agreement.id).limit(1),
        execution_options={"populate_existing": True},
    ).first()
    if found is None:
        raise AgreementNotInForce(on_sale_from=terms.on_sale_from, on_sale_to=terms.on_sale_to)
    return found


def _settlement_fen(agreement: Agreement, kind: str, terms: NewTerms) -> int:
    """What a unit costs the programme. A share is rounded down, in the programme's favour."""
    if agreement.price_rule == "fixed":
        assert agreement.fixed_fen is not None
        return agreement.fixed_fen
    if agreement.price_rule == "free":
        return 0
    assert agreement.share_bp is not None
    if not terms.face_value_fen:
        raise TermNotOfKind(kind, "face_value_fen")
    return terms.face_value_fen * agreement.share_bp // 10_000


def _check_payer(
    session: Session,
    merchant: Merchant,
    kind: str,
    settlement_fen: int,
    budget_id: UUID | None,
    project_id: UUID | None,
) -> None:
    """What costs has a budget of the programme; a donation has a project."""
    budget = session.get(Budget, budget_id) if budget_id else None
    theirs = budget is not None and budget.programme_holder_id == merchant.programme_holder_id
    if (budget_id is not None or settlement_fen) and not theirs:
        raise BudgetMissing(settlement_fen)
    project = (
        session.get(DonationProject, project_id, populate_existing=True) if project_id else None
    )
    if project_id is None and kind != DONATION:
        return
    if (
        project is None
        or kind != DONATION
        or project.merchant_id != merchant.id
        or project.closed_at is not None
    ):
        raise ProjectMissing


def _made_or_same(session: Session, wanted: Offer) -> Offer:
    """The offer as it stands, made if it is new, and locked."""
    row = {column.key: getattr(wanted, column.key) for column in Offer.__table__.columns}
    session.execute(insert(Offer).values(row).on_conflict_do_nothing())
    offer = locked(session, wanted.id)
    fixed = ("merchant_id", "kind", "budget_id", "project_id")
    if any(getattr(offer, name) != getattr(wanted, name) for name in fixed):
        raise OfferReused(wanted.id)
    return offer
