"""Redemption: points, stock and voucher move together, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, REDEEMED, account_key, is_closed
from ledgers.bulk import Statement, together
from ledgers.errors import AccountClosed, PostingReused, UnknownAccount
from ledgers.funds import locking
from ledgers.models import Posting
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.errors import RedemptionReused, SoldOut, UnknownOffer, UnknownRedemption
from rewards.models import Offer, OfferVersion, Redemption
from rewards.redeeming import limits, stock, vouchers
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.days import day_of
from rewards.redeeming.errors import NeedsGateway
from rewards.redeeming.terms import (
    WITH_VOUCHER,
    Terms,
    check_price,
    check_sale,
    check_units,
    expires_at,
    loaded,
    loading,
)
from rewards.settling.payables import NewLine, owe
from rewards.voucher_codes import Codes
from rewards.webhooks.outbox import Told, tell

_DERIVED = 5  # The version of ids that follow from others.
_ONESELF = "holder:"  # Before the resident's own id, as the posting's actor.


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The redemption, and its voucher's code, which is shown to its owner alone; a donation and a
    top-up have none.

    ``acted_by`` is who redeemed for the resident; None where it was the resident.
    """

    id: UUID
    offer_id: UUID
    version: int
    units: int
    spent_points: int
    redeemed_at: datetime
    state: str
    voucher_code: str | None
    expires_at: datetime | None
    acted_by: str | None


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked for, by whom, and when."""

    id: UUID
    buyer: Buyer
    units: int
    codes: Codes
    now: datetime
    request_id: str | None
    acting: str | None

    @property
    def actor(self) -> str:
        return self.acting or f"{_ONESELF}{self.buyer.holder_id}"


def redeem(
    session: Session,
    redemption_id: UUID,
    *,
    buyer: Buyer,
    offer_id: UUID,
    units: int = 1,
    price_points: int | None = None,
    codes: Codes,
    now: datetime,
    request_id: str | None = None,
    acting: str | None = None,
) -> Redeemed:
    """Redeem units of an offer by its terms of now. The same id, holder, offer and units again
    answer the same, whoever asks, and after the sale has ended too.

    Args:
        buyer: the resident, as offers see them.
        units: 1, but for a donation, 1..10,000.
        price_points: of a unit, as the resident was shown it; None: not looked at.
        codes: the keys behind vouchers' codes (docs/DECISIONS.md, decision 9).
        request_id: kept with the posting.
        acting: who redeems for the resident ("delegate:ID"), in whose place the posting names
            them; None where it is the resident.

    Raises:
        PriceChanged: a version with another price was published meanwhile.
        UnknownOffer, OfferPaused, OfferEnded, MerchantSuspended, OfferNotOnSale, NotForDivision,
        NotForScenes, UnitsOutOfBounds, NeedsGateway: this offer is not for this resident now.
        SoldOut, DailyLimitReached, ResidentLimitReached, BudgetExhausted: no more of it.
        RedemptionReused: the id stands for something else, or is another resident's.
        InsufficientPoints: the resident has too few, or owes.
        AccountClosed: the resident has closed the account.

    Nothing is written then. Locks the resident's accounts, then, last, the offer's stock, until the
    caller's transaction ends: what many want at once is locked for one round trip and the commit.
    """
    wish = _Wish(redemption_id, buyer, units, codes, now, request_id, acting)
    known, _, earlier, left, counted = together(
        session,
        loading(offer_id),
        *locking(buyer.holder_id)[:1],
        _earlier(buyer.holder_id, redemption_id),
        (_LEFT, {"offer_id": offer_id}),
        limits.counting(offer_id, buyer, now),
    )
    terms = loaded(offer_id, known)
    if terms.offer.programme_holder_id != buyer.programme_holder_id:
        raise UnknownOffer(offer_id)
    if terms.offer.kind == "top_up":
        raise NeedsGateway(offer_id)
    if (row := earlier.fetchone()) is not None:
        return _same_or_refuse(session, terms, wish, row)
    check_sale(terms, buyer, now)
    check_units(terms, units)
    check_price(terms, price_points)
    (left_units,) = left.fetchone() or (0,)
    if left_units < units:
        raise SoldOut(offer_id)
    limits.refuse_beyond(terms, counted.fetchall()[0], units, buyer, now)
    _spend(session, terms, wish)
    return _hand_over(session, terms, wish)


def check_sent(redemption_id: UUID) -> None:
    """Refuse an id that a client may not make: postings of our own have ids that follow from others
    (RFC 9562, version 5), and whoever took one first would stop a return, or a job for everybody.

    Raises RedemptionReused.
    """
    if redemption_id.version == _DERIVED:
        raise RedemptionReused(redemption_id)


def get_redemption(session: Session, redemption_id: UUID, *, holder_id: UUID) -> Redemption:
    """The resident's redemption; raises UnknownRedemption also for somebody else's."""
    redemption = session.get(Redemption, (holder_id, redemption_id))
    if redemption is None:
        raise UnknownRedemption(redemption_id)
    return redemption


def acted_by(session: Session, redemption_id: UUID) -> str | None:
    """Who redeemed for the resident, as the posting names them; None where it was the resident."""
    return who_acted(session.scalar(select(Posting.actor).where(Posting.id == redemption_id)))


def who_acted(actor: str | None) -> str | None:
    """The same of a posting's actor."""
    return None if actor is None or actor.startswith(_ONESELF) else actor


