"""What was agreed with a merchant: from a day to the day before another, what one unit costs.

Kept here: an agreement is never changed but shortened, and not below what is on sale by it.
Several may hold at once: an offer names the one it is settled by.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from ledgers.posting import AMOUNT_MAX
from rewards.merchants import merchants
from rewards.merchants.errors import (
    AgreementInUse,
    AgreementReused,
    PriceRuleDoesNotFit,
    UnknownAgreement,
)
from rewards.models import Agreement, Offer, OfferVersion

FIXED, SHARE, FREE = "fixed", "share", "free"
PRICE_RULES = (FIXED, SHARE, FREE)
SHARE_BP_MAX = 10_000
FIXED_FEN_MAX = AMOUNT_MAX // 10_000  # So many units are donated at once, at most.
_MICROSECOND = timedelta(microseconds=1)


class NewAgreement(NamedTuple):
    """``id`` is made by the client. ``valid_to`` is exclusive. ``fixed_fen`` with ``fixed``,
    ``share_bp`` (1..SHARE_BP_MAX, of the face value) with ``share``. ``document`` says where the
    agreement is filed.
    """

    id: UUID
    merchant_id: UUID
    valid_from: date
    valid_to: date
    price_rule: str
    fixed_fen: int | None
    share_bp: int | None
    document: str


def put(
    session: Session, new: NewAgreement, *, zone: str, made_by: str, now: datetime
) -> Agreement:
    """Write an agreement down, or shorten it: the same again with an earlier ``valid_to``.

    ``zone`` is the programme's, whose days they are. Raises UnknownMerchant, MerchantEnded,
    PriceRuleDoesNotFit, AgreementReused, AgreementInUse.
    """
    _check(new)
    merchants.get_open(session, new.merchant_id)
    found = session.get(Agreement, new.id, with_for_update=True, populate_existing=True)
    if found is None:
        found = Agreement(**new._asdict(), made_by=made_by, made_at=now)
        session.add(found)
        session.flush()
        return found
    is_ = NewAgreement(*(getattr(found, name) for name in NewAgreement._fields))
    if is_._replace(valid_to=new.valid_to) != new or new.valid_to > is_.valid_to:
        raise AgreementReused(new.id)
    if new.valid_to < is_.valid_to:
        _check_covers(session, found.id, new.valid_to, ZoneInfo(zone), now)
        found.valid_to = new.valid_to
        session.flush()
    return found


def get(session: Session, merchant_id: UUID, agreement_id: UUID) -> Agreement:
    """This merchant's agreement; raises UnknownAgreement."""
    found = session.get(Agreement, agreement_id)
    if found is None or found.merchant_id != merchant_id:
        raise UnknownAgreement(agreement_id)
    return found


def listed(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[Agreement]:
    """A merchant's agreements by id, those that are over too."""
    query = select(Agreement).where(Agreement.merchant_id == merchant_id)
    query = query.order_by(Agreement.id).limit(limit)
    if after is not None:
        query = query.where(Agreement.id > after)
    return session.scalars(query).all()


def _check(new: NewAgreement) -> None:
    assert new.price_rule in PRICE_RULES
    assert new.fixed_fen is None or 0 < new.fixed_fen <= FIXED_FEN_MAX
    fixed, share = new.fixed_fen is not None, new.share_bp is not None
    if (fixed, share) != (new.price_rule == FIXED, new.price_rule == SHARE):
        raise PriceRuleDoesNotFit("price_rule")
    if new.valid_to <= new.valid_from:
        raise PriceRuleDoesNotFit("validity")


def _check_covers(
    session: Session, agreement_id: UUID, valid_to: date, zone: ZoneInfo, now: datetime
) -> None:
    """Raises AgreementInUse where an offer that is not over is on sale on ``valid_to`` or later."""
    current = and_(OfferVersion.offer_id == Offer.id, OfferVersion.version == Offer.version)
    ends_at = datetime(valid_to.year, valid_to.month, valid_to.day, tzinfo=zone)
    query = (
        select(func.count(), func.max(OfferVersion.on_sale_to))
        .join(Offer, current)
        .where(
            OfferVersion.agreement_id == agreement_id,
            OfferVersion.on_sale_to > ends_at,
            OfferVersion.on_sale_to > now,
            Offer.state.in_(("published", "paused")),
        )
    )
    open_offers, last = session.execute(query).one()
    if open_offers:
        needed_to = (last.astimezone(zone) - _MICROSECOND).date() + timedelta(days=1)
        raise AgreementInUse(open_offers=open_offers, needed_to=needed_to)
