"""What staff act on here, as the admin log has it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.models import Merchant
from rewards.webhooks import endpoints, messages
from service.admin.log import State
from service.admin.objects import Object, programme_of


def webhook(session: Session, merchant_id: UUID, endpoint_id: UUID) -> Object:
    """An endpoint; its secret is nowhere."""

    def state() -> State:
        return endpoints.facts(session, endpoint_id)

    return Object("webhook", str(endpoint_id), _programme(session, merchant_id), None, state)


def message(session: Session, merchant_id: UUID, message_id: UUID) -> Object:
    """A message that is sent again, or to try an endpoint out."""

    def state() -> State:
        return messages.facts(session, message_id)

    programme = _programme(session, merchant_id)
    return Object("webhook_message", str(message_id), programme, None, state)


def dead_letters(
    session: Session, merchant_id: UUID, endpoint_id: UUID, *, since: datetime
) -> Object:
    """The dead messages of an endpoint made since then."""

    def state() -> State:
        dead = messages.dead_count(session, merchant_id, endpoint_id, since=since)
        return {"since": since, "dead_messages": dead}

    return Object("webhook", str(endpoint_id), _programme(session, merchant_id), None, state)


def _programme(session: Session, merchant_id: UUID) -> str | None:
    found = session.get(Merchant, merchant_id)
    if found is None or found.programme_holder_id is None:
        return None
    return programme_of(session, found.programme_holder_id)
