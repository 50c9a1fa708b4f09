"""Who acts for whom, as either side sees it: with names, of which each look leaves a record."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.identity.errors import AccountClosed
from service.identity.family.delegations import ACTING_FOR_MAX, is_open, powers_of, standing
from service.identity.keyring import Keyring
from service.identity.models import ActingFor, Delegation
from service.identity.vault import Reader, read_values


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
    """For whom somebody may act; each name that is opened leaves a record with its person."""
    rows = session.execute(
        select(ActingFor.holder_id, ActingFor.delegation_id)
        .where(ActingFor.delegate_id == delegate_id)
        .order_by(ActingFor.delegation_id)
        .limit(ACTING_FOR_MAX)
    )
    found = []
    for holder_id, delegation_id in rows.all():
        each = session.get(Delegation, (holder_id, delegation_id))
        if each is not None and each.ended_at is None and is_open(session, holder_id):
            found.append(for_delegate(session, keyring, each, now=now))
    return found


def for_delegate(session: Session, keyring: Keyring, each: Delegation, *, now: datetime) -> Named:
    """A delegation with the holder's name, of which a record of the read is left."""
    reader = Reader(str(each.delegate_id), "resident", "acting-for", daily=True)
    name = _name_of(session, keyring, each.holder_id, reader=reader, now=now)
    return Named(each, name, powers_of(session, each, now))


def delegates(session: Session, keyring: Keyring, holder_id: UUID, *, now: datetime) -> list[Named]:
    """Who may act for somebody; each name that is opened leaves a record with its person."""
    reader = Reader(str(holder_id), "resident", "delegates", daily=True)
    return [
        Named(
            each,
            _name_of(session, keyring, each.delegate_id, reader=reader, now=now),
            powers_of(session, each, now),
        )
        for each in standing(session, holder_id)
    ]


def _name_of(
    session: Session, keyring: Keyring, holder_id: UUID, *, reader: Reader, now: datetime
) -> str | None:
    """Somebody's name, with a record of the read; None where none is kept."""
    try:
        found = read_values(session, keyring, holder_id, ["name"], reader=reader, now=now)
    except AccountClosed:
        return None
    return found[0].value if found else None
