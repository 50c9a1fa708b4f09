"""Lapse: points whose day is over leave their lot, each account by a posting of its own.

A job does it for everybody; who spends or reserves before the job came by has it done on the way,
so that what can be used never depends on when a job runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import EXPIRED, account_key
from ledgers.bulk import array_of, together
from ledgers.funds import Funds, Part, lock_accounts
from ledgers.writing import (
    NewPosting,
    NewTransfer,
    changing,
    content_of,
    lot_changes,
    write_postings,
    writing_transfers,
)

NOBODY = UUID(int=0)
ACCOUNTS_MAX = 2_000  # A batch is one transaction, some tenths of a second.
ACTOR = "job:lapse_lots"


def lapse(session: Session, accounts: Sequence[Funds], *, now: datetime) -> int:
    """Lapse what is due in locked accounts and not held; answers how many lapsed something.

    ``accounts`` are changed as well: the caller goes on with what is left.
    """
    due = [(funds, funds.due(now)) for funds in accounts]
    lapses = [(funds, parts) for funds, parts in due if parts]
    if not lapses:
        return 0
    postings = [_posting(funds, parts, now) for funds, parts in lapses]
    write_postings(session, postings, now=now)
    statements = writing_transfers(
        session,
        [
            (
                posting.id,
                [
                    (content_of(transfer, part.amount), part.expires_on)
                    for transfer, part in zip(posting.transfers, parts, strict=True)
                ],
            )
            for posting, (_, parts) in zip(postings, lapses, strict=True)
        ],
        now,
    )
    rows = [
        (funds.key.holder_id.hex, funds.key.id, -sum(part.amount for part in parts))
        for funds, parts in lapses
    ]
    for funds, parts in lapses:
        funds.take(parts)
    changed_lots = lot_changes(funds for funds, _ in lapses)
    *_, changed = together(session, *statements, *changed_lots, changing(rows, clawback=False))
    assert changed.fetchall()[-1][1] == len(rows), "they are locked, so they are there"
    for funds, _ in lapses:
        funds.before = dict(funds.lots)
    return len(lapses)


def _posting(funds: Funds, parts: Iterable[Part], now: datetime) -> NewPosting:
    posting_id = uuid4()
    transfers = []
    for part in parts:
        assert part.expires_on is not None
        bucket = funds.buckets[part.expires_on]
        transfers.append(
            NewTransfer(
                funds.key.holder_id,
                funds.key,
                account_key(bucket.issuer_id, funds.key.unit, EXPIRED),
                part.amount,
                "lapse",
                posting_id,
                bucket.lapses_at,
            )
        )
    return NewPosting(posting_id, "lapse", ACTOR, transfers)


_DUE = text("""
    SELECT holder_id, account_id FROM lot
    WHERE lapses_at <= :now AND holder_id > :after
    GROUP BY holder_id, account_id ORDER BY holder_id, account_id LIMIT :limit
""")
_FORGET = text("""
    DELETE FROM lot
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND lapses_at <= :now AND remaining = 0
""")


@dataclass(frozen=True, slots=True)
class Lapsed:
    """How many accounts were looked at and how many lapsed something; where to go on."""

    accounts: int
    lapsed: int
    after: UUID


def lapse_due(
    session: Session, *, now: datetime, after: UUID = NOBODY, limit: int = ACCOUNTS_MAX
) -> Lapsed:
    """Lapse the due lots of the next ``limit`` holders after ``after``; forgets empty ones.

    A fixed number of statements. Safe to repeat and to kill: a batch is one transaction, and what
    has lapsed is not there to lapse again. Done when fewer than ``limit`` were looked at.
    """
    parameters = {"now": now, "after": after, "limit": limit}
    keys = [(holder, account) for holder, account in session.execute(_DUE, parameters)]
    if not keys:
        return Lapsed(0, 0, after)
    accounts = lock_accounts(session, keys)
    lapsed = lapse(session, list(accounts.values()), now=now)
    holders = array_of(sorted({holder.hex for holder, _ in keys}))
    session.execute(_FORGET, {"holders": holders, "now": now})
    return Lapsed(len(keys), lapsed, keys[-1][0])
