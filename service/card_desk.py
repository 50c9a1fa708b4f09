"""Cards at the desk: a second or replacement card is given, a lost one is blocked.

Kept here: each act is in the admin log, under the id that the desk made and with the card's trace
in place of its number; the same again is a retry, and the id stands for nothing else.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.errors import UnknownResident
from activities.models import Participant
from service.admin.log import Actor, State
from service.admin.models import AdminAct
from service.admin.objects import Object, acting_on
from service.identity import cards
from service.identity.errors import CardRequestReused, UnknownCard
from service.identity.keyring import Keyring
from service.identity.outside_ids import Standing

KIND = "card_request"


@dataclass(frozen=True, slots=True)
class CardRequest:
    """What the desk asks for, under an id of its own; ``number`` as ``cards.plain`` writes it."""

    id: UUID
    number: str


def give(
    session: Session,
    keyring: Keyring,
    wanted: CardRequest,
    holder_id: UUID,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Let a resident have one more card.

    Raises:
        UnknownResident, AccountClosed: nobody is there to have it.
        CardTaken: it is another's, or was blocked.
        CardRequestReused: the id stands for something else.
    """
    if (resident := session.get(Participant, holder_id)) is None:
        raise UnknownResident(holder_id)
    about = _about(session, keyring, wanted, resident)

    def work() -> None:
        _check_id(session, keyring, wanted, "card.give", holder_id)
        cards.give_card(session, keyring, wanted.number, holder_id, now=now)

    acting_on(session, actor, "card.give", about, work, now=now)


def block(
    session: Session, keyring: Keyring, wanted: CardRequest, *, actor: Actor, now: datetime
) -> Standing:
    """Block a lost card: from now on it finds nobody, and nobody ever gets it again.

    A card that was blocked before stays as it is. Raises UnknownCard and CardRequestReused.
    """
    holder_id = cards.get_standing(session, keyring, wanted.number).holder_id
    about = _about(session, keyring, wanted, session.get_one(Participant, holder_id))

    def work() -> Standing:
        _check_id(session, keyring, wanted, "card.block", holder_id)
        return cards.block_card(session, keyring, wanted.number, now=now)

    return acting_on(session, actor, "card.block", about, work, now=now)


def _about(
    session: Session, keyring: Keyring, wanted: CardRequest, resident: Participant
) -> Object:
    def state() -> State:
        try:
            found = cards.get_standing(session, keyring, wanted.number)
        except UnknownCard:
            return None
        return {
            "card": cards.trace(keyring, wanted.number),
            "holder_id": found.holder_id,
            "blocked_at": found.ended_at,
        }

    return Object(KIND, str(wanted.id), resident.programme_code, resident.holder_id, state)


def _check_id(
    session: Session, keyring: Keyring, wanted: CardRequest, what: str, holder_id: UUID
) -> None:
    """The admin log knows what an id was used for; who asks holds its lock (``acting``)."""
    query = select(AdminAct.what, AdminAct.holder_id, AdminAct.after).where(
        AdminAct.object_kind == KIND, AdminAct.object_id == str(wanted.id)
    )
    for done, theirs, after in session.execute(query):
        same_card = after is not None and after["card"] == cards.trace(keyring, wanted.number)
        if done != what or theirs != holder_id or not same_card:
            raise CardRequestReused(wanted.id)
