"""Grants: which role somebody has, in which programme, within which scope.

Kept here: nobody gives themselves a grant; every programme at once is given only by who has it; a
scope fits its role. A grant is never changed: it ends, and another one is given.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, Partner
from activities.errors import UnknownDivision, UnknownProgramme
from activities.programmes import get_programme
from rewards.merchants.merchants import ENDED
from rewards.models import Merchant
from service.admin.log import Act, Actor, State, acting
from service.authorisation import reaches_programme
from service.errors import OutOfReach
from service.identity.logins import sessions
from service.identity.logins.models import LoginSession
from service.identity.staff.errors import (
    GrantDoesNotFit,
    GrantReused,
    NoSuchGrant,
    NotForOneself,
)
from service.identity.staff.members import get_member
from service.identity.staff.models import ALL, StaffGrant
from service.identity.tokens import STAFF_ROLES


class NewGrant(NamedTuple):
    """``id`` is made by the client; ``scope`` as ``StaffGrant`` has it."""

    id: UUID
    staff_id: UUID
    role: str
    programme_code: str
    scope: str


def give(session: Session, new: NewGrant, *, actor: Actor, now: datetime) -> StaffGrant:
    """Give a role; the same id and content again changes nothing.

    Raises:
        UnknownMember, UnknownProgramme: none, or out of the administrator's reach.
        OutOfReach: every programme, by an administrator of one.
        NotForOneself, GrantReused, GrantDoesNotFit, UnknownDivision.
    """
    assert new.role in STAFF_ROLES
    staff = get_member(session, actor, new.staff_id, lock=True)
    if staff.login == actor.name:
        raise NotForOneself
    _check_programme(session, actor, new.programme_code)
    if (earlier := session.get(StaffGrant, new.id)) is not None:
        return _same_or_refuse(earlier, new)
    _check_scope(session, new)

    def work() -> StaffGrant:
        row = {**new._asdict(), "granted_at": now, "granted_by": actor.name}
        added = insert(StaffGrant).values(row).on_conflict_do_nothing().returning(StaffGrant.id)
        if session.scalar(added) is None:  # Somebody else's meanwhile, who is not locked here.
            raise GrantReused(new.id)
        return session.get_one(StaffGrant, new.id)

    act = Act("staff.grant", "staff", str(staff.id), programme=new.programme_code)
    return acting(session, actor, act, state=lambda: facts(session, new.id), work=work, now=now)


def end(
    session: Session, staff_id: UUID, grant_id: UUID, *, actor: Actor, now: datetime
) -> StaffGrant:
    """End a grant and the sessions begun with it. Safe to repeat.

    Raises UnknownMember, NoSuchGrant: none, or out of the administrator's reach.
    """
    get_member(session, actor, staff_id, lock=True)
    grant = session.get(StaffGrant, grant_id)
    if grant is None or grant.staff_id != staff_id:
        raise NoSuchGrant(grant_id)
    if not reaches_programme(actor, grant.programme_code):
        raise NoSuchGrant(grant_id)
    return end_found(session, grant, actor=actor, now=now)


def end_found(session: Session, grant: StaffGrant, *, actor: Actor, now: datetime) -> StaffGrant:
    """The same for a grant that is known to be within the actor's reach, its person locked."""

    def work() -> StaffGrant:
        if grant.ended_at is None:
            grant.ended_at, grant.ended_by = now, actor.name
        _end_sessions(session, grant, now)
        return grant

    act = Act("staff.end_grant", "staff", str(grant.staff_id), programme=grant.programme_code)
    return acting(session, actor, act, state=lambda: facts(session, grant.id), work=work, now=now)


def in_force(session: Session, staff_id: UUID) -> Sequence[StaffGrant]:
    """A person's grants that have not ended, the oldest first."""
    query = select(StaffGrant).where(StaffGrant.staff_id == staff_id, StaffGrant.ended_at.is_(None))
    return session.scalars(query.order_by(StaffGrant.granted_at, StaffGrant.id)).all()


def facts(session: Session, grant_id: UUID) -> State:
    """How a grant stands, for the admin log."""
    if (grant := session.get(StaffGrant, grant_id)) is None:
        return None
    return {
        "grant_id": grant.id,
        "role": grant.role,
        "programme": grant.programme_code,
        "scope": grant.scope,
        "ended_at": grant.ended_at,
    }


def _same_or_refuse(earlier: StaffGrant, new: NewGrant) -> StaffGrant:
    is_ = (earlier.id, earlier.staff_id, earlier.role, earlier.programme_code, earlier.scope)
    if is_ != new or earlier.ended_at is not None:
        raise GrantReused(new.id)
    return earlier


def _check_programme(session: Session, actor: Actor, code: str) -> None:
    if not reaches_programme(actor, code):
        raise OutOfReach if code == ALL else UnknownProgramme(code)
    if code != ALL:
        get_programme(session, code)


def _check_scope(session: Session, new: NewGrant) -> None:
    match new.role:
        case "merchant" | "merchant_manager":
            if not _is_merchant_of(session, new.scope, new.programme_code):
                raise GrantDoesNotFit(new.role, "merchant")
        case "partner":
            if session.get(Partner, new.scope) is None:
                raise GrantDoesNotFit(new.role, "partner")
        case "administrator":
            if new.scope:
                raise GrantDoesNotFit(new.role, "none")
        case role:
            if not new.scope and role == "district_officer":
                raise GrantDoesNotFit(role, "division")
            if new.scope and session.get(Division, new.scope) is None:
                raise UnknownDivision(new.scope)


def _is_merchant_of(session: Session, scope: str, programme_code: str) -> bool:
    """Whether the scope is the id of one of the programme's merchants that has not ended, written
    as tokens write it: in one way only.
    """
    try:
        id_ = UUID(scope)
    except ValueError:
        return False
    merchant = session.get(Merchant, id_) if str(id_) == scope else None
    if merchant is None or merchant.state == ENDED:
        return False
    whole = programme_code == ALL
    return whole or get_programme(session, programme_code).holder_id == merchant.programme_holder_id


def _end_sessions(session: Session, grant: StaffGrant, now: datetime) -> None:
    query = select(LoginSession.id).where(
        LoginSession.person_id == grant.staff_id,
        LoginSession.grant_id == grant.id,
        LoginSession.ended_at.is_(None),
    )
    for session_id in session.scalars(query).all():
        sessions.end(session, grant.staff_id, "revoked", now=now, only=session_id)
