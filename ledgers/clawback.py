"""Clawback: what many earned is taken back at once, by the rules of ``ledgers.reversal``."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED
from ledgers.posting import Posted
from ledgers.undoing import CLOCKS_DIFFER, TOGETHER_MAX, Moves, Reversal, undo

__all__ = ["CLOCKS_DIFFER", "TOGETHER_MAX", "Reversal", "reverse_many"]

_EARNINGS = Moves(
    own=lambda transfer: transfer.credit_account_id,
    theirs=lambda transfer: transfer.debit_account_id,
    kind=ISSUED,
)


def reverse_many(session: Session, reversals: Sequence[Reversal], *, now: datetime) -> list[Posted]:
    """Take back what many holders earned; an answer for each reversal, in their order.

    Each is what ``ledgers.reversal.reverse`` would do: at most once in total, partial amounts add
    up, from the transfer's own lot first, and what was spent meanwhile becomes a debt. A reversal
    whose id stands already is a retry and writes nothing.

    Args:
        reversals: each with an id of its own, at most TOGETHER_MAX transfers together, all of
            them given by a programme: earnings and grants. Of one holder there may be several.
        now: the zone-aware instant of this write.

    Raises:
        UnknownTransfer: ids that the holder does not have (all are listed).
        NotReversible: no earnings, or less is left of them than asked for (all are listed).
        InvalidAmount: not a whole number from 1 to 2^53.
        UnknownAccount: an account is closed.
        PostingReused: an id stands for other content.
        Nothing is written then: the caller rolls back.

    A fixed number of statements. Locks the accounts, lowest (holder, id) first, until the caller's
    transaction ends. Source: docs/DECISIONS.md, 5 and 18.
    """
    return undo(session, reversals, _EARNINGS, now=now)
