"""Cards: how a resident without a phone is known. A number belongs to one resident for good."""

from uuid import UUID

from sqlalchemy.orm import Session

from service.identity.errors import CardTaken, UnknownCard
from service.identity.subjects import add_subjects, find_holders

SOURCE = "card"
NUMBER = r"^[0-9A-Z]{6,32}\Z"  # As ``plain`` writes it.


def plain(number: str) -> str:
    """A card's number as typed, without its blanks and dashes and in capitals."""
    return number.replace(" ", "").replace("-", "").upper()


def get_holder(session: Session, number: str) -> UUID:
    """Whose card it is; raises UnknownCard."""
    found = find_holders(session, SOURCE, [number]).get(number)
    if found is None:
        raise UnknownCard
    return found


def give_card(session: Session, number: str, holder_id: UUID) -> None:
    """Let a card be this holder's; it may be already. Raises CardTaken."""
    if add_subjects(session, SOURCE, {number: holder_id})[number] != holder_id:
        raise CardTaken
