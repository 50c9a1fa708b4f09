"""Returning: what many spent is given back at once, by the rules of ``ledgers.reversal``."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import REDEEMED
from ledgers.bulk import array_of, look_up_by_index
from ledgers.ids import uuid7_floor
from ledgers.posting import Posted
from ledgers.undoing import CLOCKS_DIFFER, TOGETHER_MAX, Moves, Reversal, undo

__all__ = ["TOGETHER_MAX", "Reversal", "return_many", "spends_left"]

_SPENDS = Moves(
    own=lambda transfer: transfer.debit_account_id,
    theirs=lambda transfer: transfer.credit_account_id,
    kind=REDEEMED,
)


def return_many(session: Session, returns: Sequence[Reversal], *, now: datetime) -> list[Posted]:
    """Give back what many holders spent; an answer for each return, in their order.

    Each is what ``ledgers.reversal.reverse`` would do: at most once in total, partial amounts add
    up, a debt is paid first, the rest goes to the lot it came from, or, where that has lapsed, to
    one of the policy's days of grace. A return whose id stands already is a retry and writes
    nothing.

    Args:
        returns: each with an id of its own that follows from its cause, at most TOGETHER_MAX
            transfers together, all of them from a personal account to a programme's ``redeemed``.
            Of one holder there may be several.
        now: the zone-aware instant of this write.

    Raises:
        UnknownTransfer: ids that the holder does not have (all are listed).
        NotReversible: nothing that was spent, or less is left of it than asked for (all are
            listed).
        InvalidAmount: not a whole number from 1 to 2^53.
        UnknownAccount: an account is closed: nothing is given to who has left.
        PostingReused: an id stands for other content.
        Nothing is written then: the caller rolls back.

    A fixed number of statements, and one more a lot's last day. Locks the accounts, lowest
    (holder, id) first, until the caller's transaction ends. Source: docs/DECISIONS.md, 5 and 18.
    """
    return undo(session, returns, _SPENDS, now=now)


_SPENT = text("""
    SELECT t.posting_id, t.id, t.amount
    FROM unnest(CAST(:holders AS uuid[]), CAST(:postings AS uuid[])) AS k (holder, posting)
    JOIN transfer AS t ON t.holder_id = k.holder AND t.posting_id = k.posting
    WHERE t.id >= :since AND t.kind = 'spend'
""")
_RETURNED = text("""
    SELECT reverses_id, sum(amount)::bigint FROM transfer
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND id >= :since
      AND reverses_id = ANY(CAST(:ids AS uuid[]))
    GROUP BY reverses_id
""")


def spends_left(
    session: Session, spends: Mapping[UUID, UUID], *, since: datetime
) -> dict[UUID, dict[UUID, int]]:
    """What is left to be given back of postings that spent: by posting, then by transfer.

    ``spends`` names each posting's holder; none of them was written before ``since``. The caller
    holds the holders' locks. Two statements.
    """
    rows = sorted((holder.hex, posting.hex) for posting, holder in spends.items())
    parameters: dict[str, object] = {
        "holders": array_of(holder for holder, _ in rows),
        "postings": array_of(posting for _, posting in rows),
        "since": uuid7_floor(since - CLOCKS_DIFFER),
    }
    look_up_by_index(session)
    spent = session.execute(_SPENT, parameters).all()
    parameters["ids"] = array_of(id_.hex for _, id_, _ in spent)
    returned = {id_: int(amount) for id_, amount in session.execute(_RETURNED, parameters)}
    left: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)
    for posting_id, id_, amount in spent:
        if free := amount - returned.get(id_, 0):
            left[posting_id][id_] = free
    return dict(left)
