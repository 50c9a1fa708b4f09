"""From a proof of who somebody is, as a phone code brings it, to a session of theirs.

Kept here: who closed their account is as unknown as anybody, and no session begins for an account
that is being closed at the same time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import together
from service.identity.keyring import Keyring
from service.identity.logins.sessions import Begun, Login, begin
from service.identity.outside_ids import add_ids, find_holders

RESIDENT = "resident"

_PERSON: LiteralString = """
    SELECT closed_at IS NULL FROM person WHERE holder_id = %(holder)s FOR SHARE
"""
_MAKE_WAY: LiteralString = """
    DELETE FROM outside_id
    WHERE value_key = %(key)s AND (ended_at IS NOT NULL OR holder_id = %(closed)s)
"""


class Proof(NamedTuple):
    """Somebody is whom a source knows by these values: "phone", "wechat" or "oidc".

    By any of them they are found; by the first they are kept when they are new.
    """

    source: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who got in, and the session that began."""

    holder_id: UUID
    begun: Begun


def sign_in(
    session: Session,
    keyring: Keyring,
    proof: Proof,
    *,
    device_name: str,
    from_address: str,
    now: datetime,
) -> SignedIn | None:
    """Begin a session of the person with this proof; None where there is none (any more).

    A retry begins another session.
    """
    holder_id = living_holder(session, keyring, proof)
    if holder_id is None:
        return None
    login = Login(holder_id, RESIDENT, proof.source, device_name)
    return SignedIn(holder_id, begin(session, login, from_address=from_address, now=now))


def living_holder(session: Session, keyring: Keyring, proof: Proof) -> UUID | None:
    """Whose proof this is; locks the person, so that nobody closes the account meanwhile."""
    found = find_holders(session, keyring, proof.source, proof.values)
    for value in proof.values:
        if (holder_id := found.get(value)) is not None and _lives(session, holder_id):
            return holder_id
    return None


def add_proof(
    session: Session, keyring: Keyring, proof: Proof, holder_id: UUID, *, now: datetime
) -> UUID:
    """Tie a proof to a holder, and answer whose it is now: a living person keeps theirs.

    What a closed account left of it, or what ended, makes way: it was proven anew. Raises
    AccountClosed when the holder is.
    """
    value = proof.values[0]
    known = find_holders(session, keyring, proof.source, [value]).get(value)
    if known is not None and _lives(session, known):
        return known
    key = keyring.value_key(proof.source, value)
    together(session, (_MAKE_WAY, {"key": key, "closed": known}))
    return add_ids(session, keyring, proof.source, {value: holder_id}, now=now)[value]


def _lives(session: Session, holder_id: UUID) -> bool:
    (rows,) = together(session, (_PERSON, {"holder": holder_id}))
    return rows.fetchone() == (True,)
