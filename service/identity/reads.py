"""Who read which of a person's data, when and what for: the vault writes, the person reads."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.identity.models import PersonalRead

SELF = "self"  # As the reader: the person themselves.
READS_MAX = 1_000


class Read(NamedTuple):
    """One opening of a person's values."""

    id: UUID
    read_at: datetime
    reader: str
    role: str
    fields: Sequence[str]
    purpose: str


def reads(
    session: Session, holder_id: UUID, *, before: UUID | None = None, limit: int
) -> list[Read]:
    """The newest first; ``before`` is the id of the last one seen, ``limit`` at most READS_MAX."""
    assert 1 <= limit <= READS_MAX
    query = select(
        PersonalRead.id,
        PersonalRead.read_at,
        PersonalRead.reader,
        PersonalRead.role,
        PersonalRead.fields,
        PersonalRead.purpose,
    ).where(PersonalRead.holder_id == holder_id)
    if before is not None:
        query = query.where(PersonalRead.id < before)
    rows = session.execute(query.order_by(PersonalRead.id.desc()).limit(limit))
    return [Read(*row) for row in rows]
