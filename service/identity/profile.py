"""What a resident sees and says of themselves: name and birth date, and what we know besides.

Kept here: a birth date is stated once, since what a child may do hangs on it; a name that changes
is no longer the one that a verifier vouched for.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.errors import UnknownResident
from activities.models import Participant
from service.identity.errors import AccountClosed, BirthDateFixed
from service.identity.keyring import Keyring
from service.identity.logins.errors import GuardianNeeded
from service.identity.logins.signing_up import grown_up_on
from service.identity.models import Person
from service.identity.vault import Reader, Value, add_people, read_values, write_values

FIELDS = ("birth_on", "name", "phone")
NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """``phone`` is masked. Of who is no person yet (a release before made none) most is None."""

    holder_id: UUID
    programme: str
    division: str
    joined_at: datetime
    registered_at: datetime | None
    name: str | None
    phone: str | None
    birth_on: date | None
    real_name_verified: bool
    minor: bool
    terms_version: int | None


def profile(
    session: Session, keyring: Keyring, holder_id: UUID, *, reader: Reader, now: datetime
) -> Profile:
    """Raises UnknownResident, and AccountClosed. Leaves a record of the read."""
    resident = _resident(session, holder_id)
    person = session.get(Person, holder_id)
    values: dict[str, str] = {}
    if person is not None:
        found = read_values(session, keyring, holder_id, FIELDS, reader=reader, now=now)
        values = {each.field: each.value for each in found}
    birth_on = date.fromisoformat(values["birth_on"]) if "birth_on" in values else None
    return Profile(
        holder_id=holder_id,
        programme=resident.programme_code,
        division=resident.division_code,
        joined_at=resident.joined_at,
        registered_at=None if person is None else person.registered_at,
        name=values.get("name"),
        phone=masked(values["phone"]) if "phone" in values else None,
        birth_on=birth_on,
        real_name_verified=person is not None and person.real_name_at is not None,
        minor=birth_on is not None and _today(session, resident, now) < grown_up_on(birth_on),
        terms_version=None if person is None else person.terms_version,
    )


def account_closed_at(session: Session, holder_id: UUID) -> datetime | None:
    """When the resident closed the account; None while it is open, and of who is no person yet."""
    person = session.get(Person, holder_id)
    return None if person is None else person.closed_at


def say(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    *,
    name: str,
    birth_on: date | None,
    reader: Reader,
    now: datetime,
) -> None:
    """Let somebody be called ``name``, and be born on ``birth_on`` (None: as it stands).

    What is stated again is not written again.

    Raises:
        UnknownResident, AccountClosed.
        BirthDateFixed: another one stands.
        GuardianNeeded: a child under fourteen, whom nobody registered as one.
    """
    resident = _resident(session, holder_id)
    add_people(session, keyring, [holder_id], now=now)
    locked = select(Person).where(Person.holder_id == holder_id).with_for_update()
    person = session.scalars(locked, execution_options={"populate_existing": True}).one()
    if person.closed_at is not None:
        raise AccountClosed(holder_id)
    fields = ("birth_on", "name")
    found = read_values(session, keyring, holder_id, fields, reader=reader, now=now)
    before = {each.field: each.value for each in found}
    wanted = {"name": name}
    if birth_on is not None:
        wanted["birth_on"] = birth_on.isoformat()
        if before.get("birth_on", wanted["birth_on"]) != wanted["birth_on"]:
            raise BirthDateFixed
        young = _today(session, resident, now) < grown_up_on(birth_on)
        if young and "birth_on" not in before:
            raise GuardianNeeded
    if before.get("name", name) != name:
        no_longer = {"real_name_at": None, "real_name_by": None}
        session.execute(update(Person).where(Person.holder_id == holder_id).values(no_longer))
    changed = [
        Value(holder_id, field, value)
        for field, value in wanted.items()
        if before.get(field) != value
    ]
    write_values(session, keyring, changed, now=now)


def masked(phone: str) -> str:
    """Enough of a phone (E.164) to recognise one's own by: 138****5678, +44****3456."""
    if phone.startswith("+86"):
        return f"{phone[3:6]}****{phone[-4:]}"
    return f"{phone[:3]}****{phone[-4:]}"


def _resident(session: Session, holder_id: UUID) -> Participant:
    if (found := session.get(Participant, holder_id)) is None:
        raise UnknownResident(holder_id)
    return found


def _today(session: Session, resident: Participant, now: datetime) -> date:
    zone = session.get_one(Programme, resident.programme_code).zone
    return now.astimezone(ZoneInfo(zone)).date()
