"""Operators look after top-ups, and the admin log says so."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.models import TopUp
from rewards.redeeming import top_up_queue
from service.admin.log import Actor, State
from service.admin.objects import Object, acting_on, programme_of


def hurry(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> TopUp:
    """``top_up_queue.hurry``, with its row of the admin log. Raises UnknownTopUp."""
    return acting_on(
        session,
        actor,
        "top_up.check",
        _object(session, order_id),
        lambda: top_up_queue.hurry(session, order_id, now=now),
        now=now,
    )


def tick_off(
    session: Session, actor: Actor, order_id: UUID, *, reason: str, now: datetime
) -> TopUp:
    """``top_up_queue.tick_off``, with its row of the admin log. Raises UnknownTopUp."""
    return acting_on(
        session,
        actor,
        "top_up.tick_off",
        _object(session, order_id, reason),
        lambda: top_up_queue.tick_off(session, order_id),
        now=now,
    )


def _object(session: Session, order_id: UUID, reason: str | None = None) -> Object:
    """``reason``: why nothing contradicts any more, told once nothing does."""
    top_up = top_up_queue.get(session, order_id)
    programme = programme_of(session, top_up.holder_id)

    def state() -> State:
        found = top_up_queue.get(session, order_id)
        facts = {
            "state": found.state,
            "answered": found.answered,
            "next_at": found.next_at,
            "contradicted_at": found.contradicted_at,
        }
        return facts | {"reason": reason} if reason and not found.contradicted_at else facts

    return Object("top_up", str(order_id), programme, top_up.holder_id, state)
