"""Cards: how a resident without a phone is known. A number belongs to one resident for good: a lost
card is blocked and finds nobody, and is given to nobody again.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.identity.errors import CardTaken, UnknownCard
from service.identity.keyring import Keyring
from service.identity.outside_ids import Standing, add_ids, end_id, find_standing

SOURCE = "card"
NUMBER = r"^[0-9A-Z]{6,32}\Z"  # As ``plain`` writes it.
TRACE_DIGITS = 16


def plain(number: str) -> str:
    """A card's number as typed, without its blanks and dashes and in capitals."""
    return number.replace(" ", "").replace("-", "").upper()


def trace(keyring: Keyring, number: str) -> str:
    """What the admin log calls a card: the same for the same card, and nobody reads the number
    from it.
    """
    return keyring.value_key("card trace", number).hex()[:TRACE_DIGITS]


def get_holder(session: Session, keyring: Keyring, number: str) -> UUID:
    """Whose card it is; raises UnknownCard, for a blocked one too."""
    found = find_standing(session, keyring, SOURCE, number)
    if found is None or found.ended_at is not None:
        raise UnknownCard
    return found.holder_id


def get_standing(session: Session, keyring: Keyring, number: str) -> Standing:
    """Whose card it is or was, until it was blocked; raises UnknownCard."""
    if (found := find_standing(session, keyring, SOURCE, number)) is None:
        raise UnknownCard
    return found


def give_card(
    session: Session, keyring: Keyring, number: str, holder_id: UUID, *, now: datetime
) -> None:
    """Let a card be this holder's; it may be already.

    Raises CardTaken when it is another's or was blocked, AccountClosed when the holder is closed.
    """
    if add_ids(session, keyring, SOURCE, {number: holder_id}, now=now).get(number) != holder_id:
        raise CardTaken


def block_card(session: Session, keyring: Keyring, number: str, *, now: datetime) -> Standing:
    """Let a card find nobody from now on; one that was blocked keeps its instant.

    Raises UnknownCard.
    """
    if (found := end_id(session, keyring, SOURCE, number, now=now)) is None:
        raise UnknownCard
    return found
