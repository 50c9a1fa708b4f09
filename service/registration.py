"""Registration at the desk: a resident without a phone gets a card and consents on paper.

Kept here: a registration's id, which the desk makes, stands for one resident; the holder's id is
derived from it, so that nobody registers over a holder who is there for another reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.consents import give
from activities.models import Consent, Participant
from activities.participants import enrol
from service.identity import cards
from service.identity.errors import ResidentReused, UnknownCard
from service.identity.keyring import Keyring

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/registration")
CONSENTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Registration:
    """What the desk writes down: ``consents`` is the text's version by scene."""

    id: UUID
    card_number: str
    programme_code: str
    division_code: str
    consents: Mapping[str, int]
    witness: str

    @property
    def holder_id(self) -> UUID:
        return uuid5(_NAMESPACE, str(self.id))


def register(
    session: Session, keyring: Keyring, wanted: Registration, *, now: datetime
) -> Participant:
    """Enrol a resident, give the card and the consents, or answer what was done before.

    ``witness`` saw the consents signed on paper and stands as their actor.

    Raises:
        UnknownProgramme, UnknownDivision, UnknownScene, ConsentNotAsked, ConsentTextOutdated,
        CardTaken: nothing was written.
        ResidentReused: the id stands for a registration with other content.
    """
    assert len(wanted.consents) <= CONSENTS_MAX
    resident = session.get(Participant, wanted.holder_id)
    if resident is None:
        towns = {wanted.holder_id: wanted.division_code}
        enrol(session, wanted.programme_code, towns, now=now)
        resident = session.get_one(Participant, wanted.holder_id)
    if resident.joined_at != now:  # Before, or by somebody who did the same just now.
        return _same_or_refuse(session, keyring, wanted, resident)
    cards.give_card(session, keyring, wanted.card_number, wanted.holder_id, now=now)
    for scene, version in sorted(wanted.consents.items()):
        give(session, wanted.holder_id, scene, version, now=now, actor=wanted.witness)
    return resident


def _same_or_refuse(
    session: Session, keyring: Keyring, wanted: Registration, resident: Participant
) -> Participant:
    query = select(Consent).where(
        Consent.holder_id == resident.holder_id, Consent.given_at == resident.joined_at
    )
    consents = {each.scene_code: each.text_version for each in session.scalars(query)}
    try:
        holder_id = cards.get_holder(session, keyring, wanted.card_number)
        card_is_theirs = holder_id == resident.holder_id
    except UnknownCard:
        card_is_theirs = False
    same = (
        card_is_theirs
        and resident.programme_code == wanted.programme_code
        and resident.division_code == wanted.division_code
        and consents == dict(wanted.consents)
    )
    if not same:
        raise ResidentReused(wanted.id)
    return resident
