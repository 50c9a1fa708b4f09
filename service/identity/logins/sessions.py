"""Sessions: one login on one device, kept alive by refresh tokens of which only hashes are stored.

Kept here: whoever begins or ends a session leaves a security event that the person can read. A
person is a resident's holder or one of the staff (``Staff.id``).
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, LiteralString
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.bulk import Statement, together
from ledgers.ids import uuid7s
from service.identity.logins.models import LoginSession, SecurityEvent

SECRET_BYTES = 32
TOKEN_BYTES = 16 + 16 + SECRET_BYTES
LIST_MAX = 100
FRESH = timedelta(minutes=10)
_NETWORK_BITS = {4: 24, 6: 48}  # Enough to recognise a place by, too little to name a home.

_BEGIN: LiteralString = """
    INSERT INTO login_session (person_id, id, role, grant_id, method, device_name, began_at,
        used_at, ends_at)
    VALUES (%(person)s, %(id)s, %(role)s, %(grant)s, %(method)s, %(device_name)s, %(now)s,
        %(now)s, %(ends_at)s)
"""
_KEEP: LiteralString = """
    INSERT INTO refresh_token (person_id, token_sha256, session_id, issued_at)
    VALUES (%(person)s, %(hash)s, %(session)s, %(now)s)
"""
_EVENT: LiteralString = """
    INSERT INTO security_event (person_id, id, happened_at, kind, session_id, from_network)
    VALUES (%(person)s, %(id)s, %(now)s, %(kind)s, %(session)s, %(network)s)
"""

EndedWhy = Literal["logout", "revoked", "reused", "closed", "blocked"]


@dataclass(frozen=True, slots=True)
class Login:
    """Who got in, how ("phone", "wechat", "password") and on which device.

    ``role`` is a resident's, or of the staff's grant ``grant_id``.
    """

    person_id: UUID
    role: str
    method: str
    device_name: str
    grant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A session, and the secret that keeps it alive: told once, stored as a hash."""

    session_id: UUID
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts unused, and at most."""

    idle: timedelta
    absolute: timedelta


_RESIDENT = Limits(idle=timedelta(days=30), absolute=timedelta(days=180))
_STAFF = Limits(idle=timedelta(hours=12), absolute=timedelta(days=7))


def limits(role: str) -> Limits:
    """Of a phone in a pocket, or of a desk where others pass by."""
    return _RESIDENT if role == "resident" else _STAFF


def begin(session: Session, login: Login, *, from_address: str, now: datetime) -> Begun:
    """Begin a session; three rows of the person's in one round trip. A retry begins another one."""
    begun_id = UUID(uuid7s(1, now)[0])
    token = token_of(login.person_id, begun_id, secrets.token_bytes(SECRET_BYTES))
    begun = {
        "person": login.person_id,
        "id": begun_id,
        "role": login.role,
        "grant": login.grant_id,
        "method": login.method,
        "device_name": login.device_name,
        "now": now,
        "ends_at": now + limits(login.role).absolute,
    }
    together(
        session,
        (_BEGIN, begun),
        _kept(login.person_id, begun_id, token, now),
        _event(login.person_id, "login", begun_id, from_address, now),
    )
    return Begun(begun_id, token)


def is_fresh(session: Session, person_id: UUID, session_id: UUID, *, now: datetime) -> bool:
    """Whether the session began just now, by a proof of who it is and not by refreshing. One that
    has ended since counts too: closing an account ends it, and may be asked for again.
    """
    found = session.get(LoginSession, (person_id, session_id))
    return found is not None and now - FRESH < found.began_at <= now


def keep(session: Session, person_id: UUID, session_id: UUID, token: str, *, now: datetime) -> None:
    """Let a refresh token be good from now on; its hash is written, not the token."""
    together(session, _kept(person_id, session_id, token, now))


def end_all(session: Session, person_id: UUID, why: EndedWhy, *, now: datetime) -> int:
    """End every live session of a person; answers how many. A retry finds none."""
    return len(end(session, person_id, why, now=now))


def end(
    session: Session,
    person_id: UUID,
    why: EndedWhy,
    *,
    now: datetime,
    only: UUID | None = None,
    but: UUID | None = None,
) -> list[UUID]:
    """End a person's live sessions, one or all ``but`` one; answers which. What ended stays so."""
    statement = (
        update(LoginSession)
        .where(LoginSession.person_id == person_id, LoginSession.ended_at.is_(None))
        .values(ended_at=now, ended_why=why)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    )
    if only is not None:
        statement = statement.where(LoginSession.id == only)
    if but is not None:
        statement = statement.where(LoginSession.id != but)
    return list(session.scalars(statement))


def live(session: Session, person_id: UUID, *, now: datetime) -> list[LoginSession]:
    """Sessions that a refresh token may still carry on, the newest first; at most LIST_MAX."""
    rows = session.scalars(
        select(LoginSession)
        .where(
            LoginSession.person_id == person_id,
            LoginSession.ended_at.is_(None),
            LoginSession.ends_at > now,
            LoginSession.used_at > now - _RESIDENT.idle,
        )
        .order_by(LoginSession.id.desc())
        .limit(LIST_MAX)
    )
    return [row for row in rows if row.used_at + limits(row.role).idle > now]


def events(
    session: Session, person_id: UUID, *, before: UUID | None = None, limit: int
) -> list[SecurityEvent]:
    """What happened to a person's logins, the newest first; ``before`` is the last id seen."""
    query = select(SecurityEvent).where(SecurityEvent.person_id == person_id)
    if before is not None:
        query = query.where(SecurityEvent.id < before)
    return list(session.scalars(query.order_by(SecurityEvent.id.desc()).limit(limit)))


def record_event(
    session: Session,
    person_id: UUID,
    kind: str,
    *,
    session_id: UUID | None = None,
    from_address: str,
    now: datetime,
) -> None:
    """Write down what happened to a person's logins; of the address only its network is kept."""
    together(session, _event(person_id, kind, session_id, from_address, now))


def _kept(person_id: UUID, session_id: UUID, token: str, now: datetime) -> Statement:
    said = {"person": person_id, "hash": sha256(token), "session": session_id, "now": now}
    return _KEEP, said


def _event(
    person_id: UUID, kind: str, session_id: UUID | None, from_address: str, now: datetime
) -> Statement:
    said = {
        "person": person_id,
        "id": uuid7s(1, now)[0],
        "now": now,
        "kind": kind,
        "session": session_id,
        "network": network_of(from_address),
    }
    return _EVENT, said


def network_of(address: str) -> str:
    """The /24 or /48 that an address is in; "" where it is none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ip_network((found, _NETWORK_BITS[found.version]), strict=False))


def token_of(person_id: UUID, session_id: UUID, secret: bytes) -> str:
    """A refresh token: whose, of which session, and what nobody can guess."""
    assert len(secret) == SECRET_BYTES
    return urlsafe_b64encode(person_id.bytes + session_id.bytes + secret).rstrip(b"=").decode()


def names_of(token: str) -> tuple[UUID, UUID] | None:
    """The person and the session that a refresh token names; None where it is none of ours."""
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Error, ValueError):
        return None
    if len(raw) != TOKEN_BYTES:
        return None
    found = UUID(bytes=raw[:16]), UUID(bytes=raw[16:32])
    return found if token_of(*found, raw[32:]) == token else None


def sha256(token: str) -> bytes:
    """As a refresh token is stored."""
    return hashlib.sha256(token.encode()).digest()
