"""Closing: a resident takes part no more. What they did stays as it stood then, under the opaque
holder, so that districts' figures and the audit stay true; nothing of it is decided any more.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.models import Participant
from ledgers.bulk import together

NOBODY_LEFT = "账户已注销，不再审理。 The account was closed; nothing is decided any more."

_CLOSE: LiteralString = """
    UPDATE participant SET closed_at = %(now)s, turns = turns + 1
    WHERE holder_id = %(holder)s AND closed_at IS NULL
"""
_WITHDRAW: LiteralString = """
    UPDATE consent SET withdrawn_at = greatest(given_at, %(now)s)
    WHERE holder_id = %(holder)s AND withdrawn_at IS NULL
"""
_CASES: LiteralString = """
    UPDATE review_case SET state = 'closed', closed_at = %(now)s
    WHERE holder_id = %(holder)s AND state <> 'closed'
"""
_APPEALS: LiteralString = """
    UPDATE appeal SET answered_at = %(now)s, answer = %(answer)s, outcome = 'upheld',
        answered_by = %(actor)s
    WHERE holder_id = %(holder)s AND outcome IS NULL
"""


@dataclass(frozen=True, slots=True)
class Left:
    """In which programme a resident took part, and the holder of its accounts."""

    programme_code: str
    issuer_id: UUID


def leave(session: Session, holder_id: UUID, *, actor: str, now: datetime) -> Left | None:
    """Let a resident take part no more: consents are withdrawn, open cases and appeals closed as
    they stand. None for who never took part.

    Again: changes nothing and answers the same. Locks the resident until the transaction ends, as
    whoever decides about them does: so nothing is decided half before and half after.
    """
    parameters = {"holder": holder_id, "now": now, "actor": actor, "answer": NOBODY_LEFT}
    together(
        session,
        (_CLOSE, parameters),
        (_WITHDRAW, parameters),
        (_CASES, parameters),
        (_APPEALS, parameters),
    )
    query = (
        select(Participant.programme_code, Programme.holder_id)
        .join(Programme, Programme.code == Participant.programme_code)
        .where(Participant.holder_id == holder_id)
    )
    row = session.execute(query).one_or_none()
    return None if row is None else Left(*row)
