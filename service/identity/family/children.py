"""Children under fourteen: registered by a guardian, who acts for them until that birthday.

Kept here: a child's holder id is derived from the guardian's and the id that the guardian's app
made, so that sending again is the same child and nobody registers over somebody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.models import Participant
from activities.participants import enrol
from service.identity.errors import AccountClosed
from service.identity.family.ages import Who, is_minor, look
from service.identity.family.delegations import (
    GUARDIAN,
    begin,
    find,
    lock,
    refuse_too_many,
    standing_for,
)
from service.identity.family.errors import ChildReused, NotAChild, TooManyDelegations
from service.identity.keyring import Keyring
from service.identity.logins.errors import GuardianNeeded
from service.identity.logins.signing_up import grown_up_on
from service.identity.models import Delegation, Person
from service.identity.vault import Reader, Value, add_people, read_values_of, write_values

CHILDREN_MAX = 10
_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/child")
_PERSONAL = ("birth_on", "name")


@dataclass(frozen=True, slots=True)
class NewChild:
    """What a guardian says of a child; ``id`` is made by the guardian's app."""

    id: UUID
    guardian_id: UUID
    name: str
    birth_on: date
    division_code: str

    @property
    def holder_id(self) -> UUID:
        return uuid5(_NAMESPACE, f"{self.guardian_id}\n{self.id}")


@dataclass(frozen=True, slots=True)
class Child:
    """A child as its guardian sees it. ``id`` is the delegation's, too."""

    id: UUID
    holder_id: UUID
    name: str
    birth_on: date
    division_code: str
    minor_until: date


def register_child(session: Session, keyring: Keyring, wanted: NewChild, *, now: datetime) -> Child:
    """Register a child in the guardian's programme, or answer what was done before.

    The guardian agreed to the terms, and agrees for the child to the same version.

    Raises:
        NotAChild, TooManyDelegations, UnknownDivision, UnknownResident (a guardian who takes part
        nowhere): nothing was written.
        ChildReused: the id stands for a child with other data.
        GuardianNeeded: who asks is a child, too.
        AccountClosed: the child's account was closed.
    """
    lock(session, (wanted.guardian_id,))
    guardian = session.get_one(Participant, wanted.guardian_id)
    if is_minor(session, wanted.guardian_id, now):
        raise GuardianNeeded
    if (known := session.get(Person, wanted.holder_id)) is not None:
        return _same_or_refuse(session, keyring, known, wanted, now=now)
    if find(session, wanted.id, wanted.guardian_id) is not None:  # Somebody else's, by this id.
        raise ChildReused(wanted.id)
    minor_until = grown_up_on(wanted.birth_on)
    programme = session.get_one(Programme, guardian.programme_code)
    today = now.astimezone(ZoneInfo(programme.zone)).date()
    if not wanted.birth_on <= today < minor_until:
        raise NotAChild
    if len(_delegations(session, wanted.guardian_id)) >= CHILDREN_MAX:
        raise TooManyDelegations(CHILDREN_MAX)
    refuse_too_many(session, wanted.guardian_id)
    enrol(session, programme.code, {wanted.holder_id: wanted.division_code}, now=now)
    add_people(session, keyring, [wanted.holder_id], now=now)
    own = session.get(Person, wanted.guardian_id)
    session.execute(
        update(Person)
        .where(Person.holder_id == wanted.holder_id)
        .values(minor_until=minor_until, terms_version=own.terms_version if own else None)
    )
    said = {"name": wanted.name, "birth_on": wanted.birth_on.isoformat()}
    values = [Value(wanted.holder_id, field, said[field]) for field in _PERSONAL]
    write_values(session, keyring, values, now=now)
    ids = (wanted.id, wanted.holder_id, wanted.guardian_id)
    begin(session, *ids, GUARDIAN, may_spend=True, now=now)
    return Child(
        wanted.id,
        wanted.holder_id,
        wanted.name,
        wanted.birth_on,
        wanted.division_code,
        minor_until,
    )


def children(
    session: Session, keyring: Keyring, guardian_id: UUID, *, now: datetime
) -> list[Child]:
    """A guardian's children, those who turned fourteen left out; reads of names are recorded. Six
    statements at most, for all.
    """
    ids = {each.holder_id: each.id for each in _delegations(session, guardian_id)}
    who = look(session, ids)
    minors = {
        each: id_ for each, id_ in ids.items() if who[each].is_open and who[each].is_minor(now)
    }
    return _shown(session, keyring, minors, who, guardian_id, now=now)


def _same_or_refuse(
    session: Session, keyring: Keyring, known: Person, wanted: NewChild, *, now: datetime
) -> Child:
    if known.closed_at is not None:
        raise AccountClosed(known.holder_id)
    ids = {known.holder_id: wanted.id}
    who = look(session, ids)
    shown = _shown(session, keyring, ids, who, wanted.guardian_id, now=now)
    if not shown:
        raise AccountClosed(known.holder_id)
    there = shown[0]
    said = (wanted.name, wanted.birth_on, wanted.division_code)
    if (there.name, there.birth_on, there.division_code) != said:
        raise ChildReused(wanted.id)
    return there


def _shown(
    session: Session,
    keyring: Keyring,
    ids: Mapping[UUID, UUID],
    who: Mapping[UUID, Who],
    guardian_id: UUID,
    *,
    now: datetime,
) -> list[Child]:
    """Children by their holder ids, each with the guardian's id of it, in the order of ``ids``;
    without whose account was closed meanwhile.
    """
    reader = Reader(str(guardian_id), GUARDIAN, "children", daily=True)
    said = read_values_of(session, keyring, ids, _PERSONAL, reader=reader, now=now)
    found = []
    for holder_id, id_ in ids.items():
        if holder_id not in said:
            continue
        child, own = who[holder_id], said[holder_id]
        assert child.minor_on is not None
        assert child.division_code is not None
        born = date.fromisoformat(own["birth_on"])
        found.append(Child(id_, holder_id, own["name"], born, child.division_code, child.minor_on))
    return found


def _delegations(session: Session, guardian_id: UUID) -> list[Delegation]:
    """By which somebody is a guardian, of those who turned fourteen too."""
    return [each for each in standing_for(session, guardian_id) if each.kind == GUARDIAN]
