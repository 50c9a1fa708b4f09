"""Delegations: begun, ended, and what power each gives.

Kept here: a delegation is a row of the holder's, and while it stands a row of the delegate's by
which they find it. Both people are locked first, lowest id first, a statement each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from activities.errors import UnknownResident
from activities.models import Participant
from service.identity.errors import AccountClosed
from service.identity.family.ages import Who, is_minor, look
from service.identity.family.errors import (
    DelegationReused,
    GuardianshipOver,
    GuardianStays,
    OfferNotGood,
    TooManyDelegations,
    UnknownDelegation,
)
from service.identity.logins.sessions import record_event
from service.identity.models import ActingFor, Delegation

DELEGATES_MAX = 5  # Of one holder.
ACTING_FOR_MAX = 30  # Of one delegate, children included.
GUARDIAN, DELEGATE = "guardian", "delegate"
EndedBy = Literal["holder", "delegate", "replaced", "closed"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a holder lets somebody do who enters the code."""

    holder_id: UUID
    may_spend: bool


@dataclass(frozen=True, slots=True)
class Power:
    """For whom, with which powers; until when at most, for a child's guardian."""

    holder_id: UUID
    powers: str
    until: datetime | None


def accept(
    session: Session,
    delegation_id: UUID,
    delegate_id: UUID,
    offer: Offer,
    *,
    from_address: str,
    now: datetime,
) -> Delegation:
    """Let the delegate act for the holder of an offer, in place of what stood between the two.

    Raises:
        OfferNotGood: one's own, a child's, or to a child. TooManyDelegations. DelegationReused.
        UnknownResident, AccountClosed: one of the two takes part nowhere, or no more.
    """
    if offer.holder_id == delegate_id:
        raise OfferNotGood
    lock(session, (offer.holder_id, delegate_id))
    if any(is_minor(session, each, now) for each in (offer.holder_id, delegate_id)):
        raise OfferNotGood
    if find(session, delegation_id, delegate_id) is not None:
        raise DelegationReused(delegation_id)
    if session.get(Delegation, (offer.holder_id, delegation_id)) is not None:
        raise DelegationReused(delegation_id)
    there = standing(session, offer.holder_id)
    for before in there:
        if before.delegate_id == delegate_id:
            _end(session, before, "replaced", now=now)
    if sum(each.delegate_id != delegate_id for each in there) >= DELEGATES_MAX:
        raise TooManyDelegations(DELEGATES_MAX)
    refuse_too_many(session, delegate_id)
    made = begin(
        session, delegation_id, offer.holder_id, delegate_id, DELEGATE, offer.may_spend, now=now
    )
    record_event(session, offer.holder_id, "delegate_began", from_address=from_address, now=now)
    return made


def begin(
    session: Session,
    delegation_id: UUID,
    holder_id: UUID,
    delegate_id: UUID,
    kind: str,
    may_spend: bool,
    *,
    now: datetime,
) -> Delegation:
    """Write a delegation on both sides; the caller has locked both and looked."""
    made = Delegation(
        holder_id=holder_id,
        id=delegation_id,
        delegate_id=delegate_id,
        kind=kind,
        may_spend=may_spend,
        began_at=now,
    )
    session.add(made)
    session.add(
        ActingFor(delegate_id=delegate_id, holder_id=holder_id, delegation_id=delegation_id)
    )
    session.flush()
    return made


def find(session: Session, delegation_id: UUID, delegate_id: UUID) -> Delegation | None:
    """A delegation that stands, by its delegate."""
    holder_id = session.scalar(
        select(ActingFor.holder_id).where(
            ActingFor.delegate_id == delegate_id, ActingFor.delegation_id == delegation_id
        )
    )
    if holder_id is None:
        return None
    found = session.get(Delegation, (holder_id, delegation_id))
    return found if found is not None and found.ended_at is None else None


def power(session: Session, delegation_id: UUID, delegate_id: UUID, *, now: datetime) -> Power:
    """What a delegation allows now.

    Raises:
        UnknownDelegation: none, ended, or the holder closed the account. GuardianshipOver.
    """
    found = find(session, delegation_id, delegate_id)
    if found is None:
        raise UnknownDelegation(delegation_id)
    holder = look(session, [found.holder_id])[found.holder_id]
    if not holder.is_open:
        raise UnknownDelegation(delegation_id)
    if (powers := powers_of(found, holder, now)) is None:
        raise GuardianshipOver
    return Power(found.holder_id, powers, holder.minor_until if found.kind == GUARDIAN else None)


def end_by_holder(
    session: Session, delegation_id: UUID, holder_id: UUID, *, from_address: str, now: datetime
) -> None:
    """The holder lets somebody act no more; one that is unknown or ended is left as it is.

    Raises GuardianStays for a child.
    """
    lock(session, (holder_id,))
    found = session.get(Delegation, (holder_id, delegation_id), populate_existing=True)
    _end_one(session, found, "holder", from_address=from_address, now=now)


