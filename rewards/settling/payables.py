"""What the programme owes a merchant, the moment it does: a line, and its transfer of fen.

Kept here: a line and its transfer are one transaction, and their amounts are the same, so what the
ledger says is owed is the sum of the lines. No row of a merchant is locked: tills never wait for
each other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, ISSUED, account_key
from ledgers.ids import uuid7_floor, uuid7s
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.models import SettlementLine

AT_ONCE = 5_000


class NewLine(NamedTuple):
    """``amount_fen`` is below zero where the line takes another back, ``reverses_id``."""

    merchant_id: UUID
    programme_holder_id: UUID
    kind: str
    amount_fen: int
    offer_id: UUID
    version: int
    redemption_id: UUID
    occurred_at: datetime
    consumption_id: UUID | None = None
    shop_id: UUID | None = None
    reverses_id: UUID | None = None


def owe(
    session: Session,
    lines: Sequence[NewLine],
    *,
    actor: str,
    now: datetime,
    request_id: str | None = None,
) -> list[UUID]:
    """Write lines and their transfers; answers the lines' ids in their order. In a transaction
    that happens once: no retry is told apart here.

    At most AT_ONCE, in a fixed number of statements. The accounts are open since an offer with a
    settlement price was published (``ledgers.accounts.open_payable``).
    """
    if not lines:
        return []
    assert len(lines) <= AT_ONCE, "in batches"
    ids = [UUID(id_) for id_ in uuid7s(len(lines), now)]
    rows = [
        {
            "id": id_,
            "recorded_at": now,
            **{name: value for name, value in line._asdict().items() if name in _COLUMNS},
        }
        for id_, line in zip(ids, lines, strict=True)
    ]
    session.execute(insert(SettlementLine), rows)
    transfers = [_transfer(id_, line) for id_, line in zip(ids, lines, strict=True)]
    moved = [transfer for transfer in transfers if transfer is not None]
    if moved:
        posting_id = uuid5(ids[0], "owed")
        posting = NewPosting(posting_id, "payable", actor, moved, request_id=request_id)
        post(session, posting, now=now)
    return ids


_COLUMNS = frozenset(SettlementLine.__table__.columns.keys())


def line_of(
    session: Session, merchant_id: UUID, consumption_id: UUID, *, recorded_at: datetime | None
) -> SettlementLine | None:
    """The line by which a consumption is paid, found by the primary key: its id carries the
    millisecond in which it was written. None for what was taken before there were settlements.
    """
    if recorded_at is None:
        return None
    query = select(SettlementLine).where(
        SettlementLine.merchant_id == merchant_id,
        SettlementLine.id >= uuid7_floor(recorded_at),
        SettlementLine.id < uuid7_floor(recorded_at + timedelta(milliseconds=1)),
        SettlementLine.consumption_id == consumption_id,
        SettlementLine.kind == "consumption",
    )
    return session.scalars(query).one()


def taking_back(
    line: SettlementLine, kind: str, *, programme_holder_id: UUID, now: datetime
) -> NewLine:
    """The line that takes another back whole, as a ``reversal`` or a ``refund``."""
    return NewLine(
        line.merchant_id,
        programme_holder_id,
        kind,
        -line.amount_fen,
        line.offer_id,
        line.version,
        line.redemption_id,
        now,
        consumption_id=line.consumption_id,
        shop_id=line.shop_id,
        reverses_id=line.id,
    )


def _transfer(line_id: UUID, line: NewLine) -> NewTransfer | None:
    """From what the programme owes to what the merchant is owed; or back. A line has the transfer
    whose reference it is.
    """
    if line.amount_fen == 0:
        return None
    owing = account_key(line.programme_holder_id, "fen", ISSUED)
    owed = account_key(line.merchant_id, "fen", CLEARING)
    debit, credit = (owing, owed) if line.amount_fen > 0 else (owed, owing)
    return NewTransfer(
        line.merchant_id,
        debit,
        credit,
        abs(line.amount_fen),
        "owe" if line.amount_fen > 0 else "owe_back",
        line_id,
        line.occurred_at,
    )
