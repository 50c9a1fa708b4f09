"""Terms: what an offer asks for and gives now, and whether it is for this resident."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor
from sqlalchemy.orm import Session

from ledgers.bulk import Statement, together
from rewards.errors import OfferNotOnSale, UnknownOffer
from rewards.models import Offer, OfferVersion
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.days import day_of, start_of
from rewards.redeeming.errors import (
    MerchantSuspended,
    NotForDivision,
    NotForScenes,
    OfferEnded,
    OfferPaused,
    PriceChanged,
    UnitsOutOfBounds,
)

WITH_VOUCHER = frozenset({"voucher", "goods", "pool_code"})
DONATED_UNITS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Terms:
    """An offer, its published version, its merchant's state, and when its project closed."""

    offer: Offer
    version: OfferVersion
    merchant_state: str
    project_closed_at: datetime | None = None


def load(session: Session, offer_id: UUID) -> Terms:
    """The terms as they are now, which are no objects of the session; raises UnknownOffer, for one
    never published too.
    """
    return loaded(offer_id, together(session, loading(offer_id))[0])


def loading(offer_id: UUID) -> Statement:
    """Reads them: of reference tables alone, for ``loaded``."""
    return _LOAD, {"offer_id": offer_id}


def loaded(offer_id: UUID, found: Cursor[Any]) -> Terms:
    """What ``loading`` found; raises UnknownOffer."""
    if (row := found.fetchone()) is None:
        raise UnknownOffer(offer_id)
    *columns, merchant_state, closed_at = row
    offer = Offer(**dict(zip(_OFFER, columns, strict=False)))
    version = OfferVersion(**dict(zip(_VERSION, columns[len(_OFFER) :], strict=True)))
    return Terms(offer, version, merchant_state, closed_at)


_OFFER = [column.key for column in Offer.__table__.columns]
_VERSION = [column.key for column in OfferVersion.__table__.columns]
_LOAD: LiteralString = f"""
    SELECT {", ".join(f"o.{name}" for name in _OFFER)},
           {", ".join(f"v.{name}" for name in _VERSION)}, m.state, p.closed_at
    FROM offer AS o
    JOIN offer_version AS v ON v.offer_id = o.id AND v.version = o.version
    JOIN merchant AS m ON m.id = o.merchant_id
    LEFT JOIN donation_project AS p ON p.id = o.project_id
    WHERE o.id = %(offer_id)s
"""


def check_sale(terms: Terms, buyer: Buyer, now: datetime) -> None:
    """Whether the resident may have it now, limits and stock apart.

    Raises:
        UnknownOffer: of another programme, or a draft.
        OfferPaused, OfferEnded, MerchantSuspended, OfferNotOnSale: nobody may.
        NotForDivision, NotForScenes: others may.
    """
    offer, version = terms.offer, terms.version
    if offer.programme_holder_id != buyer.programme_holder_id or offer.state == "draft":
        raise UnknownOffer(offer.id)
    if offer.state == "ended" or terms.project_closed_at is not None:
        raise OfferEnded(offer.id)
    if terms.merchant_state != "approved":
        raise MerchantSuspended(offer.merchant_id, terms.merchant_state)
    if offer.state == "paused":
        raise OfferPaused(offer.id)
    on_sale_to = version.on_sale_to
    if version.valid_until is not None:  # A voucher that has expired is sold to nobody.
        on_sale_to = min(on_sale_to, version.valid_until)
    if not version.on_sale_from <= now < on_sale_to:
        raise OfferNotOnSale(on_sale_from=version.on_sale_from, on_sale_to=on_sale_to)
    codes = version.division_codes
    if codes and not buyer.division_code.startswith(tuple(codes)):
        raise NotForDivision(codes)
    if version.scene_codes and buyer.scene_codes.isdisjoint(version.scene_codes):
        raise NotForScenes(version.scene_codes)


def check_price(terms: Terms, shown_points: int | None) -> None:
    """Raises PriceChanged where the resident was shown another price of a unit; None: none was."""
    if shown_points not in (None, terms.version.price_points):
        raise PriceChanged(terms.offer.id, price_points=terms.version.price_points)


def check_units(terms: Terms, units: int) -> None:
    """Raises UnitsOutOfBounds: one at a time, but for donations."""
    units_max = DONATED_UNITS_MAX if terms.offer.kind == "donation" else 1
    if not 1 <= units <= units_max:
        raise UnitsOutOfBounds(units, units_max)


def expires_at(version: OfferVersion, redeemed_at: datetime, zone: str) -> datetime | None:
    """Until when a voucher can be used online; None: for ever."""
    ends = [] if version.valid_until is None else [version.valid_until]
    if version.valid_days is not None:
        after = day_of(redeemed_at, zone) + timedelta(days=version.valid_days + 1)
        ends.append(start_of(after, zone).astimezone(UTC))
    return min(ends, default=None)
