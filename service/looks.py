"""Looking a resident up at the desk: by phone, by card or by the opaque id, and what is shown then.

Kept here: whoever looks says what for, and each look is a row of the admin log with it; where a
personal value is opened, the resident reads of it too (``service.identity.reads``). Nobody is shown
a whole phone or a whole name: enough to be sure that it is the person at the counter.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.errors import UnknownResident
from activities.models import ActivityCorrection, Participant
from ledgers.models import Correction
from service.admin.log import Act, Actor, record
from service.admin.models import AdminAct
from service.identity import cards
from service.identity.errors import UnknownCard
from service.identity.keyring import Keyring
from service.identity.logins import phones
from service.identity.outside_ids import find_holders
from service.identity.profile import Profile, account_closed_at, profile
from service.identity.vault import Reader

KIND = "look"
PURPOSE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Look:
    """Who is looked for: exactly one of a phone (E.164), a card (``cards.plain``) and a holder."""

    id: UUID
    purpose: str
    phone: str | None = None
    card_number: str | None = None
    holder_id: UUID | None = None

    @property
    def by(self) -> str:
        """By what, for the admin log, which never says the number itself."""
        return "phone" if self.phone else "card" if self.card_number else "holder_id"


def find(session: Session, keyring: Keyring, wanted: Look) -> Participant | None:
    """Whom it finds; None for nobody, and for a card that was blocked."""
    holder_id = wanted.holder_id
    if wanted.phone:
        holder_id = find_holders(session, keyring, phones.SOURCE, [wanted.phone]).get(wanted.phone)
    elif wanted.card_number:
        try:
            holder_id = cards.get_holder(session, keyring, wanted.card_number)
        except UnknownCard:
            return None
    return session.get(Participant, holder_id) if holder_id else None


def put_down(
    session: Session, wanted: Look, found: Participant | None, *, actor: Actor, now: datetime
) -> None:
    """Write the look down, whether or not it found somebody.

    The same again leaves one row if it found somebody. What found nobody is written down each time:
    numbers are not kept, so one id could else stand for any number of numbers that were tried.
    """
    after = {"by": wanted.by, "purpose": wanted.purpose, "found": found is not None}
    if found is not None:
        earlier = select(AdminAct.id).where(
            AdminAct.object_kind == KIND,
            AdminAct.object_id == str(wanted.id),
            AdminAct.actor == actor.name,
            AdminAct.holder_id == found.holder_id,
            AdminAct.after == after,
        )
        if session.scalars(earlier.limit(1)).first() is not None:
            return
    holder_id = found.holder_id if found else None
    programme = found.programme_code if found else None
    act = Act("resident.look_up", KIND, str(wanted.id), holder_id, programme)
    record(session, actor, act, before=None, after=after, now=now)


def opened(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    *,
    purpose: str,
    actor: Actor,
    now: datetime,
) -> dict[str, Any]:
    """What the desk is shown of a resident: phone and name masked, and nothing of who has closed.

    A row of the admin log each time, and one among the resident's own reads. Raises
    UnknownResident.
    """
    if (resident := session.get(Participant, holder_id)) is None:
        raise UnknownResident(holder_id)
    act = Act("resident.open", "resident", str(holder_id), holder_id, resident.programme_code)
    record(session, actor, act, before=None, after={"purpose": purpose}, now=now)
    closed_at = account_closed_at(session, holder_id)
    shown: dict[str, Any] = {
        "holder_id": holder_id,
        "programme": resident.programme_code,
        "division": resident.division_code,
        "joined_at": resident.joined_at,
        "closed_at": closed_at,
        "name": None,
        "phone": None,
        "real_name_verified": False,
        "minor": False,
    }
    if closed_at is None:
        reader = Reader(actor.name, actor.role, purpose)
        shown |= _of(profile(session, keyring, holder_id, reader=reader, now=now))
    return shown


def corrections_of(
    session: Session, holder_id: UUID, *, limit: int
) -> tuple[list[Correction], list[ActivityCorrection]]:
    """A resident's corrections of the ledger and of activities, the newest of each first."""
    ledger = select(Correction).where(Correction.holder_id == holder_id)
    acts = select(ActivityCorrection).where(ActivityCorrection.holder_id == holder_id)
    return (
        list(session.scalars(ledger.order_by(Correction.proposed_at.desc()).limit(limit))),
        list(session.scalars(acts.order_by(ActivityCorrection.proposed_at.desc()).limit(limit))),
    )


def _of(found: Profile) -> dict[str, Any]:
    return {
        "name": masked_name(found.name) if found.name else None,
        "phone": found.phone,
        "real_name_verified": found.real_name_verified,
        "minor": found.minor,
    }


def masked_name(name: str) -> str:
    """Its first character alone: 李**."""
    return f"{name[:1]}**"
