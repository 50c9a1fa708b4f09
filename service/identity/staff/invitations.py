"""Invitations: how somebody of the staff gets in for the first time, or after a reset.

Kept here: an invitation is a keyed hash, so that it need not be stored to be told again to the
administrator whose answer was lost, for ten minutes; the database has its hash alone. It ends when
the second factor is confirmed, after seven days, or when the next one is made.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.identity.keyring import Keyring
from service.identity.staff.errors import SignInRefused, UnknownInvitation
from service.identity.staff.models import Staff
from service.identity.staff.passwords import check_new
from service.identity.staff.second_factor import (
    new_secret,
    opened,
    otpauth_uri,
    renew_recovery_codes,
    step_of,
)

if TYPE_CHECKING:
    from service.services import Services

OPEN_FOR = timedelta(days=7)
TOLD_AGAIN_FOR = timedelta(minutes=10)


class Begun(NamedTuple):
    """What the authenticator is given; the same again until it is confirmed."""

    otpauth_uri: str
    secret: str


def invite(keyring: Keyring, staff: Staff, invitation_id: UUID, *, now: datetime) -> str:
    """Let the person in by a new invitation, which is told here; those before are no good."""
    staff.invitation_id = invitation_id
    staff.invitation_ends_at = now + OPEN_FOR
    staff.invitation_sha256 = _sha256(made := _made(keyring, staff))
    return made


def told_again(keyring: Keyring, staff: Staff, *, now: datetime) -> str | None:
    """The open invitation, to whoever repeats the request that made it; None after ten minutes."""
    if staff.invitation_ends_at is None or staff.invitation_sha256 is None:
        return None
    if now >= staff.invitation_ends_at - OPEN_FOR + TOLD_AGAIN_FOR:
        return None
    return _made(keyring, staff)


def begin(parts: "Services", invitation: str, password: str, *, now: datetime) -> Begun:
    """Set a password and get an authenticator's secret; safe to repeat until it is confirmed, with
    another password too.

    Raises UnknownInvitation, PasswordNotGood.
    """
    staff = parts.database.transact(lambda session: _invited(session, invitation, now))
    check_new(password, staff.login)
    hashed = parts.passwords.hashed(password)

    def work(session: Session) -> Begun:
        found = _invited(session, invitation, now, lock=True)
        found.password_hash = hashed
        if found.totp_secret is None:
            found.totp_key_id, found.totp_secret = new_secret(parts.keyring, found.id)
        secret = opened(parts.keyring, found)
        return Begun(otpauth_uri(secret, found.login), secret)

    return parts.database.transact(work)


def confirm(
    parts: "Services", invitation: str, password: str, totp: str, *, now: datetime
) -> Sequence[str]:
    """Show that both are there: the invitation ends, and the recovery codes are told, once.

    A retry finds no invitation: sign in then, and have new codes made.

    Raises UnknownInvitation; SignInRefused where password or code is wrong.
    """
    staff = parts.database.transact(lambda session: _invited(session, invitation, now))
    right = parts.passwords.fits(staff.password_hash, password)
    step = step_of(opened(parts.keyring, staff if right else None), totp, now)
    if step is None:
        raise SignInRefused

    def work(session: Session) -> Sequence[str]:
        statement = (
            update(Staff)
            .where(
                Staff.invitation_sha256 == _sha256(invitation),
                Staff.password_hash == staff.password_hash,
                Staff.blocked_at.is_(None),
            )
            .values(invitation_sha256=None, invitation_ends_at=None, totp_last_step=step)
            .returning(Staff.id)
            .execution_options(synchronize_session=False)
        )
        if (staff_id := session.scalar(statement)) is None:  # Somebody was faster.
            raise UnknownInvitation
        return renew_recovery_codes(session, staff_id)

    return parts.database.transact(work)


def _invited(session: Session, invitation: str, now: datetime, *, lock: bool = False) -> Staff:
    query = select(Staff).where(
        Staff.invitation_sha256 == _sha256(invitation),
        Staff.invitation_ends_at > now,
        Staff.blocked_at.is_(None),
    )
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise UnknownInvitation
    return found


def _made(keyring: Keyring, staff: Staff) -> str:
    """256 bits; of another instant another one, should an id be used again."""
    assert staff.invitation_id is not None
    assert staff.invitation_ends_at is not None
    ends_at_us = int(staff.invitation_ends_at.timestamp() * 1_000_000)
    said = staff.id.bytes + staff.invitation_id.bytes + ends_at_us.to_bytes(8, "big")
    key = keyring.derived("staff invitation")
    return urlsafe_b64encode(hmac.digest(key, said, hashlib.sha256)).rstrip(b"=").decode()


def _sha256(invitation: str) -> bytes:
    return hashlib.sha256(invitation.encode()).digest()
