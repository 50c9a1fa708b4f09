"""Records end in their time: what ``retention.KINDS`` says, done in small steps.

Large tables are gone through person by person. A run that has not the time for all begins with
other persons than the run before, so that each has their turn once a week.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import together
from ledgers.ids import uuid7_floor
from service.identity.retention import KINDS, Kind
from service.identity.walks import Walk

ROWS_AT_ONCE = 5_000
NOBODY = UUID(int=0)
LAST = UUID(int=2**128 - 1)
SLICES = 7 * 24  # Of all persons: one an hour of the week.


def walks() -> Iterator[tuple[Kind, Walk]]:
    """The kinds whose large tables the job goes through."""
    return ((kind, kind.walk) for kind in KINDS if kind.walk is not None)


def first_of(now: datetime) -> UUID:
    """Where a run of this hour begins: there is none for whom it is not the turn once a week."""
    return UUID(int=int(now.timestamp() // 3600) % SLICES * (2**128 // SLICES))


def end_small(session: Session, *, now: datetime) -> int:
    """Let what ends in small tables end; how many rows."""
    ended = 0
    for kind in KINDS:
        if kind.once is not None:
            assert kind.kept is not None
            (cursor,) = together(session, (kind.once, {"before": now - kind.kept}))
            ended += cursor.rowcount
    return ended


def around(now: datetime) -> Iterator[tuple[UUID, UUID]]:
    """From this hour's first person on, and round to them again: after whom, and to whom."""
    first = first_of(now)
    yield first, LAST
    yield NOBODY, first


def end_next(
    session: Session, *, kind: Kind, walk: Walk, after: UUID, end: UUID, now: datetime
) -> tuple[int, UUID]:
    """Let rows of the next persons after ``after`` end, some ROWS_AT_ONCE rows looked at.

    Answers how many rows ended, and the last person looked at: ``end`` when it is done. Safe to
    repeat and to kill.
    """
    assert kind.kept is not None
    before = now - kind.kept
    last = min(_upto(session, walk, after) or end, end)
    parameters = {"after": after, "upto": last, "before": before, "lowest": uuid7_floor(before)}
    cursors = together(session, *((each, parameters) for each in walk.deletes))
    return sum(cursor.rowcount for cursor in cursors), last


def _upto(session: Session, walk: Walk, after: UUID) -> UUID | None:
    """The person of the row so many further on; all of theirs belong to the batch."""
    query: LiteralString = (
        "SELECT " + walk.person + " FROM " + walk.table + " WHERE " + walk.person + " > %(after)s"
        " ORDER BY " + walk.person + " LIMIT 1 OFFSET %(rows_ahead)s"
    )
    (cursor,) = together(session, (query, {"after": after, "rows_ahead": ROWS_AT_ONCE - 1}))
    found = cursor.fetchone()
    return found[0] if found else None
