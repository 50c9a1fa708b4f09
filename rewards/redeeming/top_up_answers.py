"""Booking what the gateway answered: the points are captured when it is done, and released only
when it will certainly never be done.

Kept here: the first final answer is booked, once, however many come at once (the holder's accounts
are locked before the row is read); a later one that says otherwise is put down for a person to look
at and changes nothing else. Until a final answer the hold is kept from lapsing.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from ledgers.accounts import REDEEMED, account_key
from ledgers.errors import HoldEnded, PostingReused
from ledgers.funds import lock_holder
from ledgers.holds import NewHold, capture, find_hold, get_hold, release, reserve
from ledgers.models import Hold
from ledgers.prolonging import prolong
from rewards.models import Offer, OfferVersion, Redemption, TopUp
from rewards.redeeming import stock
from rewards.redeeming.days import day_of
from rewards.redeeming.gateways import Outcome
from rewards.redeeming.top_ups import HELD_FOR
from rewards.settling.payables import NewLine, owe
from rewards.webhooks.outbox import Told, tell

ACTOR = "gateway:top-up"
WAIT_MIN, WAIT_MAX = timedelta(seconds=5), timedelta(hours=1)
PROLONGED_BEFORE = HELD_FOR / 2  # So that the service may be away for a fortnight.


def book(
    session: Session,
    holder_id: UUID,
    redemption_id: UUID,
    outcome: Outcome,
    *,
    zone: str,
    now: datetime,
) -> TopUp:
    """Book an answer; the row as it stands then. Booking the same again changes nothing.

    ``zone`` is the programme's: a unit that comes back on its day can be had again on it.

    Locks the holder's accounts, then the offer's stock, until the caller's transaction ends.
    """
    lock_holder(session, holder_id)
    key = (holder_id, redemption_id)
    top_up = session.get_one(TopUp, key, populate_existing=True)
    if top_up.state != "ordered":
        _compare(top_up, outcome, now)
    elif outcome.state == "done":
        _done(session, top_up, outcome, now)
    elif outcome.is_final:
        _refused(session, top_up, outcome, zone, now)
    else:
        _wait(session, top_up, outcome, now)
    session.flush()
    return top_up


def agrees(top_up: TopUp, outcome: Outcome) -> bool:
    """Whether a final answer is the one that was booked, or as good: never done is never done."""
    if outcome.state == "done":
        return top_up.state == "done" and top_up.gateway_reference == outcome.detail
    return top_up.state in ("refused", "cancelled")


def wait_after(tries: int) -> timedelta:
    """Until the gateway is asked again, after so many answers that were not final."""
    doubled: int = 2 ** min(tries, 20)
    return min(WAIT_MIN * doubled, WAIT_MAX)


def _compare(top_up: TopUp, outcome: Outcome, now: datetime) -> None:
    """What a person has settled (``top_up_queue.tick_off``) is told apart by what was said."""
    against = outcome.is_final and not agrees(top_up, outcome)
    if against and top_up.contradicted_at is None and top_up.answered != outcome.said:
        top_up.answered, top_up.contradicted_at = outcome.said, now


def _done(session: Session, top_up: TopUp, outcome: Outcome, now: datetime) -> None:
    redemption = session.get_one(
        Redemption, (top_up.holder_id, top_up.redemption_id), populate_existing=True
    )
    offer = session.get_one(Offer, top_up.offer_id)
    _charge(session, top_up, redemption, offer, now)
    redemption.state = "done"
    _end(top_up, outcome, now)
    top_up.gateway_reference = outcome.detail
    session.flush()
    version = session.get_one(OfferVersion, (offer.id, redemption.version))
    line = NewLine(
        merchant_id=offer.merchant_id,
        programme_holder_id=offer.programme_holder_id,
        kind="top_up",
        amount_fen=redemption.units * version.settlement_fen,
        offer_id=offer.id,
        version=redemption.version,
        redemption_id=redemption.id,
        occurred_at=now,
    )
    owe(session, [line], actor=ACTOR, now=now)
    told = {
        "redemption_id": str(redemption.id),
        "order_id": str(top_up.order_id),
        "offer_id": str(offer.id),
        "amount_fen": top_up.amount_fen,
        "gateway_reference": outcome.detail,
        "done_at": now.isoformat(),
    }
    tell(session, [Told(offer.merchant_id, "top_up.done", told)], now=now)


def _charge(
    session: Session, top_up: TopUp, redemption: Redemption, offer: Offer, now: datetime
) -> None:
    """Capture the hold, under the redemption's id.

    Where somebody took that id meanwhile for another posting, under one that follows from the
    order: who sends the same id for two redemptions pays both. A hold that lapsed all the same,
    since nobody was here for a month, is reserved anew: InsufficientPoints leaves the order open.
    """
    hold = get_hold(session, top_up.holder_id, top_up.hold_id)
    if hold.state == "lapsed" or (hold.ended_at is None and hold.deadline_at <= now):
        hold = _reserve_anew(session, top_up, now)
    for capture_id in (redemption.id, top_up.order_id):
        with suppress(PostingReused), session.begin_nested():
            capture(
                session,
                capture_id,
                holder_id=top_up.holder_id,
                hold_id=hold.id,
                points=redemption.spent_points,
                credit=account_key(offer.programme_holder_id, "point", REDEEMED),
                actor=hold.actor,
                now=now,
            )
            return
    raise PostingReused(top_up.order_id)


def _refused(session: Session, top_up: TopUp, outcome: Outcome, zone: str, now: datetime) -> None:
    redemption = session.get_one(
        Redemption, (top_up.holder_id, top_up.redemption_id), populate_existing=True
    )
    hold = find_hold(session, top_up.holder_id, top_up.hold_id)
    if hold is not None and hold.state == "held" and hold.deadline_at > now:
        release(session, holder_id=hold.holder_id, hold_id=hold.id, actor=ACTOR, now=now)
    redemption.state = "failed"
    redemption.ended_at, redemption.ended_by = now, ACTOR
    redemption.returned_points = redemption.spent_points
    _end(top_up, outcome, now)
    session.flush()
    version = session.get_one(OfferVersion, (redemption.offer_id, redemption.version))
    stock.give_back(
        session,
        redemption.offer_id,
        redemption.units,
        fen=redemption.units * version.settlement_fen,
        day=day_of(redemption.redeemed_at, zone),
        restock=True,
    )


def _end(top_up: TopUp, outcome: Outcome, now: datetime) -> None:
    top_up.state, top_up.answered = outcome.state, outcome.said
    top_up.ended_at, top_up.next_at = now, None


def _wait(session: Session, top_up: TopUp, outcome: Outcome, now: datetime) -> None:
    top_up.next_at, top_up.answered = now + wait_after(top_up.tries), outcome.said
    top_up.tries += 1
    if top_up.hold_ends_at - now < PROLONGED_BEFORE:
        try:
            hold = prolong(
                session,
                holder_id=top_up.holder_id,
                hold_id=top_up.hold_id,
                deadline_at=now + HELD_FOR,
                now=now,
            )
        except HoldEnded:  # Nobody was here for a month; ``_charge`` sees to it.
            return
        top_up.hold_ends_at = hold.deadline_at


def _reserve_anew(session: Session, top_up: TopUp, now: datetime) -> Hold:
    before = get_hold(session, top_up.holder_id, top_up.hold_id)
    new = NewHold(
        id=uuid5(before.id, "again"),
        holder_id=before.holder_id,
        points=before.amount,
        reference=before.reference,
        actor=before.actor,
        deadline_at=now + HELD_FOR,
    )
    top_up.hold_id, top_up.hold_ends_at = new.id, new.deadline_at
    return reserve(session, new, now=now)
