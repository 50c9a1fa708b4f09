"""Readers of the log: who follows it leaf by leaf reads each posting once, so it must be all there.

On one machine a posting that has its place is. Where tables are spread over nodes, one may show
what was written a moment before another does, and some minutes before one that started again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of
from ledgers.ids import uuid7_floor

_COUNTS = text("""
    SELECT posting_id, count(*) AS transfers FROM transfer
    WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND id >= :low AND id < :high
    GROUP BY posting_id
""")
# A row lock alone is the coordinator's: it ends a moment before all nodes show what was written
# under it. A write waits for that on each.
_LOCK = text("UPDATE log_reader SET next_index = next_index WHERE name = :name")


def lock(session: Session, name: str) -> None:
    """From here on what a reader wrote is to be seen whole, and until the transaction ends it
    writes nothing more. Who moves the reader on, before it looks at what was written, need not.
    """
    session.execute(_LOCK, {"name": name})


def whole(session: Session, rows: Sequence[Any], begin: int) -> list[Any]:
    """The sealed postings that follow each other from place ``begin`` on, up to the first of which
    a transfer is not to be seen yet: what a reader passed over it would never read again.

    ``rows`` have a posting's ``id``, ``recorded_at``, ``first_index`` and ``transfer_count``, in
    the order of the log. All that is stored with a transfer's holder is to be seen with it.
    """
    if not rows:
        return []
    parameters = {
        "postings": array_of(row.id.hex for row in rows),
        **window([row.recorded_at for row in rows]),
    }
    counts = {row.posting_id: row.transfers for row in session.execute(_COUNTS, parameters)}
    found = []
    for row in rows:
        if row.first_index != begin or counts.get(row.id) != row.transfer_count:
            break
        found.append(row)
        begin += row.transfer_count
    return found


def window(recorded: Sequence[datetime]) -> dict[str, UUID]:
    """``low`` and ``high``: ids of the transfers of postings that were recorded then are from the
    one on and before the other.
    """
    return {
        "low": uuid7_floor(min(recorded)),
        "high": uuid7_floor(max(recorded) + timedelta(milliseconds=1)),
    }
