"""Members of the staff: added, renamed, reset, blocked; and whom an administrator reaches.

Kept here: an administrator of one programme sees who has a grant in it, and resets or blocks only
whose grants are all in it, since whoever can take a person over has all that the person may do.
Nobody does either to themselves. Every act is in the admin log.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from service.admin.log import Act, Actor, State, acting, record
from service.authorisation import of_programme, only_programme
from service.errors import OutOfReach
from service.identity.keyring import Keyring
from service.identity.logins.sessions import end_all
from service.identity.staff.errors import LoginTaken, MemberReused, NotForOneself, UnknownMember
from service.identity.staff.invitations import invite, told_again
from service.identity.staff.models import Staff, StaffGrant
from service.identity.staff.second_factor import forget

LOGIN = re.compile("[a-z0-9][a-z0-9._@-]{1,62}[a-z0-9]")


class Invited(NamedTuple):
    """A member, and an invitation to hand over: None where it was told before."""

    staff: Staff
    invitation: str | None


class NewMember(NamedTuple):
    """``id`` is made by the client; ``login`` is in lower case and stays for ever."""

    id: UUID
    login: str
    display_name: str


def add(
    session: Session, keyring: Keyring, new: NewMember, *, actor: Actor, now: datetime
) -> Invited:
    """Invite somebody; the same id and login with another name renames.

    A retry within ten minutes is told the same invitation again.

    Raises:
        LoginTaken: by another id.
        MemberReused: the id stands for another login.
        UnknownMember, OutOfReach: it stands for somebody out of this administrator's reach.
    """
    fresh = {
        "id": new.id,
        "login": new.login,
        "display_name": new.display_name,
        "made_at": now,
        "made_by": actor.name,
    }
    written = session.scalar(
        insert(Staff).values(fresh).on_conflict_do_nothing().returning(Staff.id)
    )
    if written is not None:
        staff = session.get_one(Staff, new.id)
        invitation = invite(keyring, staff, new.id, now=now)
        session.flush()
        record(session, actor, _act("add", staff), before=None, after=facts(staff), now=now)
        return Invited(staff, invitation)
    if session.get(Staff, new.id) is None:
        raise LoginTaken(new.login)
    return _known_again(session, keyring, new, actor=actor, now=now)


def _known_again(
    session: Session, keyring: Keyring, new: NewMember, *, actor: Actor, now: datetime
) -> Invited:
    staff = get_member(session, actor, new.id, lock=True)
    if staff.login != new.login:
        raise MemberReused(new.id)
    if staff.display_name != new.display_name:
        check_manages(session, actor, staff)
        staff.display_name = new.display_name  # Not in the log, which holds nobody's name.
        record(session, actor, _act("rename", staff), before={}, after={}, now=now)
    first = staff.invitation_id == staff.id and staff.made_by == actor.name
    return Invited(staff, told_again(keyring, staff, now=now) if first else None)


def reset(
    session: Session,
    keyring: Keyring,
    staff_id: UUID,
    reset_id: UUID,
    *,
    actor: Actor,
    now: datetime,
) -> Invited:
    """Take password, second factor and sessions, and invite anew; the same id again does not.

    Raises UnknownMember, OutOfReach, NotForOneself.
    """
    staff = get_managed(session, actor, staff_id)
    return reset_found(session, keyring, staff, reset_id, actor=actor, now=now)


def reset_found(
    session: Session, keyring: Keyring, staff: Staff, reset_id: UUID, *, actor: Actor, now: datetime
) -> Invited:
    """The same for somebody who is known to be the actor's to reset, locked."""
    if staff.invitation_id == reset_id:
        return Invited(staff, told_again(keyring, staff, now=now))

    def work() -> str:
        staff.password_hash = staff.totp_secret = staff.totp_key_id = None
        staff.totp_last_step = None
        forget(session, staff.id)
        end_all(session, staff.id, "revoked", now=now)
        return invite(keyring, staff, reset_id, now=now)

    act = _act("reset", staff)
    invitation = acting(session, actor, act, state=lambda: facts(staff), work=work, now=now)
    return Invited(staff, invitation)


def block(session: Session, staff_id: UUID, *, actor: Actor, now: datetime) -> Staff:
    """Let somebody in no more and end their sessions; what they did stays theirs. Safe to repeat.

    Raises UnknownMember, OutOfReach, NotForOneself.
    """
    staff = get_managed(session, actor, staff_id)

    def work() -> None:
        staff.blocked_at = staff.blocked_at or now
        end_all(session, staff.id, "blocked", now=now)

    act = _act("block", staff)
    acting(session, actor, act, state=lambda: facts(staff), work=work, now=now)
    return staff


