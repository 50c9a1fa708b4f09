"""Who acts for whom, as either side sees it: with names, of which each look leaves a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from service.identity.family.ages import look
from service.identity.family.delegations import powers_of, standing, standing_for
from service.identity.family.errors import UnknownDelegation
from service.identity.keyring import Keyring
from service.identity.models import Delegation
from service.identity.vault import Reader, read_values_of


@dataclass(frozen=True, slots=True)
class Named:
    """A delegation, with the name of the other side; None for somebody who gave none.

    ``powers`` is what a token for it would have, None when the child has turned fourteen.
    """

    delegation: Delegation
    name: str | None
    powers: str | None


def acting_for(
    session: Session, keyring: Keyring, delegate_id: UUID, *, now: datetime
) -> list[Named]:
    """For whom somebody may act, without those who closed their account; each name that is opened
    leaves a record with its person. Six statements at most, for all.
    """
    return _for_delegate(session, keyring, standing_for(session, delegate_id), delegate_id, now=now)


def for_delegate(session: Session, keyring: Keyring, each: Delegation, *, now: datetime) -> Named:
    """A delegation with the holder's name, of which a record of the read is left.

    Raises UnknownDelegation where the holder has closed the account.
    """
    found = _for_delegate(session, keyring, [each], each.delegate_id, now=now)
    if not found:
        raise UnknownDelegation(each.id)
    return found[0]


def delegates(session: Session, keyring: Keyring, holder_id: UUID, *, now: datetime) -> list[Named]:
    """Who may act for somebody; each name that is opened leaves a record with its person. Five
    statements at most.
    """
    found = standing(session, holder_id)
    holder = look(session, [holder_id])[holder_id]
    reader = Reader(str(holder_id), "resident", "delegates", daily=True)
    whose = {each.delegate_id for each in found}
    names = read_values_of(session, keyring, whose, ["name"], reader=reader, now=now)
    return [
        Named(each, names.get(each.delegate_id, {}).get("name"), powers_of(each, holder, now))
        for each in found
    ]


def _for_delegate(
    session: Session,
    keyring: Keyring,
    standing: Sequence[Delegation],
    delegate_id: UUID,
    *,
    now: datetime,
) -> list[Named]:
    who = look(session, {each.holder_id for each in standing})
    found = [each for each in standing if who[each.holder_id].is_open]
    reader = Reader(str(delegate_id), "resident", "acting-for", daily=True)
    whose = {each.holder_id for each in found}
    names = read_values_of(session, keyring, whose, ["name"], reader=reader, now=now)
    return [
        Named(
            each,
            names.get(each.holder_id, {}).get("name"),
            powers_of(each, who[each.holder_id], now),
        )
        for each in found
    ]
