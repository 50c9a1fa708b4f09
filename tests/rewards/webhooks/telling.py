"""Endpoints and messages for tests, as rows."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from rewards.models import WebhookEndpoint, WebhookMessage
from rewards.webhooks.outbox import Told, tell
from tests.makers import programme_holder
from tests.shopping import a_merchant

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
USED = "voucher.consumed"


def a_seller(session: Session) -> UUID:
    return a_merchant(session, programme_holder(session))


def an_endpoint(
    session: Session,
    merchant_id: UUID | None = None,
    *,
    url: str = "https://till.example.cn/hook",
    kinds: tuple[str, ...] = (USED,),
    ended_at: datetime | None = None,
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint(
        id=uuid4(),
        merchant_id=merchant_id or a_seller(session),
        url=url,
        kinds=list(kinds),
        made_by="tests",
        made_at=NOW,
        ended_at=ended_at,
    )
    session.add(endpoint)
    session.flush()
    return endpoint


def told(
    session: Session, endpoint: WebhookEndpoint, count: int = 1, *, at: datetime = NOW
) -> list[UUID]:
    """The ids of so many messages that wait for the merchant's one endpoint."""
    before = set(ids_of(session, endpoint))
    tell(
        session,
        [Told(endpoint.merchant_id, USED, {"number": number}) for number in range(count)],
        now=at,
    )
    return [each for each in ids_of(session, endpoint) if each not in before]


def ids_of(session: Session, endpoint: WebhookEndpoint) -> list[UUID]:
    query = select(WebhookMessage.id).where(WebhookMessage.endpoint_id == endpoint.id)
    return list(session.scalars(query.order_by(WebhookMessage.id)))


def message(session: Session, id_: UUID) -> WebhookMessage:
    return session.get_one(WebhookMessage, id_, populate_existing=True)