def unblock(session: Session, staff_id: UUID, *, actor: Actor, now: datetime) -> Staff:
    """Let somebody in again. Safe to repeat. Raises UnknownMember, OutOfReach, NotForOneself."""
    staff = get_managed(session, actor, staff_id)

    def work() -> None:
        staff.blocked_at = None

    act = _act("unblock", staff)
    acting(session, actor, act, state=lambda: facts(staff), work=work, now=now)
    return staff


def get_member(session: Session, actor: Actor, staff_id: UUID, *, lock: bool = False) -> Staff:
    """Somebody whom this administrator sees; raises UnknownMember. ``lock`` holds the row."""
    query = select(Staff).where(Staff.id == staff_id, _seen_by(actor))
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise UnknownMember
    return found


def get_managed(session: Session, actor: Actor, staff_id: UUID) -> Staff:
    """Somebody whom this administrator may take over, locked; not the administrator.

    Raises UnknownMember, OutOfReach, NotForOneself. A command of the machine's operator may do it
    to anybody: that is how the only administrator gets in again.
    """
    staff = get_member(session, actor, staff_id, lock=True)
    if staff.login == actor.name and actor.channel == "api":
        raise NotForOneself
    check_manages(session, actor, staff)
    return staff


def check_manages(session: Session, actor: Actor, staff: Staff) -> None:
    """Raises OutOfReach where the person has a grant in force that is out of the actor's reach."""
    if (own := only_programme(actor)) is None:
        return
    elsewhere = exists().where(
        StaffGrant.staff_id == staff.id,
        StaffGrant.ended_at.is_(None),
        StaffGrant.programme_code != own,
    )
    if session.scalar(select(elsewhere)):
        raise OutOfReach


def listed(
    session: Session, actor: Actor, *, after: UUID | None = None, limit: int
) -> Sequence[Staff]:
    """Whom this administrator sees, by id; ``after`` is the id of the last one told."""
    query = select(Staff).where(_seen_by(actor)).order_by(Staff.id).limit(limit)
    if after is not None:
        query = query.where(Staff.id > after)
    return session.scalars(query).all()


def grants_of(
    session: Session, actor: Actor, members: Sequence[Staff]
) -> Mapping[UUID, Sequence[StaffGrant]]:
    """Each member's grants as far as the administrator sees them, ended ones too."""
    query = (
        select(StaffGrant)
        .where(
            StaffGrant.staff_id.in_([each.id for each in members]),
            of_programme(actor, StaffGrant.programme_code),
        )
        .order_by(StaffGrant.granted_at, StaffGrant.id)
    )
    found: dict[UUID, list[StaffGrant]] = {each.id: [] for each in members}
    for grant in session.scalars(query):
        found[grant.staff_id].append(grant)
    return found


def find_by_login(session: Session, login: str) -> Staff | None:
    """Whoever has this login."""
    return session.scalar(select(Staff).where(Staff.login == login))


def known(session: Session, login: str) -> bool:
    """Whether it is the login of somebody who is not blocked."""
    found = exists().where(Staff.login == login, Staff.blocked_at.is_(None))
    return bool(session.scalar(select(found)))


def check_by(session: Session, *names: str | None) -> None:
    """A command's ``--by``: once anybody can sign in, it is a login, so that one person has one
    name for rules of two persons. None is nobody named. Raises UnknownMember.
    """
    someone = exists().where(
        Staff.password_hash.is_not(None),
        Staff.invitation_sha256.is_(None),
        Staff.blocked_at.is_(None),
    )
    if session.scalar(select(someone)):
        for name in names:
            if name is not None and not known(session, name):
                raise UnknownMember(name)


def facts(staff: Staff) -> State:
    """How a member stands, for the admin log."""
    return {
        "login": staff.login,
        "enrolled": enrolled(staff),
        "invitation_id": staff.invitation_id,
        "blocked_at": staff.blocked_at,
    }


def enrolled(staff: Staff) -> bool:
    """Whether password and second factor are set and confirmed."""
    return staff.password_hash is not None and staff.invitation_sha256 is None


def _act(what: str, staff: Staff) -> Act:
    return Act(f"staff.{what}", "staff", str(staff.id))


def _seen_by(actor: Actor) -> ColumnElement[bool]:
    """Who has or had a grant in the programme; and whom the administrator added and none has."""
    if only_programme(actor) is None:
        return true()
    grant = aliased(StaffGrant)
    here = exists().where(grant.staff_id == Staff.id, of_programme(actor, grant.programme_code))
    anywhere = exists().where(grant.staff_id == Staff.id)
    return or_(here, and_(Staff.made_by == actor.name, ~anywhere))
