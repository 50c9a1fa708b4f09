"""Real-name status: a flag that an outside verifier sets; no name or document comes here.

Kept here: of what verifiers say of a resident the latest counts, so that a message that comes late
or twice undoes nothing; a verifier withdraws only its own word.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.errors import UnknownResident
from service.api_keys.errors import VerificationFromTheFuture, VerificationOutdated
from service.identity.models import Person

CLOCKS = timedelta(minutes=5)  # So far a verifier's clock may be ahead of ours.


class Word(NamedTuple):
    """What a verifier (``by``, its name) says of a resident, and when it found so."""

    holder_id: UUID
    by: str
    said_at: datetime
    verified: bool


def say(session: Session, word: Word, *, now: datetime) -> bool:
    """Whether the resident counts as verified after a verifier's word. The same again changes
    nothing.

    Raises:
        UnknownResident: there is none, or the account is closed.
        VerificationOutdated: a later word is known, or another one of the same instant.
        VerificationFromTheFuture: it would outlast whatever is said before then.
    """
    if word.said_at > now + CLOCKS:
        raise VerificationFromTheFuture
    person = session.scalar(
        select(Person)
        .where(Person.holder_id == word.holder_id, Person.closed_at.is_(None))
        .with_for_update()
    )
    if person is None:
        raise UnknownResident(word.holder_id)
    if not word.verified and person.real_name_by not in (None, word.by):
        return True  # Another verifier's word stands.
    known = person.real_name_said_at
    if known is not None and word.said_at <= known:
        again = word.said_at == known and word.verified == (person.real_name_at is not None)
        if not again:
            raise VerificationOutdated(known)
        return word.verified
    person.real_name_said_at = word.said_at
    person.real_name_at = word.said_at if word.verified else None
    person.real_name_by = word.by if word.verified else None
    session.flush()
    return word.verified
