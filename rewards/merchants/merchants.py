"""Merchants, from a draft to their end: draft → approved ⇄ suspended → ended.

Kept here: a step is one of those; who is approved has a credit code and open accounts of fen; who
has ended has no open offer. Only an approved merchant sells; vouchers of a suspended one are taken.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.accounts import open_payable
from rewards.errors import UnknownMerchant
from rewards.merchants.credit_codes import checked
from rewards.merchants.errors import (
    CreditCodeMissing,
    CreditCodeStays,
    MerchantEnded,
    MerchantReused,
    MerchantStepRefused,
    OffersStillOpen,
)
from rewards.models import Merchant, Offer

DRAFT, APPROVED, SUSPENDED, ENDED = "draft", "approved", "suspended", "ended"
STATES = (DRAFT, APPROVED, SUSPENDED, ENDED)
_STEPS: Mapping[str, frozenset[str]] = {
    DRAFT: frozenset({APPROVED, ENDED}),
    APPROVED: frozenset({SUSPENDED, ENDED}),
    SUSPENDED: frozenset({APPROVED, ENDED}),
    ENDED: frozenset(),
}


class NewMerchant(NamedTuple):
    """``id`` is made by the client and becomes the holder id in the ledger. ``credit_code`` as it
    was typed; a draft may be without.
    """

    id: UUID
    programme_holder_id: UUID
    name_zh: str
    name_en: str
    credit_code: str | None = None


def enter(session: Session, new: NewMerchant, *, made_by: str, now: datetime) -> Merchant:
    """Enter a draft; the same id again changes names, and of a draft the credit code.

    Raises BadCreditCode, MerchantReused, CreditCodeStays, MerchantEnded.
    """
    code = None if new.credit_code is None else checked(new.credit_code)
    found = _locked(session, new.id)
    if found is None:
        found = Merchant(
            **new._replace(credit_code=code)._asdict(), state=DRAFT, made_by=made_by, made_at=now
        )
        session.add(found)
        session.flush()
        return found
    if found.programme_holder_id != new.programme_holder_id:
        raise MerchantReused(new.id)
    names = (new.name_zh, new.name_en)
    if (found.name_zh, found.name_en, found.credit_code) == (*names, code):
        return found
    check_not_ended(found)
    if found.credit_code not in (None, code) and found.state != DRAFT:
        raise CreditCodeStays(new.id)
    found.name_zh, found.name_en = names
    found.credit_code = code
    session.flush()
    return found


def take_step(session: Session, merchant_id: UUID, state: str, *, now: datetime) -> Merchant:
    """Bring a merchant to ``state``, one of STATES; where it is already, nothing changes.

    Approval opens the accounts of fen. Raises UnknownMerchant, MerchantStepRefused,
    CreditCodeMissing, OffersStillOpen.
    """
    merchant = get(session, merchant_id, lock=True)
    if merchant.state == state:
        return merchant
    if state not in _STEPS[merchant.state]:
        raise MerchantStepRefused(state=merchant.state, asked_state=state)
    if state == APPROVED:
        if merchant.credit_code is None:
            raise CreditCodeMissing(merchant_id)
        assert merchant.programme_holder_id is not None
        open_payable(session, merchant.programme_holder_id, [merchant_id], now=now)
    if state == ENDED and (open_offers := _open_offers(session, merchant_id)):
        raise OffersStillOpen(open_offers)
    merchant.state = state
    session.flush()
    return merchant


def get(session: Session, merchant_id: UUID, *, lock: bool = False) -> Merchant:
    """The merchant; raises UnknownMerchant. ``lock`` is for what staff change, never for tills."""
    found = _locked(session, merchant_id) if lock else session.get(Merchant, merchant_id)
    if found is None:
        raise UnknownMerchant(merchant_id)
    return found


def get_open(session: Session, merchant_id: UUID) -> Merchant:
    """The merchant, locked, for whom something is made; raises UnknownMerchant, MerchantEnded."""
    merchant = get(session, merchant_id, lock=True)
    check_not_ended(merchant)
    return merchant


def check_not_ended(merchant: Merchant) -> None:
    """Raises MerchantEnded."""
    if merchant.state == ENDED:
        raise MerchantEnded(merchant.id)


def listed(
    session: Session,
    *,
    programme_holder_id: UUID | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[Merchant]:
    """Merchants by id, of one programme or (None) of all; ``after`` is the last one told."""
    query = select(Merchant).order_by(Merchant.id).limit(limit)
    if programme_holder_id is not None:
        query = query.where(Merchant.programme_holder_id == programme_holder_id)
    if state is not None:
        query = query.where(Merchant.state == state)
    if after is not None:
        query = query.where(Merchant.id > after)
    return session.scalars(query).all()


def _locked(session: Session, merchant_id: UUID) -> Merchant | None:
    return session.get(Merchant, merchant_id, with_for_update=True, populate_existing=True)


def _open_offers(session: Session, merchant_id: UUID) -> int:
    query = select(func.count()).where(Offer.merchant_id == merchant_id, Offer.state != ENDED)
    return session.scalar(query) or 0
