"""The table of audits that were asked for."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class AuditRun(Base):
    """One ``tanhui audit``: ``done`` of ``total`` in the ``step`` that runs; what drifted."""

    __tablename__ = "audit_run"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'clean', 'drift', 'failed')", "state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="waiting")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    step: Mapped[str | None]
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    drifts: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    totals: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None]
