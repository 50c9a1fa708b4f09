"""Where merchants want to be told, and the messages that wait to be."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class WebhookEndpoint(Base):
    """An address of a merchant's system, and of which kinds it is told; its secret follows from its
    id and is kept nowhere.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (Index("ix_webhook_endpoint_merchant_id", "merchant_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    url: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class WebhookMessage(Base):
    """What an endpoint is told, written in the transaction that it tells of. Dead: given up at
    ``give_up_at``; on request it waits again.
    """

    __tablename__ = "webhook_message"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'dead')", "state"),
        CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL) AND (state = 'waiting') = (next_at IS NOT"
            " NULL)",
            "ended",
        ),
        Index(
            "ix_webhook_message_next_at",
            "endpoint_id",
            "next_at",
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_webhook_message_merchant_id", "merchant_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    kind: Mapped[str]
    body: Mapped[str]
    made_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="waiting")
    tries: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime | None]
    give_up_at: Mapped[datetime]
    last_answer: Mapped[str | None]
    ended_at: Mapped[datetime | None]
