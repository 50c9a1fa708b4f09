"""Top-ups: points for money on a card, which an outside gateway puts there.

The points are held and the unit is taken when it is ordered; the gateway is asked outside of any
transaction; its first final answer is booked (``rewards.redeeming.top_up_answers``). What hung in
between is asked for again by a job (``rewards.redeeming.top_up_queue``).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.accounts import is_closed
from ledgers.errors import AccountClosed, UnknownAccount
from ledgers.funds import lock_holder
from ledgers.holds import DAYS_MAX, NewHold, reserve
from ledgers.models import Hold, Posting
from rewards.errors import RedemptionReused, UnknownOffer
from rewards.models import Redemption, TopUp
from rewards.redeeming import limits, stock
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.days import day_of
from rewards.redeeming.redemption import Redeemed, who_acted
from rewards.redeeming.terms import Terms, check_price, check_sale, check_units, load
from rewards.redeeming.top_up_errors import NotATopUp

HELD_FOR = timedelta(days=DAYS_MAX)
FIRST_LOOK = timedelta(seconds=5)  # Whoever ordered asks first; the job, if that came to nothing.


def order_id_of(holder_id: UUID, redemption_id: UUID) -> UUID:
    """Under which the gateway knows it: no other resident can make it come to the same."""
    return uuid5(redemption_id, f"top-up/{holder_id.hex}")


def hold_id_of(redemption_id: UUID) -> UUID:
    """Of the hold of its points."""
    return uuid5(redemption_id, "hold")


def order(
    session: Session,
    redemption_id: UUID,
    *,
    buyer: Buyer,
    offer_id: UUID,
    units: int = 1,
    price_points: int | None = None,
    now: datetime,
    acting: str | None = None,
) -> Redeemed:
    """Hold the points of a top-up and take its unit. The same id, holder and offer again answer
    how it stands, and change nothing.

    Args and locks as in ``rewards.redeeming.redemption.redeem``, which refuses likewise.

    Raises:
        NotATopUp: the offer is of another kind.
        RedemptionReused: the id stands for something else, or is another resident's.
    """
    terms = load(session, offer_id)
    if terms.offer.programme_holder_id != buyer.programme_holder_id:
        raise UnknownOffer(offer_id)
    if terms.offer.kind != "top_up":
        raise NotATopUp(offer_id)
    lock_holder(session, buyer.holder_id)
    key = (buyer.holder_id, redemption_id)
    if (earlier := session.get(Redemption, key, populate_existing=True)) is not None:
        if (earlier.offer_id, earlier.units) != (offer_id, units):
            raise RedemptionReused(redemption_id)
        return _redeemed(earlier, acted_by(session, earlier))
    check_sale(terms, buyer, now)
    check_units(terms, units)
    check_price(terms, price_points)
    limits.check(session, terms, buyer, units, now)
    if session.get(Posting, redemption_id) is not None:
        raise RedemptionReused(redemption_id)
    _hold(session, redemption_id, buyer, terms, acting, now)
    redemption = _write(session, redemption_id, buyer, terms, now)
    stock.take(session, terms, 1, day=day_of(now, buyer.zone))
    return _redeemed(redemption, acting)


def acted_by(session: Session, redemption: Redemption) -> str | None:
    """Who ordered it for the resident; None where it was the resident."""
    return acted_by_many(session, redemption.holder_id, [redemption.id]).get(redemption.id)


def acted_by_many(
    session: Session, holder_id: UUID, redemption_ids: Sequence[UUID]
) -> dict[UUID, str | None]:
    """The same for redemptions of one resident, by their ids; one statement."""
    holds = {hold_id_of(id_): id_ for id_ in redemption_ids}
    query = select(Hold.id, Hold.actor).where(Hold.holder_id == holder_id, Hold.id.in_(holds))
    return {holds[hold_id]: who_acted(actor) for hold_id, actor in session.execute(query)}


def _oneself(holder_id: UUID) -> str:
    return f"holder:{holder_id}"


def _hold(
    session: Session,
    redemption_id: UUID,
    buyer: Buyer,
    terms: Terms,
    acting: str | None,
    now: datetime,
) -> None:
    new = NewHold(
        id=hold_id_of(redemption_id),
        holder_id=buyer.holder_id,
        points=terms.version.price_points,
        reference=redemption_id,
        actor=acting or _oneself(buyer.holder_id),
        deadline_at=now + HELD_FOR,
    )
    try:
        reserve(session, new, now=now)
    except UnknownAccount as error:
        if is_closed(session, buyer.holder_id):
            raise AccountClosed(buyer.holder_id) from error
        raise


def _write(
    session: Session, redemption_id: UUID, buyer: Buyer, terms: Terms, now: datetime
) -> Redemption:
    offer, version = terms.offer, terms.version
    redemption = Redemption(
        holder_id=buyer.holder_id,
        id=redemption_id,
        offer_id=offer.id,
        version=version.version,
        units=1,
        spent_points=version.price_points,
        redeemed_at=now,
        state="pending",
        returned_points=0,
    )
    top_up = TopUp(
        holder_id=buyer.holder_id,
        redemption_id=redemption_id,
        order_id=order_id_of(buyer.holder_id, redemption_id),
        offer_id=offer.id,
        amount_fen=version.face_value_fen,
        hold_id=hold_id_of(redemption_id),
        hold_ends_at=now + HELD_FOR,
        state="ordered",
        tries=0,
        next_at=now + FIRST_LOOK,
        ordered_at=now,
    )
    session.add_all([redemption, top_up])
    session.flush()
    return redemption


def _redeemed(redemption: Redemption, acting: str | None) -> Redeemed:
    return Redeemed(
        id=redemption.id,
        offer_id=redemption.offer_id,
        version=redemption.version,
        units=redemption.units,
        spent_points=redemption.spent_points,
        redeemed_at=redemption.redeemed_at,
        state=redemption.state,
        voucher_code=None,
        expires_at=None,
        acted_by=acting,
    )
