"""The admin log's rows; the database refuses to change or delete one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class AdminAct(Base):
    """One act of staff. ``before`` and ``after`` hold facts and never personal data."""

    __tablename__ = "admin_act"
    __table_args__ = (
        CheckConstraint("channel IN ('api', 'command')", name="channel"),
        Index("ix_admin_act_actor", "actor", "id"),
        Index("ix_admin_act_object_kind_object_id", "object_kind", "object_id", "id"),
        Index(
            "ix_admin_act_holder_id",
            "holder_id",
            "id",
            postgresql_where=text("holder_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    acted_at: Mapped[datetime]
    actor: Mapped[str]  # A login of staff, or the name given to a command.
    role: Mapped[str]
    programme_code: Mapped[str]
    what: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    holder_id: Mapped[UUID | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    channel: Mapped[str]
    from_address: Mapped[str]
    request_id: Mapped[str]
