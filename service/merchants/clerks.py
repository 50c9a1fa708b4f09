"""A merchant's own clerks: invited, reset and ended by its managers.

Kept here: a manager reaches only who has or had a grant at the own merchant, gives only the role of
a clerk there, and resets or renames only who has no grant elsewhere and manages nothing. Managers
are made by administrators (``service.identity.staff``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rewards.merchants import merchants
from service.admin.log import Act, Actor, State, acting, record
from service.authorisation import MERCHANT_ROLES
from service.errors import OutOfReach
from service.identity.keyring import Keyring
from service.identity.staff.errors import LoginTaken, MemberReused, UnknownMember
from service.identity.staff.grants import end_found
from service.identity.staff.invitations import invite, told_again
from service.identity.staff.members import Invited, NewMember, facts, reset_found
from service.identity.staff.models import Staff, StaffGrant
from service.merchants.programmes import programme_of_merchant

CLERK = "merchant"


def add(
    session: Session,
    keyring: Keyring,
    merchant_id: UUID,
    new: NewMember,
    *,
    actor: Actor,
    now: datetime,
) -> Invited:
    """Invite a clerk, or let a former one work here again; another name renames.

    A retry within ten minutes is told the same invitation again.

    Raises:
        UnknownMerchant, MerchantEnded.
        LoginTaken: by another id.
        MemberReused: the id stands for another login.
        UnknownMember: it stands for somebody who never worked here.
        OutOfReach: to rename somebody who works elsewhere too.
    """
    merchants.get_open(session, merchant_id)
    programme = programme_of_merchant(session, merchant_id) or actor.programme
    act = Act("clerk.invite", "staff", str(new.id), programme=programme)

    def work() -> Invited:
        staff = _find(session, merchant_id, new.id)
        if staff is None:
            staff = _made(session, new, actor=actor, now=now)
            invitation: str | None = invite(keyring, staff, new.id, now=now)
        else:
            if staff.login != new.login:
                raise MemberReused(new.id)
            _rename(session, merchant_id, staff, new.display_name, actor=actor, now=now)
            first = staff.invitation_id == staff.id and staff.made_by == actor.name
            invitation = told_again(keyring, staff, now=now) if first else None
        if not _in_force(session, merchant_id, staff.id):
            _grant(session, merchant_id, staff.id, programme, actor=actor, now=now)
        return Invited(staff, invitation)

    return acting(
        session, actor, act, state=lambda: _state(session, merchant_id, new.id), work=work, now=now
    )


def reset(
    session: Session,
    keyring: Keyring,
    merchant_id: UUID,
    staff_id: UUID,
    reset_id: UUID,
    *,
    actor: Actor,
    now: datetime,
) -> Invited:
    """Take a clerk's password, second factor and sessions, and invite anew; a retry does not.

    Raises UnknownMember, OutOfReach.
    """
    staff = get(session, merchant_id, staff_id)
    _check_only_clerk(session, merchant_id, staff)
    return reset_found(session, keyring, staff, reset_id, actor=actor, now=now)


def end(
    session: Session, merchant_id: UUID, staff_id: UUID, *, actor: Actor, now: datetime
) -> Staff:
    """End a clerk's work here, and the sessions begun for it. Safe to repeat.

    Raises UnknownMember; OutOfReach for a manager.
    """
    staff = get(session, merchant_id, staff_id)
    held = _in_force(session, merchant_id, staff_id)
    if any(each.role != CLERK for each in held):
        raise OutOfReach
    for grant in held:
        end_found(session, grant, actor=actor, now=now)
    return staff


def end_everybody(session: Session, merchant_id: UUID, *, actor: Actor, now: datetime) -> None:
    """End the grants of all who work at a merchant, its managers too, and their sessions; for an
    operator, when the merchant ends. Locks the people, by id.
    """
    query = select(Staff.id).where(_works_at(merchant_id)).order_by(Staff.id).with_for_update()
    for staff_id in session.scalars(query).all():
        for grant in _in_force(session, merchant_id, staff_id):
            end_found(session, grant, actor=actor, now=now)


def get(session: Session, merchant_id: UUID, staff_id: UUID) -> Staff:
    """Who works or worked at the merchant, locked; raises UnknownMember."""
    if (found := _find(session, merchant_id, staff_id)) is None:
        raise UnknownMember
    return found


def listed(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[Staff]:
    """Who works or worked at the merchant, by id."""
    query = select(Staff).where(_works_at(merchant_id)).order_by(Staff.id).limit(limit)
    if after is not None:
        query = query.where(Staff.id > after)
    return session.scalars(query).all()


def grants_of(
    session: Session, merchant_id: UUID, members: Sequence[Staff]
) -> Mapping[UUID, Sequence[StaffGrant]]:
    """Each one's grants at this merchant, ended ones too."""
    query = select(StaffGrant).where(
        StaffGrant.staff_id.in_([each.id for each in members]),
        StaffGrant.role.in_(MERCHANT_ROLES),
        StaffGrant.scope == str(merchant_id),
    )
    found: dict[UUID, list[StaffGrant]] = {each.id: [] for each in members}
    for grant in session.scalars(query.order_by(StaffGrant.granted_at, StaffGrant.id)):
        found[grant.staff_id].append(grant)
    return found


