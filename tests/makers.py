"""Plain functions with valid defaults: a resident, an event, an offer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.events import Answer, Batch, Event
from activities.intake import record
from activities.participants import enrol
from ledgers.accounts import ISSUED, PERSONAL, REDEEMED, account_key, of_holder
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.models import Merchant, Offer
from rewards.redeeming.buyers import Buyer
from rewards.voucher_codes import Codes
from service.buyers import buyer_of
from service.demo_shops import DEMO_PROGRAMME
from tests import shopping

XIAYANG = "310118001"
APRIL_12 = datetime(2016, 4, 12, tzinfo=UTC) - timedelta(hours=8)  # Midnight in Shanghai.
NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)

CODES = Codes(b"k" * 32, b"p" * 32)


def programme_holder(session: Session) -> UUID:
    return session.get_one(Programme, DEMO_PROGRAMME).holder_id


def a_resident(session: Session, *, points: int = 0, town: str = XIAYANG) -> UUID:
    """A holder who takes part and has earned ``points``."""
    holder_id = uuid4()
    enrol(session, DEMO_PROGRAMME, {holder_id: town}, now=NOW)
    if points:
        post(session, earning(session, holder_id, points), now=NOW)
    return holder_id


def a_buyer(session: Session, holder_id: UUID, **more: Any) -> Buyer:
    """The resident as offers see them."""
    return replace(buyer_of(session, holder_id), **more)


def earning(session: Session, holder_id: UUID, points: int, *, unit: str = "point") -> NewPosting:
    """A posting that issues points to a resident."""
    transfer = NewTransfer(
        holder_id,
        account_key(programme_holder(session), unit, ISSUED),
        account_key(holder_id, unit, PERSONAL),
        points,
        "grant",
        uuid4(),
        NOW,
    )
    return NewPosting(uuid4(), "grant", "test", [transfer])


def spending(session: Session, holder_id: UUID, points: int) -> NewPosting:
    """A posting in which a resident spends points."""
    transfer = NewTransfer(
        holder_id,
        account_key(holder_id, "point", PERSONAL),
        account_key(programme_holder(session), "point", REDEEMED),
        points,
        "spend",
        uuid4(),
        NOW,
    )
    return NewPosting(uuid4(), "redemption", "test", [transfer])


def balance(session: Session, holder_id: UUID, unit: str = "point") -> int:
    """Looks at the database, not at what the session remembers."""
    session.expire_all()
    return next(a.balance for a in of_holder(session, holder_id) if a.unit == unit)


def debt(session: Session, holder_id: UUID) -> int:
    session.expire_all()
    return next(a.debt for a in of_holder(session, holder_id) if a.unit == "point")


def a_walk(holder_id: UUID, steps: int = 5_000, *, day: int = 0, event_id: str = "") -> Event:
    """Steps of the ``day``-th day from 12 April 2016, as the demo's partner reports them."""
    start = APRIL_12 + timedelta(days=day)
    return Event(
        event_id or uuid4().hex, "demo.walking", holder_id, start, start + timedelta(days=1), steps
    )


def a_ride(
    holder_id: UUID, *, at: datetime = APRIL_12, seconds: int = 600, event_id: str = ""
) -> Event:
    """A ride on a shared bicycle."""
    return Event(
        event_id or uuid4().hex, "demo.bike", holder_id, at, at + timedelta(seconds=seconds), 1
    )


def recorded(session: Session, *events: Event, at: datetime = NOW) -> list[Answer]:
    return record(session, Batch(list(events), "test", at))


def an_offer(
    session: Session,
    *,
    price_points: int = 120,
    stock_units: int = 5,
    merchant_id: UUID | None = None,
    on_sale_from: datetime = NOW - timedelta(days=1),
    on_sale_to: datetime = NOW + timedelta(days=36_500),
    **terms: Any,
) -> Offer:
    """An offer on sale, of a merchant of its own."""
    holder_id = programme_holder(session)
    if merchant_id is None or session.get(Merchant, merchant_id) is None:
        merchant_id = shopping.a_merchant(session, holder_id, merchant_id=merchant_id)
    offer_id = shopping.an_offer(
        session,
        holder_id,
        merchant_id,
        stock_units=stock_units,
        title_zh="茶",
        title_en="Tea",
        price_points=price_points,
        on_sale_from=on_sale_from,
        on_sale_to=on_sale_to,
        **terms,
    )
    return session.get_one(Offer, offer_id)
