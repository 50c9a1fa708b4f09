"""Messages as their merchant sees them: lists of the dead and the others, pings, redelivery."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from rewards.models import WebhookMessage
from rewards.webhooks import endpoints
from rewards.webhooks.deliveries import DEAD, WAITING
from rewards.webhooks.errors import UnknownWebhookMessage, WebhookMessageReused
from rewards.webhooks.outbox import TRIED_FOR, NewMessage, Told, write

PING = "ping"
AT_ONCE = 10_000


def listed(
    session: Session,
    merchant_id: UUID,
    endpoint_id: UUID,
    *,
    state: str,
    before: UUID | None = None,
    limit: int,
) -> Sequence[WebhookMessage]:
    """Messages in this state, the newest first; ``before`` is the id of the last one told.

    Raises UnknownWebhook.
    """
    endpoints.get(session, merchant_id, endpoint_id)
    query = select(WebhookMessage).where(
        WebhookMessage.merchant_id == merchant_id,
        WebhookMessage.endpoint_id == endpoint_id,
        WebhookMessage.state == state,
    )
    if before is not None:
        query = query.where(WebhookMessage.id < before)
    return session.scalars(query.order_by(WebhookMessage.id.desc()).limit(limit)).all()


def get(session: Session, merchant_id: UUID, endpoint_id: UUID, message_id: UUID) -> WebhookMessage:
    """Raises UnknownWebhook, UnknownWebhookMessage."""
    endpoints.get(session, merchant_id, endpoint_id)
    found = session.get(WebhookMessage, message_id, populate_existing=True)
    if found is None or found.endpoint_id != endpoint_id:
        raise UnknownWebhookMessage(message_id)
    return found


def redeliver(
    session: Session, merchant_id: UUID, endpoint_id: UUID, message_id: UUID, *, now: datetime
) -> WebhookMessage:
    """Send a message again, dead or delivered, with three days of tries; one that waits is left.

    Raises UnknownWebhook, WebhookEnded, UnknownWebhookMessage.
    """
    endpoints.get_live(session, merchant_id, endpoint_id)
    found = get(session, merchant_id, endpoint_id, message_id)
    if found.state != WAITING:
        _wait_again(session, [message_id], now=now)
        session.refresh(found)
    return found


def redeliver_dead(
    session: Session, merchant_id: UUID, endpoint_id: UUID, *, since: datetime, now: datetime
) -> int:
    """Send again what was made since then and is dead, the oldest first, AT_ONCE at most; how many.

    Where it answers AT_ONCE there may be more. Raises UnknownWebhook, WebhookEnded.
    """
    endpoints.get_live(session, merchant_id, endpoint_id)
    dead = _dead(merchant_id, endpoint_id, since).with_only_columns(WebhookMessage.id)
    ids = session.scalars(dead.order_by(WebhookMessage.id).limit(AT_ONCE)).all()
    return _wait_again(session, ids, now=now)


def dead_count(session: Session, merchant_id: UUID, endpoint_id: UUID, *, since: datetime) -> int:
    """How many messages made since then are dead."""
    query = _dead(merchant_id, endpoint_id, since).with_only_columns(func.count())
    return session.scalar(query) or 0


def ping(
    session: Session, merchant_id: UUID, endpoint_id: UUID, message_id: UUID, *, now: datetime
) -> WebhookMessage:
    """A message that tells nothing, for trying an endpoint out; sent like any other. The same id
    again is the same message.

    Raises UnknownWebhook, WebhookEnded; WebhookMessageReused: the id stands for another message.
    """
    endpoints.get_live(session, merchant_id, endpoint_id)
    found = session.get(WebhookMessage, message_id)
    if found is None:
        told = Told(merchant_id, PING, {"endpoint_id": str(endpoint_id)})
        write(session, [NewMessage(message_id, endpoint_id, told)], now)
        return session.get_one(WebhookMessage, message_id)
    if (found.endpoint_id, found.kind) != (endpoint_id, PING):
        raise WebhookMessageReused(message_id)
    return found


def facts(session: Session, message_id: UUID) -> Mapping[str, Any] | None:
    """How a message stands, for the admin log."""
    found = session.get(WebhookMessage, message_id, populate_existing=True)
    if found is None:
        return None
    return {
        "endpoint_id": found.endpoint_id,
        "kind": found.kind,
        "state": found.state,
        "give_up_at": found.give_up_at,
    }


def _dead(merchant_id: UUID, endpoint_id: UUID, since: datetime) -> Any:
    return select(WebhookMessage).where(
        WebhookMessage.merchant_id == merchant_id,
        WebhookMessage.endpoint_id == endpoint_id,
        WebhookMessage.state == DEAD,
        WebhookMessage.made_at >= since,
    )


def _wait_again(session: Session, ids: Sequence[UUID], *, now: datetime) -> int:
    again = update(WebhookMessage).where(
        WebhookMessage.id.in_(ids), WebhookMessage.state != WAITING
    )
    values = {"state": WAITING, "tries": 0, "next_at": now, "ended_at": None}
    result: Any = session.execute(
        again.values(**values, give_up_at=now + TRIED_FOR),
        execution_options={"synchronize_session": False},
    )
    count: int = result.rowcount
    return count
