"""What a till is told of the resident whose live code it has read: what this merchant can hand out
to them, and nothing else of theirs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, account_key, of_holder
from ledgers.errors import DomainError
from rewards.models import Merchant, Offer, OfferStock, OfferVersion, Redemption, Scan, Voucher
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.terms import WITH_VOUCHER, Terms, check_sale
from rewards.redeeming.vouchers import hashes_of
from rewards.tills.scans import check_open
from rewards.voucher_codes import Codes

SHOWN_MAX = 100  # Of vouchers, and of offers.
_LOOKED_AT_MAX = 500  # Of a resident's redemptions at a merchant, the newest; and of its offers.


class Unused(NamedTuple):
    """A voucher that the resident may use here."""

    redemption_id: UUID
    offer_id: UUID
    title_zh: str
    title_en: str
    expires_at: datetime | None


class Affordable(NamedTuple):
    """An offer of the merchant's that the resident can redeem now."""

    offer_id: UUID
    title_zh: str
    title_en: str
    price_points: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a till is told of who stands before it."""

    vouchers: Sequence[Unused]
    offers: Sequence[Affordable]


def seen(session: Session, scan: Scan, buyer: Buyer, *, codes: Codes, now: datetime) -> Seen:
    """What the till can hand out to the resident. Raises ScanOver."""
    check_open(scan, now)
    return Seen(
        _unused(session, scan, codes, now),
        _affordable(session, scan.merchant_id, buyer, now),
    )


def _unused(session: Session, scan: Scan, codes: Codes, now: datetime) -> list[Unused]:
    """The resident's vouchers that this shop would take, those that expire first first."""
    query = (
        select(Redemption, Offer, OfferVersion)
        .join(Offer, Offer.id == Redemption.offer_id)
        .join(
            OfferVersion,
            (OfferVersion.offer_id == Redemption.offer_id)
            & (OfferVersion.version == Redemption.version),
        )
        .where(
            Redemption.holder_id == scan.holder_id,
            Redemption.state == "done",
            Offer.merchant_id == scan.merchant_id,
            Offer.kind.in_(WITH_VOUCHER),
        )
        .order_by(Redemption.redeemed_at.desc())
        .limit(_LOOKED_AT_MAX)
    )
    rows = session.execute(query).all()
    hashes = hashes_of(session, [(one, offer) for one, offer, _ in rows], codes)
    good = select(Voucher.redemption_id, Voucher.expires_at).where(
        Voucher.code_sha256.in_(hashes.values()),
        Voucher.consumed_at.is_(None),
        Voucher.lapsed_at.is_(None),
        Voucher.cancelled_at.is_(None),
        Voucher.expired_at.is_(None),
        Voucher.expires_at.is_(None) | (Voucher.expires_at > now),
    )
    until = dict(session.execute(good).all()) if hashes else {}
    found = [
        Unused(one.id, offer.id, version.title_zh, version.title_en, until[one.id])
        for one, offer, version in rows
        if one.id in until and (not version.shop_ids or scan.shop_id in version.shop_ids)
    ]
    found.sort(key=lambda one: (one.expires_at is None, one.expires_at, one.redemption_id))
    return found[:SHOWN_MAX]


def _affordable(
    session: Session, merchant_id: UUID, buyer: Buyer, now: datetime
) -> list[Affordable]:
    """What is for the resident and within their points, the cheapest first. Limits of a day, a week
    or a month are looked at when it is redeemed.
    """
    account = account_key(buyer.holder_id, "point", PERSONAL).id
    points = next(
        (a.balance - a.debt - a.held for a in of_holder(session, buyer.holder_id)
         if a.id.hex == account),
        0,
    )  # fmt: skip
    query = (
        select(Offer, OfferVersion, Merchant.state)
        .join(Merchant, Merchant.id == Offer.merchant_id)
        .join(
            OfferVersion,
            (OfferVersion.offer_id == Offer.id) & (OfferVersion.version == Offer.version),
        )
        .join(OfferStock, OfferStock.offer_id == Offer.id)
        .where(
            Offer.merchant_id == merchant_id,
            Offer.state == "published",
            Offer.kind.in_(WITH_VOUCHER),
            OfferVersion.price_points <= points,
            OfferStock.stock_units > 0,
        )
        .order_by(OfferVersion.price_points, Offer.id)
        .limit(_LOOKED_AT_MAX)
    )
    terms = (Terms(*row) for row in session.execute(query))
    return [
        Affordable(
            one.offer.id, one.version.title_zh, one.version.title_en, one.version.price_points
        )
        for one in _for_sale(terms, buyer, now)
    ][:SHOWN_MAX]


def _for_sale(every: Iterable[Terms], buyer: Buyer, now: datetime) -> Iterator[Terms]:
    for terms in every:
        try:
            check_sale(terms, buyer, now)
        except DomainError:
            continue
        yield terms
