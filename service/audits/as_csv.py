"""Postings and transfers as CSV, in flat memory; no transaction waits for a slow reader.

Kept here: a row is written once, though each page is a transaction of its own: pages go on behind
the last row's place, backwards in time, and what is recorded meanwhile is beyond ``heads.until``.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar
from uuid import UUID

from ledgers import journal
from ledgers.filters import Heads, Moves
from ledgers.journal import JournalPosting, JournalTransfer, Page
from service.db import Database
from service.settling.as_csv import harmless

MEDIA_TYPE = "text/csv; charset=utf-8"
POSTINGS = (
    *("posting_id", "kind", "actor", "reason", "request_id", "approved_by", "recorded_at"),
    *("transfer_count", "content_sha256", "log_index"),
)
TRANSFERS = (
    *("transfer_id", "posting_id", "position", "holder_id", "unit", "debit_account_id"),
    *("credit_account_id", "amount", "kind", "reference", "occurred_at", "reverses_id"),
    *("expires_on", "posting_kind", "actor", "recorded_at", "log_index"),
)
_BOM = "\ufeff"
Cells = Sequence[object]
Row = TypeVar("Row")


def postings(database: Database, heads: Heads, moves: Moves, *, bom: bool) -> Iterator[bytes]:
    """Under its heading a line a posting, the newest first; ``heads.until`` is set."""
    assert heads.until is not None

    def page(after: Any) -> Page[JournalPosting, Any]:
        return database.transact(
            lambda s: journal.postings(s, heads, moves, after=after, limit=journal.PAGE_MAX)
        )

    return _csv(POSTINGS, _rows(page, _posting), bom=bom)


def transfers(
    database: Database, heads: Heads, moves: Moves, *, holder_id: UUID | None, bom: bool
) -> Iterator[bytes]:
    """Likewise a line a transfer; of one holder alone where one is named."""
    assert heads.until is not None

    def page(after: Any) -> Page[JournalTransfer, Any]:
        most = journal.PAGE_MAX
        if holder_id is None:
            return database.transact(
                lambda s: journal.transfers(s, heads, moves, after=after, limit=most)
            )
        return database.transact(
            lambda s: journal.transfers_of_holder(
                s, holder_id, heads, moves, after=after, limit=most
            )
        )

    return _csv(TRANSFERS, _rows(page, _transfer), bom=bom)


def _rows(
    page: Callable[[Any], Page[Row, Any]], written: Callable[[Row], Cells]
) -> Iterator[list[Cells]]:
    after = None
    while True:
        found = page(after)
        yield [written(row) for row in found.rows]
        if (after := found.next_after) is None:
            return


def _csv(columns: Cells, pages: Iterable[list[Cells]], *, bom: bool) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if bom:
        buffer.write(_BOM)
    writer.writerow(columns)
    for page in pages:
        writer.writerows(page)
        if content := buffer.getvalue():
            yield content.encode()
            buffer.seek(0)
            buffer.truncate()


def _posting(row: JournalPosting) -> Cells:
    it = row.posting
    said = [harmless(word or "") for word in (it.actor, it.reason, it.request_id, it.approved_by)]
    facts = (it.transfer_count, it.content_sha256.hex(), row.log_index)
    return (it.id, it.kind, *said, it.recorded_at.isoformat(), *facts)


def _transfer(row: JournalTransfer) -> Cells:
    it, posting = row.transfer, row.posting
    return (
        *(it.id, it.posting_id, it.position, it.holder_id, it.unit, it.debit_account_id),
        *(it.credit_account_id, it.amount, it.kind, it.reference, it.occurred_at.isoformat()),
        *(it.reverses_id, it.expires_on, posting.kind, harmless(posting.actor)),
        *(posting.recorded_at.isoformat(), row.log_index),
    )