def _find(session: Session, merchant_id: UUID, staff_id: UUID) -> Staff | None:
    query = select(Staff).where(Staff.id == staff_id, _works_at(merchant_id))
    return session.scalar(query.with_for_update())


def _works_at(merchant_id: UUID):  # type: ignore[no-untyped-def]
    return exists().where(
        StaffGrant.staff_id == Staff.id,
        StaffGrant.role.in_(MERCHANT_ROLES),
        StaffGrant.scope == str(merchant_id),
    )


def _made(session: Session, new: NewMember, *, actor: Actor, now: datetime) -> Staff:
    row = {**new._asdict(), "made_at": now, "made_by": actor.name}
    added = insert(Staff).values(row).on_conflict_do_nothing().returning(Staff.id)
    if session.scalar(added) is None:
        raise LoginTaken(new.login) if session.get(Staff, new.id) is None else UnknownMember
    return session.get_one(Staff, new.id)


def _rename(
    session: Session, merchant_id: UUID, staff: Staff, name: str, *, actor: Actor, now: datetime
) -> None:
    if staff.display_name == name:
        return
    _check_only_clerk(session, merchant_id, staff)
    staff.display_name = name  # Not in the log, which holds nobody's name.
    act = Act("staff.rename", "staff", str(staff.id))
    record(session, actor, act, before={}, after={}, now=now)


def _check_only_clerk(session: Session, merchant_id: UUID, staff: Staff) -> None:
    """Raises OutOfReach for who manages, or works anywhere else: whoever takes a person over has
    all that the person may do.
    """
    elsewhere = exists().where(
        StaffGrant.staff_id == staff.id,
        StaffGrant.ended_at.is_(None),
        or_(StaffGrant.role != CLERK, StaffGrant.scope != str(merchant_id)),
    )
    if session.scalar(select(elsewhere)):
        raise OutOfReach


def _in_force(session: Session, merchant_id: UUID, staff_id: UUID) -> Sequence[StaffGrant]:
    query = select(StaffGrant).where(
        StaffGrant.staff_id == staff_id,
        StaffGrant.role.in_(MERCHANT_ROLES),
        StaffGrant.scope == str(merchant_id),
        StaffGrant.ended_at.is_(None),
    )
    return session.scalars(query.order_by(StaffGrant.granted_at, StaffGrant.id)).all()


def _grant(
    session: Session,
    merchant_id: UUID,
    staff_id: UUID,
    programme: str,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    grant = StaffGrant(
        id=uuid4(),
        staff_id=staff_id,
        role=CLERK,
        programme_code=programme,
        scope=str(merchant_id),
        granted_at=now,
        granted_by=actor.name,
    )
    session.add(grant)
    session.flush()


def _state(session: Session, merchant_id: UUID, staff_id: UUID) -> State:
    staff = session.get(Staff, staff_id)
    if staff is None:
        return None
    works = [each.role for each in _in_force(session, merchant_id, staff_id)]
    return {**(facts(staff) or {}), "merchant_id": merchant_id, "roles": works}
