"""Staff, their grants and recovery codes: some thousand rows, on the coordinator."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base

ALL = "*"  # As a grant's programme: every programme.


class Staff(Base):
    """Somebody who works here, at a merchant or at a district. Without a password: invited only."""

    __tablename__ = "staff"
    __table_args__ = (
        UniqueConstraint("login"),
        UniqueConstraint("invitation_sha256"),
        CheckConstraint("login = lower(login)", name="login"),
        CheckConstraint("(totp_secret IS NULL) = (totp_key_id IS NULL)", name="totp"),
        CheckConstraint(
            "(invitation_sha256 IS NULL) = (invitation_ends_at IS NULL)", name="invitation"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    login: Mapped[str]
    display_name: Mapped[str]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[bytes | None]  # Sealed by the master key of ``totp_key_id``.
    totp_key_id: Mapped[str | None]
    totp_last_step: Mapped[int | None]  # A code is good once.
    invitation_id: Mapped[UUID | None]  # Of the last one, open or not: a retry is known by it.
    invitation_sha256: Mapped[bytes | None]
    invitation_ends_at: Mapped[datetime | None]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    blocked_at: Mapped[datetime | None]


class StaffRecoveryCode(Base):
    """A code for a lost second factor, by its hash; good once."""

    __tablename__ = "staff_recovery_code"

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    used_at: Mapped[datetime | None]


class StaffGrant(Base):
    """A role that somebody has: in one programme or in ``ALL``, and within a scope.

    ``scope`` is the merchant's id for a merchant's clerk; for the others the code of the division
    within which residents and districts are seen, "" for the whole programme.
    """

    __tablename__ = "staff_grant"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        Index("ix_staff_grant_staff_id", "staff_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[UUID]
    role: Mapped[str]
    programme_code: Mapped[str]
    scope: Mapped[str]
    granted_at: Mapped[datetime]
    granted_by: Mapped[str]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
