"""From an order to its end: the gateway is asked outside of any transaction, and what it says is
booked in one. Whatever is interrupted in between, the job asks again.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.errors import InsufficientPoints
from rewards.models import TopUp
from rewards.redeeming import top_up_queue
from rewards.redeeming.gateways import Gateway, Order, Outcome
from rewards.redeeming.top_up_answers import book
from rewards.redeeming.top_up_errors import TopUpsNotOffered
from rewards.redeeming.top_up_queue import Due
from service.buyers import buyer_of
from service.identity import top_up_cards
from service.services import Services

AT_ONCE = 16  # Asked by as many threads, so that a slow answer does not stop the others.


def gateway_of(services: Services) -> Gateway:
    """The gateway that is set up; raises TopUpsNotOffered."""
    if services.top_ups is None:
        raise TopUpsNotOffered
    return services.top_ups


def settle(services: Services, order_id: UUID) -> TopUp:
    """Ask about one order now, whether or not its time has come; how it stands then.

    Raises UnknownTopUp, TopUpsNotOffered.
    """
    gateway, now = gateway_of(services), datetime.now(UTC)
    top_up = services.database.transact(lambda session: top_up_queue.get(session, order_id))
    each = top_up_queue.due_of(top_up, now)
    (order,) = _orders(services, [each], now)
    return answered(services, each, _ask(gateway, each, order))


def settle_due(services: Services, now: datetime, *, within_s: float) -> dict[str, int]:
    """Ask about the orders whose time has come, batch by batch for so many seconds, and book the
    answers as they come, in this thread: it is the one that the job's bounds hold for.
    """
    counts = dict.fromkeys(("done", "failed", "asked"), 0)
    if services.top_ups is None:
        return counts
    gateway, deadline = services.top_ups, time.monotonic() + within_s
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="top-ups") as pool:
        while time.monotonic() < deadline:
            batch = services.database.transact(
                lambda session: top_up_queue.due(session, now=now, limit=AT_ONCE)
            )
            if not batch:
                break
            orders = _orders(services, batch, now)
            asked = {
                pool.submit(_ask, gateway, each, order): each
                for each, order in zip(batch, orders, strict=True)
            }
            for future in as_completed(asked):
                counts["asked"] += 1
                state = answered(services, asked[future], future.result()).state
                if state != "ordered":
                    counts["done" if state == "done" else "failed"] += 1
    return counts


def answered(services: Services, each: Due, outcome: Outcome) -> TopUp:
    """Book what the gateway said, and forget the card once nothing more can come of it."""
    try:
        return _booked(services, each, outcome)
    except InsufficientPoints:
        # Done, and the hold had lapsed in a month of silence: open until there are points again.
        unpaid = Outcome("unknown", f"too few points: {outcome.said}")
        return _booked(services, each, unpaid)


def _booked(services: Services, each: Due, outcome: Outcome) -> TopUp:
    now = datetime.now(UTC)

    def work(session: Session) -> TopUp:
        zone = buyer_of(session, each.holder_id).zone
        top_up = book(session, each.holder_id, each.redemption_id, outcome, zone=zone, now=now)
        if top_up.state != "ordered":
            top_up_cards.forget(session, each.holder_id, each.order_id)
        return top_up

    return services.database.transact(work)


def _orders(services: Services, batch: Sequence[Due], now: datetime) -> list[Order | None]:
    """With the cards of those that are to be ordered; None where no card is kept or needed."""
    wanted = [(each.holder_id, each.order_id) for each in batch if each.question == "order"]
    cards = services.database.transact(
        lambda session: top_up_cards.open_cards(session, services.keyring, wanted, now)
    )
    return [
        Order(each.order_id, each.amount_fen, cards[each.order_id])
        if each.order_id in cards
        else None
        for each in batch
    ]


def _ask(gateway: Gateway, each: Due, order: Order | None) -> Outcome:
    """Without a card the order has ended meanwhile; to look is always right."""
    if each.question == "cancel":
        return gateway.cancel(each.order_id)
    return gateway.look(each.order_id) if order is None else gateway.order(order)
