"""Residents under lock: who changes what was decided about a resident has them alone until the
commit.

An UPDATE locks rows of many shards in the order of the list, which ``FOR UPDATE`` may not (design
section 7). It counts as well: who read a resident's state before and finds the count one higher
than then knows that nothing was decided meanwhile. So a batch is decided before its residents are
locked, and only those whom somebody else was busy with are decided again.
"""

from collections.abc import Iterable, Mapping
from typing import LiteralString, NamedTuple, Never
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.errors import UnknownResident
from activities.models import Participant
from ledgers.bulk import BY_INDEX, array_of, together
from ledgers.errors import AccountClosed


class Resident(NamedTuple):
    """Which programme a resident takes part in, the town they live in, and how often somebody had
    their lock.
    """

    programme_code: str
    division_code: str
    turns: int


_COLUMNS: LiteralString = """
    replace(p.holder_id::text, '-', ''), p.programme_code, p.division_code, p.turns
"""
_READ: LiteralString = f"""
    SELECT {_COLUMNS}
    FROM unnest(CAST(%(holders)s AS uuid[])) AS k (holder_id)
    JOIN participant AS p ON p.holder_id = k.holder_id AND p.closed_at IS NULL
"""
_LOCK: LiteralString = f"""
    UPDATE participant AS p SET turns = p.turns + 1
    FROM unnest(CAST(%(holders)s AS uuid[])) AS k (holder_id)
    WHERE p.holder_id = k.holder_id AND p.closed_at IS NULL AND NOT EXISTS (
        SELECT FROM account AS a
        WHERE a.holder_id = p.holder_id AND a.closed_at IS NOT NULL)
    RETURNING {_COLUMNS}
"""


def read_residents(session: Session, holders: Iterable[str]) -> dict[str, Resident]:
    """Those of the holders (in hexadecimal) who take part. One round trip."""
    return _residents(session, _READ, holders)


def lock_residents(session: Session, holders: Iterable[str]) -> dict[str, Resident]:
    """The same, locked, lowest first; ``turns`` counts this lock too. Whose accounts are closed
    takes part no more: nothing can be booked there. Who closes has this lock: it is asked of the
    very row, since a wait for it makes nothing else be read anew.

    For the rest of the transaction lists of keys are looked up by index.
    """
    return _residents(session, _LOCK, holders)


def gone(
    session: Session, holders: Iterable[str], locked: Mapping[str, Resident]
) -> frozenset[UUID]:
    """Those of the holders (in hexadecimal) whom ``lock_residents`` left out since they closed
    their accounts. What was decided about them stays as it stands. No statement when all are there.
    """
    missing = {UUID(holder) for holder in holders if holder not in locked}
    if not missing:
        return frozenset()
    query = select(Participant.holder_id).where(
        Participant.holder_id.in_(missing), Participant.closed_at.is_not(None)
    )
    return frozenset(session.scalars(query))


def refuse_absent(session: Session, holder_id: UUID) -> Never:
    """Raises AccountClosed for who takes part no more, UnknownResident for who never did."""
    if gone(session, [holder_id.hex], {}):
        raise AccountClosed(holder_id)
    raise UnknownResident(holder_id)


def _residents(
    session: Session, statement: LiteralString, holders: Iterable[str]
) -> dict[str, Resident]:
    wanted = sorted(set(holders))
    *_, rows = together(session, *BY_INDEX, (statement, {"holders": array_of(wanted)}))
    return {holder: Resident(*resident) for holder, *resident in rows}
