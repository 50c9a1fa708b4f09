"""A resident's phone: how it is written, and that it is one person's at a time."""

import re
import unicodedata
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together
from service.identity.errors import AccountClosed
from service.identity.keyring import Keyring
from service.identity.logins.errors import PhoneTaken
from service.identity.logins.sessions import record_event
from service.identity.logins.signing_in import Proof, add_proof
from service.identity.outside_ids import find_holders
from service.identity.vault import add_people

SOURCE = "phone"
TYPED_MAX = 40
CHANGED, BOUND_BY_GUARDIAN = "phone_changed", "phone_bound_by_guardian"  # Security events.
_MAINLAND = re.compile("(?:\\+86)?(1[3-9][0-9]{9})")
_ABROAD = re.compile("\\+(?!86)[1-9][0-9]{7,14}")

_LOCK: LiteralString = "SELECT closed_at FROM person WHERE holder_id = %(holder)s FOR UPDATE"
_NOW: LiteralString = """
    SELECT value_key FROM personal_value WHERE holder_id = %(holder)s AND field = 'phone'
"""
_UNTIE: LiteralString = """
    DELETE FROM outside_id
    WHERE value_key = ANY(CAST(%(keys)s AS bytea[])) AND holder_id = %(holder)s
"""
_FORGET: LiteralString = """
    DELETE FROM personal_value WHERE holder_id = %(holder)s AND field = 'phone'
        AND value_key = ANY(CAST(%(keys)s AS bytea[]))
"""


def e164(typed: str) -> str:
    """A phone as typed, as E.164 has it: a mainland mobile (bare, or with +86), or one abroad.

    Blanks and dashes do not matter, nor do the wide digits of Chinese keyboards. Raises ValueError,
    which does not repeat it.
    """
    text = unicodedata.normalize("NFKC", typed)
    text = re.sub("[ \\u2010-\\u2015-]", "", text)
    if found := _MAINLAND.fullmatch(text):
        return f"+86{found[1]}"
    if _ABROAD.fullmatch(text):
        return text
    raise ValueError("not a phone")


def has_phone(session: Session, keyring: Keyring, holder_id: UUID, phone: str) -> bool:
    """Whether the phone is this person's already."""
    return find_holders(session, keyring, SOURCE, [phone]).get(phone) == holder_id


def change_phone(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    phone: str,
    *,
    event: str = CHANGED,
    from_address: str,
    now: datetime,
) -> None:
    """Let a phone that was proved to be theirs be this person's, in place of the one before.

    The one before opens nothing from now on. ``event`` is what the person reads of it. Again:
    nothing is written.

    Raises:
        PhoneTaken: it is another resident's. AccountClosed.
    """
    key = keyring.value_key(SOURCE, phone)
    add_people(session, keyring, [holder_id], now=now)
    person, rows = together(session, (_LOCK, {"holder": holder_id}), (_NOW, {"holder": holder_id}))
    if person.fetchone() != (None,):
        raise AccountClosed(holder_id)
    before = [bytes(value_key) for (value_key,) in rows]
    if before == [key]:
        return
    if add_proof(session, keyring, Proof(SOURCE, (phone,)), holder_id, now=now) != holder_id:
        raise PhoneTaken
    if old := [each for each in before if each != key]:
        gone = {"holder": holder_id, "keys": array_of(f'"\\\\x{each.hex()}"' for each in old)}
        together(session, (_UNTIE, gone), (_FORGET, gone))
    record_event(session, holder_id, event, from_address=from_address, now=now)
