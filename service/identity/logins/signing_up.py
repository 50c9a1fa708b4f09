"""Signing up: a proof that nobody has becomes a person, who takes part in a programme.

Kept here: one proof is one person's, however many sign up with it at once; and a child under
fourteen is registered by a guardian (``service.identity.family``), never by a proof of its own.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.errors import UnknownProgramme
from activities.participants import enrol
from ledgers.bulk import together
from service.identity.keyring import Keyring
from service.identity.logins.errors import GuardianNeeded, SignUpTokenNotRight, TermsOutdated
from service.identity.logins.sessions import Login, begin, record_event
from service.identity.logins.signing_in import RESIDENT, Proof, SignedIn, add_proof, sign_in
from service.identity.logins.slips import BadSlip, Slips
from service.identity.vault import Value, write_values

LIFETIME = timedelta(minutes=15)
ADULT_YEARS = 14  # From then on personal data are not a child's (PIPL, article 31).
BORN_FROM = date(1900, 1, 1)

_AGREE: LiteralString = """
    UPDATE person SET terms_version = %(version)s WHERE holder_id = %(holder)s
"""


class SignUpSlip(msgspec.Struct, frozen=True):
    """Of a proof that nobody had: who they will be, so that a retry is the same person."""

    source: str
    value: str
    holder_id: UUID

    @property
    def proof(self) -> Proof:
        return Proof(self.source, (self.value,))


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What somebody who signs up says of themselves; ``name`` may be left out, "" then."""

    programme: str
    division: str
    birth_on: date
    name: str
    terms_version: int


def sign_ups(key: bytes) -> Slips[SignUpSlip]:
    """The tokens for signing up."""
    return Slips(key, "sign up", SignUpSlip, lifetime=LIFETIME)


def new_slip(proof: Proof) -> SignUpSlip:
    """For a proof that nobody has."""
    return SignUpSlip(proof.source, proof.values[0], uuid4())


def read_slip(slips: Slips[SignUpSlip], text: str, *, now: datetime) -> SignUpSlip:
    """Raises SignUpTokenNotRight."""
    try:
        return slips.read(text, now=now)
    except BadSlip:
        raise SignUpTokenNotRight from None


def sign_up(
    session: Session,
    keyring: Keyring,
    slip: SignUpSlip,
    wanted: NewPerson,
    *,
    terms_version: int,
    device_name: str,
    from_address: str,
    now: datetime,
) -> SignedIn:
    """Make the person, enrol them, and begin their first session.

    Again, or where somebody with the same proof was faster: signs in as who has the proof now, and
    writes nothing else.

    Raises:
        GuardianNeeded, TermsOutdated, UnknownProgramme, UnknownDivision: nothing was written.
        AccountClosed: the person of this token closed the account since.
    """
    if wanted.terms_version != terms_version:
        raise TermsOutdated(terms_version)
    check_age(session, wanted, now=now)
    asked = {"device_name": device_name, "from_address": from_address}
    known = sign_in(session, keyring, slip.proof, **asked, now=now)
    if known is not None:
        return known
    if add_proof(session, keyring, slip.proof, slip.holder_id, now=now) != slip.holder_id:
        faster = sign_in(session, keyring, slip.proof, **asked, now=now)
        assert faster is not None, "committed just now, and its lock is ours"
        return faster
    _write(session, keyring, slip.holder_id, wanted, now=now)
    record_event(session, slip.holder_id, "sign_up", from_address=from_address, now=now)
    login = Login(slip.holder_id, RESIDENT, slip.source, device_name)
    return SignedIn(slip.holder_id, begin(session, login, from_address=from_address, now=now))


def check_age(session: Session, wanted: NewPerson, *, now: datetime) -> None:
    """By the programme's own day. Raises GuardianNeeded, UnknownProgramme."""
    programme = session.get(Programme, wanted.programme)
    if programme is None:
        raise UnknownProgramme(wanted.programme)
    if now.astimezone(ZoneInfo(programme.zone)).date() < grown_up_on(wanted.birth_on):
        raise GuardianNeeded


def grown_up_on(birth_on: date) -> date:
    """The fourteenth birthday; of who was born on 29 February, 1 March in other years."""
    year = min(birth_on.year + ADULT_YEARS, date.max.year)
    try:
        return birth_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _write(
    session: Session, keyring: Keyring, holder_id: UUID, wanted: NewPerson, *, now: datetime
) -> None:
    enrol(session, wanted.programme, {holder_id: wanted.division}, now=now)
    values = [Value(holder_id, "birth_on", wanted.birth_on.isoformat())]
    if wanted.name:
        values.append(Value(holder_id, "name", wanted.name))
    write_values(session, keyring, values, now=now)
    together(session, (_AGREE, {"version": wanted.terms_version, "holder": holder_id}))
