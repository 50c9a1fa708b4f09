"""Moves: points that go from one lot of an account to another, while the balance stays.

A debt that is paid, or days of grace: two transfers through the programme's clearing account, there
and back, so that a statement shows it and every lot recomputes from transfers (decision 20).
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, AccountKey, account_key
from ledgers.bulk import NULL, together
from ledgers.funds import Part
from ledgers.writing import (
    NewPosting,
    NewTransfer,
    claiming,
    content_of,
    digest_of,
    writing_transfers,
)


class Move(NamedTuple):
    """A part of an account's points, who issued them, and the last day of the lot they go to; None
    for a debt. ``reference`` is what caused it.
    """

    key: AccountKey
    part: Part
    issuer_id: UUID
    to_day: date | None
    reference: UUID


def write_moves(
    session: Session,
    posting_id: UUID,
    kind: str,
    actor: str,
    moves: Sequence[Move],
    now: datetime,
) -> None:
    """Put moves down as one posting, under an id that is new. The caller writes the lots."""
    transfers, lines = [], []
    for key, part, issuer_id, to_day, reference in moves:
        clearing = account_key(issuer_id, key.unit, CLEARING)
        for debit, credit, day in ((key, clearing, part.expires_on), (clearing, key, to_day)):
            transfer = NewTransfer(key.holder_id, debit, credit, part.amount, kind, reference, now)
            transfers.append(transfer)
            lines.append((content_of(transfer, part.amount), day or NULL))
    posting = NewPosting(posting_id, kind, actor, transfers)
    digest = digest_of(posting, [str(line) for line in lines])
    claimed, *_ = together(
        session,
        claiming(posting, digest, transfers=len(lines), now=now),
        *writing_transfers(session, [(posting_id, lines)], now),
    )
    assert claimed.rowcount == 1, "named by its cause, which is written once"