_EARLIER: LiteralString = """
    SELECT offer_id, version, units, spent_points, redeemed_at, state
    FROM redemption WHERE holder_id = %(holder_id)s AND id = %(id)s
"""
# Without a lock: whoever comes too late queues for nothing.
_LEFT: LiteralString = "SELECT stock_units FROM offer_stock WHERE offer_id = %(offer_id)s"


def _earlier(holder_id: UUID, redemption_id: UUID) -> Statement:
    return _EARLIER, {"holder_id": holder_id, "id": redemption_id}


def _same_or_refuse(session: Session, terms: Terms, wish: _Wish, row: Sequence[Any]) -> Redeemed:
    offer_id, version, units, spent_points, redeemed_at, state = row
    if (offer_id, units) != (terms.offer.id, wish.units):
        raise RedemptionReused(wish.id)
    code, until = None, None
    if terms.offer.kind in WITH_VOUCHER:
        of_then = session.get_one(OfferVersion, (offer_id, version))
        until = expires_at(of_then, redeemed_at, wish.buyer.zone)
        code = vouchers.code_of(session, terms.offer, wish.id, wish.codes)
    who = acted_by(session, wish.id)
    return Redeemed(
        wish.id, offer_id, version, units, spent_points, redeemed_at, state, code, until, who
    )


def _spend(session: Session, terms: Terms, wish: _Wish) -> None:
    """The posting has the redemption's id, which so belongs to one resident only."""
    holder_id = wish.buyer.holder_id
    transfer = NewTransfer(
        holder_id,
        account_key(holder_id, "point", PERSONAL),
        account_key(terms.offer.programme_holder_id, "point", REDEEMED),
        wish.units * terms.version.price_points,
        "spend",
        wish.id,
        wish.now,
    )
    posting = NewPosting(wish.id, "redemption", wish.actor, [transfer], request_id=wish.request_id)
    try:
        post(session, posting, now=wish.now)
    except PostingReused as error:
        raise RedemptionReused(wish.id) from error
    except UnknownAccount as error:
        if is_closed(session, holder_id):
            raise AccountClosed(holder_id) from error
        raise


def _hand_over(session: Session, terms: Terms, wish: _Wish) -> Redeemed:
    """What the points buy: the redemption, its voucher or the project's due, and the stock."""
    offer, version, now = terms.offer, terms.version, wish.now
    rows = [_redemption(terms, wish)]
    code, until = None, None
    if offer.kind in WITH_VOUCHER:
        until = expires_at(version, now, wish.buyer.zone)
        code, hashed = vouchers.new_code(session, offer, wish.id, wish.codes)
        rows.append(vouchers.writing(terms, wish.id, wish.buyer.holder_id, hashed, until))
    if offer.kind == "donation":
        _owe_project(session, terms, wish)
    day = day_of(now, wish.buyer.zone)
    *_, taken = together(session, *rows, stock.taking(terms, wish.units, day=day))
    row = taken.fetchone()
    left = stock.Left(*row) if row else stock.take_or_refuse(session, terms, wish.units, day=day)
    if offer.kind == "pool_code" and left.runs_low(wish.units):
        _tell_low(session, offer, left, now)
    spent_points = wish.units * version.price_points
    return Redeemed(
        *(wish.id, offer.id, version.version, wish.units, spent_points, now, "done"),
        *(code, until, wish.acting),
    )


_WRITE: LiteralString = """
    INSERT INTO redemption (holder_id, id, offer_id, version, units, spent_points, redeemed_at)
    VALUES (%(holder_id)s, %(id)s, %(offer_id)s, %(version)s, %(units)s, %(points)s, %(now)s)
"""


def _redemption(terms: Terms, wish: _Wish) -> Statement:
    return _WRITE, {
        "holder_id": wish.buyer.holder_id,
        "id": wish.id,
        "offer_id": terms.offer.id,
        "version": terms.version.version,
        "units": wish.units,
        "points": wish.units * terms.version.price_points,
        "now": wish.now,
    }


def _tell_low(session: Session, offer: Offer, left: stock.Left, now: datetime) -> None:
    """So that the merchant loads another file; under the lock of the stock row, once a file."""
    content = {"offer_id": str(offer.id), **left._asdict()}
    tell(session, [Told(offer.merchant_id, "pool.low", content)], now=now)


def _owe_project(session: Session, terms: Terms, wish: _Wish) -> None:
    """A donation is settled at once, with the merchant behind the project."""
    line = NewLine(
        merchant_id=terms.offer.merchant_id,
        programme_holder_id=terms.offer.programme_holder_id,
        kind="donation",
        amount_fen=wish.units * terms.version.settlement_fen,
        offer_id=terms.offer.id,
        version=terms.version.version,
        redemption_id=wish.id,
        occurred_at=wish.now,
    )
    owe(session, [line], actor=wish.actor, now=wish.now, request_id=wish.request_id)
