"""Keys of systems, and when each key was last used."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from ledgers.base import Base


class ApiKey(Base):
    """A key of a merchant's system or of a verifier: its secret was shown once and is hashed."""

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('merchant', 'verifier')", name="owner_kind"),
        Index("ix_api_key_owner_kind_owner", "owner_kind", "owner"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str]
    owner: Mapped[str]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret_sha256: Mapped[bytes]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    expires_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class KeyUse(Base):
    """When a key was last used, to the minute: partners' feed keys too."""

    __tablename__ = "key_use"

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    used_at: Mapped[datetime]
