"""A resident orders a top-up: booked as open, then asked about while the resident waits."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.errors import RedemptionReused
from rewards.redeeming import top_ups
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.redemption import Redeemed
from service.buyers import buyer_of
from service.gateway.settling import gateway_of, settle
from service.identity import top_up_cards
from service.identity.keyring import Keyring
from service.services import Services

ASKING_MAX = 4  # Requests of a process that wait for the gateway; of the others the job takes care.
_asking = threading.BoundedSemaphore(ASKING_MAX)
_STATES = {"ordered": "pending", "done": "done", "refused": "failed", "cancelled": "failed"}


def redeem_onto_card(
    services: Services,
    redemption_id: UUID,
    *,
    holder_id: UUID,
    offer_id: UUID,
    card_number: str,
    units: int,
    acting: str | None,
    price_points: int | None = None,
) -> Redeemed:
    """Order a top-up, in transactions of its own; ``pending`` where the gateway has not said what
    became of it. The same again answers how it stands.

    Raises what ``place`` does, and TopUpsNotOffered.
    """
    gateway_of(services)
    now = datetime.now(UTC)
    redeemed = services.database.transact(
        lambda session: place(
            session,
            services.keyring,
            redemption_id,
            buyer=buyer_of(session, holder_id),
            offer_id=offer_id,
            card_number=card_number,
            units=units,
            price_points=price_points,
            now=now,
            acting=acting,
        )
    )
    if redeemed.redeemed_at != now or not _asking.acquire(blocking=False):
        return redeemed
    try:
        top_up = settle(services, top_ups.order_id_of(holder_id, redemption_id))
    finally:
        _asking.release()
    return replace(redeemed, state=_STATES[top_up.state])


def place(
    session: Session,
    keyring: Keyring,
    redemption_id: UUID,
    *,
    buyer: Buyer,
    offer_id: UUID,
    card_number: str,
    units: int = 1,
    price_points: int | None = None,
    now: datetime,
    acting: str | None = None,
) -> Redeemed:
    """``top_ups.order``, with the card that the money is for.

    Raises RedemptionReused, too, where the id stands for another card while it is open; afterwards
    nobody knows which card it was. Locks the person, then as ``top_ups.order``.
    """
    top_up_cards.lock_owner(session, keyring, buyer.holder_id, now=now)
    redeemed = top_ups.order(
        session,
        redemption_id,
        buyer=buyer,
        offer_id=offer_id,
        units=units,
        price_points=price_points,
        now=now,
        acting=acting,
    )
    order_id = top_ups.order_id_of(buyer.holder_id, redemption_id)
    if redeemed.state == "pending" and not top_up_cards.keep(
        session, keyring, buyer.holder_id, order_id, card_number, now=now
    ):
        raise RedemptionReused(redemption_id)
    return redeemed
