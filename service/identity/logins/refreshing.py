"""Carrying a session on: a refresh token is good once and brings the next one.

Kept here: of one session one token is good at a time. Whoever sends a used token has a copy, or
somebody else has one: the session ends, and nobody's copy opens anything any more. Only the very
request that used it may ask again, in case its answer was lost, as long as nobody used what it got.
Two at once stand in line at the session's row.
"""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.identity.errors import SessionEnded
from service.identity.logins.models import LoginSession, RefreshToken
from service.identity.logins.sessions import (
    Begun,
    end,
    keep,
    limits,
    names_of,
    record_event,
    sha256,
    token_of,
)
from service.identity.models import Person
from service.identity.staff.errors import NoSuchGrant
from service.identity.staff.models import Staff, StaffGrant
from service.identity.tokens import Caller

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A request: ``id`` is made by the client, anew for each. ``grant_id`` is another of a staff
    member's grants, to go on with.
    """

    id: UUID
    token: str
    grant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Who goes on, as the database knows them now, and by which token."""

    caller: Caller
    begun: Begun


def refresh(
    session: Session, key: bytes, wanted: Refreshing, *, from_address: str, now: datetime
) -> Refreshed | SessionEnded:
    """Use a refresh token: a new one and the caller to sign an access token for.

    The same request again answers the same, until the new token is used. ``key`` makes the next
    token from the last and the request. Locks the session's row.

    Returns:
        What to go on with; or, for the caller to raise once this is committed, the refusal of a
        token that was used before: it ended the session.

    Raises:
        SessionEnded: garbage, unknown, ended, too old, unused for too long, or somebody who was
            blocked, closed the account or lost the grant; nothing was written.
        NoSuchGrant: a grant that is not theirs; nothing was written.
    """
    person_id, held = _locked(session, wanted.token, now=now)
    used = _token(session, person_id, held.id, wanted.token)
    if used is None:
        raise SessionEnded
    following = next_token(key, person_id, held.id, wanted)
    if used.used_request_id is not None and not _may_ask_again(session, used, wanted, following):
        return _reused(session, held, from_address=from_address, now=now)
    caller = _caller(session, held, wanted.grant_id)
    if used.used_request_id is None:
        used.used_at, used.used_request_id = now, wanted.id
        keep(session, person_id, held.id, following, now=now)
        held.used_at = now
    session.flush()
    return Refreshed(caller, Begun(held.id, following))


def log_out(session: Session, token: str, *, from_address: str, now: datetime) -> None:
    """End the session of a refresh token, used or not; nothing happens for one that is unknown."""
    if (names := names_of(token)) is None:
        return
    person_id, session_id = names
    if _token(session, person_id, session_id, token) is None:
        return
    if end(session, person_id, "logout", now=now, only=session_id):
        record_event(
            session, person_id, "logout", session_id=session_id, from_address=from_address, now=now
        )


def _locked(session: Session, token: str, *, now: datetime) -> tuple[UUID, LoginSession]:
    """The session that the token names, with its row locked; raises SessionEnded."""
    if (names := names_of(token)) is None:
        raise SessionEnded
    person_id, session_id = names
    held = session.scalar(
        select(LoginSession)
        .where(LoginSession.person_id == person_id, LoginSession.id == session_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if (
        held is None
        or held.ended_at is not None
        or held.ends_at <= now
        or held.used_at + limits(held.role).idle <= now
    ):
        raise SessionEnded
    return person_id, held


def _token(session: Session, person_id: UUID, session_id: UUID, token: str) -> RefreshToken | None:
    found = session.get(RefreshToken, (person_id, sha256(token)), populate_existing=True)
    return found if found is not None and found.session_id == session_id else None


def next_token(key: bytes, person_id: UUID, session_id: UUID, wanted: Refreshing) -> str:
    """The next token, so that an answer that was lost can be given again without being stored."""
    secret = hmac.digest(key, wanted.token.encode() + wanted.id.bytes, hashlib.sha256)
    return token_of(person_id, session_id, secret)


def _may_ask_again(
    session: Session, used: RefreshToken, wanted: Refreshing, following: str
) -> bool:
    if used.used_request_id != wanted.id:
        return False
    successor = _token(session, used.person_id, used.session_id, following)
    return successor is not None and successor.used_at is None


def _reused(
    session: Session, held: LoginSession, *, from_address: str, now: datetime
) -> SessionEnded:
    end(session, held.person_id, "reused", now=now, only=held.id)
    record_event(
        session,
        held.person_id,
        "refresh_reused",
        session_id=held.id,
        from_address=from_address,
        now=now,
    )
    log.warning("a refresh token was used twice: session %s was ended", held.id)
    return SessionEnded()


def _caller(session: Session, held: LoginSession, grant_id: UUID | None) -> Caller:
    """Who goes on, as they stand today; raises SessionEnded, NoSuchGrant."""
    if held.role != "resident":
        return _staff(session, held, grant_id)
    if grant_id is not None:
        raise NoSuchGrant(grant_id)
    person = session.get(Person, held.person_id)
    if person is None or person.closed_at is not None:
        raise SessionEnded
    return Caller(str(held.person_id), held.role, session_id=str(held.id))


def _staff(session: Session, held: LoginSession, grant_id: UUID | None) -> Caller:
    staff = session.get(Staff, held.person_id)
    if staff is None or staff.blocked_at is not None:
        raise SessionEnded
    wanted_id = grant_id or held.grant_id
    grant = None if wanted_id is None else session.get(StaffGrant, wanted_id)
    if grant is None or grant.staff_id != staff.id or grant.ended_at is not None:
        raise SessionEnded if grant_id is None else NoSuchGrant(grant_id)
    held.grant_id, held.role = grant.id, grant.role
    return Caller(staff.login, grant.role, grant.scope, grant.programme_code, str(held.id))