def end_by_delegate(
    session: Session, delegation_id: UUID, delegate_id: UUID, *, from_address: str, now: datetime
) -> None:
    """The delegate acts no more; one that is unknown or ended is left as it is.

    Raises GuardianStays for a guardian of a child.
    """
    if (found := find(session, delegation_id, delegate_id)) is None:
        return
    lock(session, (found.holder_id,))
    session.refresh(found)
    _end_one(session, found, "delegate", from_address=from_address, now=now)


def end_all(session: Session, person_id: UUID, *, now: datetime) -> int:
    """End what stands on either side of somebody who closes the account; how many.

    The caller refuses before, where a child would be left without a guardian (``children_of``).
    """
    found = standing(session, person_id)
    for holder_id, delegation_id in session.execute(
        select(ActingFor.holder_id, ActingFor.delegation_id)
        .where(ActingFor.delegate_id == person_id)
        .order_by(ActingFor.holder_id)
    ).all():
        each = session.get(Delegation, (holder_id, delegation_id))
        if each is not None and each.ended_at is None:
            found.append(each)
    for each in found:
        _end(session, each, "closed", now=now)
    return len(found)


def children_of(session: Session, guardian_id: UUID, *, now: datetime) -> list[UUID]:
    """The children under fourteen, with an open account, whose guardian somebody is."""
    theirs = [each for each in standing_for(session, guardian_id) if each.kind == GUARDIAN]
    who = look(session, {each.holder_id for each in theirs})
    return [
        each.holder_id
        for each in theirs
        if who[each.holder_id].is_open and who[each.holder_id].is_minor(now)
    ]


def lock(session: Session, holders: Iterable[UUID]) -> None:
    """Lock residents, lowest id first, a statement each: on a cluster they live on several nodes.

    Raises UnknownResident; AccountClosed for who takes part no more.
    """
    for holder_id in sorted(holders):
        row = select(Participant.closed_at).where(Participant.holder_id == holder_id)
        found = session.execute(row.with_for_update()).one_or_none()
        if found is None:
            raise UnknownResident(holder_id)
        if found.closed_at is not None:
            raise AccountClosed(holder_id)


def refuse_too_many(session: Session, delegate_id: UUID) -> None:
    """Raises TooManyDelegations when somebody acts for as many as one may."""
    query = select(func.count()).select_from(ActingFor).where(ActingFor.delegate_id == delegate_id)
    if (session.scalar(query) or 0) >= ACTING_FOR_MAX:
        raise TooManyDelegations(ACTING_FOR_MAX)


def standing(session: Session, holder_id: UUID) -> list[Delegation]:
    """The delegations of a holder that have not ended, read anew."""
    query = select(Delegation).where(
        Delegation.holder_id == holder_id, Delegation.ended_at.is_(None)
    )
    fresh = {"populate_existing": True}
    return list(session.scalars(query.order_by(Delegation.id), execution_options=fresh))


def standing_for(session: Session, delegate_id: UUID) -> list[Delegation]:
    """The delegations by which somebody acts for others, by their ids; two statements."""
    keys = session.execute(
        select(ActingFor.holder_id, ActingFor.delegation_id)
        .where(ActingFor.delegate_id == delegate_id)
        .order_by(ActingFor.delegation_id)
        .limit(ACTING_FOR_MAX)
    ).all()
    query = select(Delegation).where(
        Delegation.holder_id.in_(sorted(holder_id for holder_id, _ in keys)),
        Delegation.id.in_([delegation_id for _, delegation_id in keys]),
        Delegation.ended_at.is_(None),
    )
    found = {(each.holder_id, each.id): each for each in session.scalars(query)}
    return [found[holder_id, id_] for holder_id, id_ in keys if (holder_id, id_) in found]


def powers_of(each: Delegation, holder: Who, now: datetime) -> str | None:
    """What a token for it has; None when the child has turned fourteen."""
    if each.kind == GUARDIAN:
        return GUARDIAN if holder.is_minor(now) else None
    return "spend" if each.may_spend else "read"


def _end_one(
    session: Session,
    found: Delegation | None,
    ended_by: EndedBy,
    *,
    from_address: str,
    now: datetime,
) -> None:
    if found is None or found.ended_at is not None:
        return
    if found.kind == GUARDIAN and is_minor(session, found.holder_id, now):
        raise GuardianStays
    _end(session, found, ended_by, now=now)
    record_event(session, found.holder_id, "delegate_ended", from_address=from_address, now=now)


def _end(session: Session, found: Delegation, ended_by: EndedBy, *, now: datetime) -> None:
    found.ended_at, found.ended_by = now, ended_by
    session.execute(
        delete(ActingFor).where(
            ActingFor.delegate_id == found.delegate_id,
            ActingFor.holder_id == found.holder_id,
            ActingFor.delegation_id == found.id,
        )
    )
    session.flush()
