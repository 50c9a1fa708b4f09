"""Sessions, the refresh tokens that keep them, and what happened to somebody's logins.

A person is a resident (``person_id`` is the holder) or staff.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class LoginSession(Base):
    """One login on one device: a family of refresh tokens. A person is a holder or staff."""

    __tablename__ = "login_session"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
        CheckConstraint(
            "ended_why IN ('logout', 'revoked', 'reused', 'closed', 'blocked')", name="why"
        ),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    grant_id: Mapped[UUID | None]
    method: Mapped[str]
    device_name: Mapped[str]
    began_at: Mapped[datetime]
    used_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


class RefreshToken(Base):
    """A refresh token by its hash. Used once: by ``used_request_id``, which may ask again."""

    __tablename__ = "refresh_token"
    __table_args__ = (
        CheckConstraint("(used_at IS NULL) = (used_request_id IS NULL)", name="used"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID]
    issued_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_request_id: Mapped[UUID | None]


class SecurityEvent(Base):
    """What happened to a person's logins. ``from_network`` is the address without its last part."""

    __tablename__ = "security_event"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    happened_at: Mapped[datetime]
    kind: Mapped[str]
    session_id: Mapped[UUID | None]
    from_network: Mapped[str]
