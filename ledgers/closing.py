"""Closing: a holder leaves. What remains of their points lapses, and nothing is booked there again.

Kept here: the lapse is one posting that follows from the holder, so closing again closes nothing
twice; the balance of points is zero afterwards and no debt stands. What was saved (CO2e) stays as
the record of fact that it is, under the opaque id. The secret of the holder's leaves in the log is
destroyed once all of them are sealed: a leaf sealed after that could be tied to nobody, not even by
a receipt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.accounts import EXPIRED, account_key
from ledgers.bulk import NULL, Statement, together
from ledgers.funds import Funds, Part, lock_holder
from ledgers.lapsing import lapse
from ledgers.log.leaves import erase_secret
from ledgers.log.sealing import newest_checkpoint
from ledgers.models import SealedPosting, Transfer
from ledgers.writing import (
    Line,
    NewPosting,
    NewTransfer,
    changing,
    claiming,
    content_of,
    contents_of,
    digest_of,
    lot_changes,
    writing_transfers,
)

REASON = "account closed"
_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/closing")
_POSTINGS_AT_ONCE = 10_000
_CLOSE: LiteralString = """
    UPDATE account SET closed_at = %(now)s
    WHERE holder_id = %(holder)s AND guarded AND closed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Closed:
    """What lapsed at the closing, and the debt that was let go; in points, both may be zero."""

    lapsed_points: int
    forgiven_points: int


def posting_id_of(holder_id: UUID) -> UUID:
    """The id of the posting by which a holder's points lapse at the closing."""
    return uuid5(_NAMESPACE, holder_id.hex)


def close_holder(
    session: Session,
    holder_id: UUID,
    *,
    issuer_id: UUID,
    actor: str,
    now: datetime,
    request_id: str | None = None,
) -> Closed:
    """Lapse what remains of the holder's points and close their accounts.

    Args:
        issuer_id: the holder's programme, to whose account goes what is in no lot: points that
            never expire. Points of a lot go to their own issuer. The programme bears a debt, which
            lapses, too: from then on nobody owes it.
        actor: who closes, as in ``NewPosting``.

    Closing again changes nothing and answers the same. Holds have ended before: it is an error of
    the caller to close over one. Locks all accounts of the holder until the transaction ends.
    """
    accounts = lock_holder(session, holder_id)
    points = [funds for funds in accounts.values() if funds.key.unit == "point"]
    assert not any(funds.held for funds in accounts.values()), "holds end before the closing"
    lapse(session, points, now=now)
    lines = [line for funds in points for line in _lines(funds, issuer_id, now)]
    if lines:
        posting = NewPosting(
            posting_id_of(holder_id), "lapse", actor, [t for t, _ in lines], REASON, request_id
        )
        _write(session, posting, lines, points, now)
    together(session, (_CLOSE, {"now": now, "holder": holder_id}))
    return closed(session, holder_id)


def closed(session: Session, holder_id: UUID) -> Closed:
    """What the closing came to, as it was booked; nothing for who is not closed."""
    query = (
        select(Transfer.debit_account_id, func.sum(Transfer.amount))
        .where(Transfer.holder_id == holder_id, Transfer.posting_id == posting_id_of(holder_id))
        .group_by(Transfer.debit_account_id)
    )
    own = UUID(account_key(holder_id, "point", "personal").id)
    sums = {account_id: int(amount) for account_id, amount in session.execute(query)}
    lapsed = sums.pop(own, 0)
    return Closed(lapsed, sum(sums.values()))


def erase(session: Session, holder_id: UUID) -> bool:
    """Destroy the secret of a closed holder's leaves, if all of them are under a checkpoint.

    False, and nothing is done, while some wait: ask again later. Again: True, and nothing changes.
    Receipts given before hold; none is given afterwards.
    """
    if not _all_sealed(session, holder_id):
        return False
    erase_secret(session, holder_id)
    return True


def _lines(funds: Funds, issuer_id: UUID, now: datetime) -> Iterable[tuple[NewTransfer, Part]]:
    """What remains to its issuer's expired account, by lot; a debt from there."""
    cause = posting_id_of(funds.key.holder_id)
    if funds.debt:
        expired = account_key(issuer_id, funds.key.unit, EXPIRED)
        yield (
            NewTransfer(funds.key.holder_id, expired, funds.key, funds.debt, "lapse", cause, now),
            Part(None, funds.debt),
        )
    for part in funds.spend(funds.available):
        issuer = funds.buckets[part.expires_on].issuer_id if part.expires_on else issuer_id
        expired = account_key(issuer, funds.key.unit, EXPIRED)
        yield (
            NewTransfer(funds.key.holder_id, funds.key, expired, part.amount, "lapse", cause, now),
            part,
        )


def _write(
    session: Session,
    posting: NewPosting,
    planned: list[tuple[NewTransfer, Part]],
    points: list[Funds],
    now: datetime,
) -> None:
    lines: list[Line] = [
        (content_of(transfer, part.amount), part.expires_on or NULL) for transfer, part in planned
    ]
    changes: dict[str, tuple[str, str, int]] = {}
    for transfer, _ in planned:
        key = transfer.credit if transfer.debit.is_system else transfer.debit
        sign = 1 if transfer.debit.is_system else -1
        _, _, before = changes.get(key.id, ("", "", 0))
        changes[key.id] = (key.holder_id.hex, key.id, before + sign * transfer.amount)
    digest = digest_of(posting, contents_of(posting.transfers))
    statements: list[Statement] = [
        claiming(posting, digest, transfers=len(lines), now=now),
        *writing_transfers(session, [(posting.id, lines)], now),
        changing(changes.values(), clawback=False),
        *lot_changes(points),
    ]
    claimed, *_ = together(session, *statements)
    assert claimed.rowcount == 1, "open accounts were never closed"


def _all_sealed(session: Session, holder_id: UUID) -> bool:
    """Postings and transfers are not kept by the same column: asked for one after the other."""
    newest = newest_checkpoint(session)
    size = newest.size if newest else 0
    ids = session.scalars(
        select(Transfer.posting_id).where(Transfer.holder_id == holder_id).distinct()
    ).all()
    for start in range(0, len(ids), _POSTINGS_AT_ONCE):
        some = ids[start : start + _POSTINGS_AT_ONCE]
        query = select(func.count()).where(
            SealedPosting.posting_id.in_(some),
            SealedPosting.first_index + SealedPosting.transfer_count <= size,
        )
        if session.scalar(query) != len(some):
            return False
    return True
