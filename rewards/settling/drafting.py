"""Drafting: a merchant's open lines become those of one settlement, slice by slice.

Kept here: a line is of one settlement at most, periods of live settlements do not overlap, and a
settlement below zero is none. A slice is a transaction, so that a million lines hold no lock for
long, and whoever comes after a killed process goes on: the state says that it is not done.
Begin and end of a merchant's settlements wait for each other on the merchant's account of fen,
which no posting locks.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, account_key, open_payable
from ledgers.bulk import look_up_by_index
from ledgers.models import Account
from rewards.errors import UnknownMerchant
from rewards.models import Merchant, Settlement, SettlementLine
from rewards.settling.errors import (
    LinesBeingFreed,
    NothingToSettle,
    SettlementNegative,
    SettlementPeriodClosed,
    SettlementPeriodOpen,
    SettlementReused,
    UnknownSettlement,
)
from rewards.settling.periods import Period
from rewards.webhooks.outbox import Told, tell

LINES_A_SLICE = 20_000
DRAFTING, DRAFT, VOID = "drafting", "draft", "void"


class Key(NamedTuple):
    """What names a settlement."""

    merchant_id: UUID
    id: UUID


class Place(NamedTuple):
    """The last line of a slice."""

    recorded_at: datetime
    id: UUID


class Slice(NamedTuple):
    """How many lines were claimed, and after which line to go on; None: there was no full slice
    left.
    """

    lines: int
    after: Place | None


def get_settlement(session: Session, key: Key, *, lock: bool = False) -> Settlement:
    """The settlement as it stands; raises UnknownSettlement."""
    found = session.get(Settlement, key, populate_existing=True, with_for_update=lock or None)
    if found is None:
        raise UnknownSettlement(key.id)
    return found


def begin(session: Session, key: Key, period: Period, *, actor: str, now: datetime) -> Settlement:
    """Close a period: its settlement is ``drafting``, and has no lines yet. The same again answers
    it as it stands.

    Raises:
        UnknownMerchant, SettlementReused: no such merchant; the id stands for another period.
        SettlementPeriodOpen: the period is not over.
        SettlementPeriodClosed: a live settlement has some of these days.
        NothingToSettle, SettlementNegative: no line is open; those that are come to less than
            nothing, and stay open.
        LinesBeingFreed: a voided settlement still has lines (``free_slice``).
    """
    merchant = session.get(Merchant, key.merchant_id)
    if merchant is None or merchant.programme_holder_id is None:
        raise UnknownMerchant(key.merchant_id)
    open_payable(session, merchant.programme_holder_id, [merchant.id], now=now)
    _lock_merchant(session, merchant.id)
    if (earlier := session.get(Settlement, key, populate_existing=True)) is not None:
        if (earlier.period_from, earlier.period_to) != (period.since, period.to):
            raise SettlementReused(key.id)
        return earlier
    if period.ends_at > now:
        raise SettlementPeriodOpen(period.to, period.ends_at)
    _refuse_others(session, merchant.id, period)
    lines, sum_fen = _open(session, merchant.id, period)
    if lines == 0:
        raise NothingToSettle(period_from=period.since, period_to=period.to)
    if sum_fen < 0:
        raise SettlementNegative(lines=lines, sum_fen=sum_fen)
    made = Settlement(
        merchant_id=merchant.id,
        id=key.id,
        programme_holder_id=merchant.programme_holder_id,
        period_from=period.since,
        period_to=period.to,
        state=DRAFTING,
        lines=0,
        owed_fen=0,
        returned_fen=0,
        drafted_by=actor,
        drafted_at=now,
    )
    session.add(made)
    session.flush()
    return made


def _lock_merchant(session: Session, merchant_id: UUID) -> None:
    clearing = account_key(merchant_id, "fen", CLEARING)
    mine = select(Account.id).where(Account.holder_id == merchant_id, Account.id == clearing.id)
    session.execute(mine.with_for_update()).one()


def _refuse_others(session: Session, merchant_id: UUID, period: Period) -> None:
    """Raises SettlementPeriodClosed, LinesBeingFreed."""
    live = select(Settlement).where(
        Settlement.merchant_id == merchant_id,
        Settlement.state != VOID,
        Settlement.period_from < period.to,
        Settlement.period_to > period.since,
    )
    fresh = {"populate_existing": True}
    other = session.scalars(live.order_by(Settlement.period_from), execution_options=fresh).first()
    if other is not None:
        raise SettlementPeriodClosed(
            other.id, period_from=other.period_from, period_to=other.period_to, state=other.state
        )
    left = select(Settlement).where(
        Settlement.merchant_id == merchant_id, Settlement.state == VOID, Settlement.lines > 0
    )
    if (one := session.scalars(left, execution_options=fresh).first()) is not None:
        raise LinesBeingFreed(one.id, one.lines)


def _open(session: Session, merchant_id: UUID, period: Period) -> tuple[int, int]:
    """How many lines the period's settlement would have, and their sum in fen."""
    query = select(func.count(), func.coalesce(func.sum(SettlementLine.amount_fen), 0)).where(
        SettlementLine.merchant_id == merchant_id,
        SettlementLine.settlement_id.is_(None),
        SettlementLine.recorded_at < period.ends_at,
    )
    lines, sum_fen = session.execute(query).one()
    return lines, int(sum_fen)


_LAST = text("""
    SELECT recorded_at, id FROM settlement_line
    WHERE merchant_id = :merchant AND settlement_id IS NULL
      AND recorded_at < :until AND (recorded_at, id) > (:after_at, :after_id)
    ORDER BY recorded_at, id OFFSET :others LIMIT 1
""")
_CLAIM = text("""
    UPDATE settlement_line SET settlement_id = :settlement
    WHERE merchant_id = :merchant AND settlement_id IS NULL
      AND recorded_at < :until AND (recorded_at, id) > (:after_at, :after_id)
      AND (recorded_at, id) <= (:last_at, :last_id)
""")
_FIRST = Place(datetime.fromisoformat("2000-01-01T00:00:00Z"), UUID(int=0))
_END = UUID(int=2**128 - 1)


def claim_slice(
    session: Session,
    key: Key,
    period: Period,
    *,
    after: Place | None = None,
    lines_max: int = LINES_A_SLICE,
) -> Slice:
    """Claim the next open lines of the period, the oldest first; none where it is not drafting.

    ``after``: where the slice before ended, None to begin or to go on after a kill. Locks the
    settlement's row and the lines.
    """
    settlement = get_settlement(session, key, lock=True)
    if settlement.state != DRAFTING:
        return Slice(0, None)
    start = after or _FIRST
    look_up_by_index(session)
    within = {
        "merchant": key.merchant_id,
        "until": period.ends_at,
        "after_at": start.recorded_at,
        "after_id": start.id,
    }
    last = session.execute(_LAST, within | {"others": lines_max - 1}).one_or_none()
    upto = Place(*last) if last is not None else Place(period.ends_at, _END)
    claimed = session.execute(
        _CLAIM,
        within | {"settlement": key.id, "last_at": upto.recorded_at, "last_id": upto.id},
    )
    count: int = claimed.rowcount  # type: ignore[attr-defined]
    settlement.lines += count
    session.flush()
    return Slice(count, upto if last is not None else None)


def finish_draft(session: Session, key: Key, *, now: datetime) -> Settlement:
    """Add up what was claimed: the settlement is a ``draft``, and the merchant is told. Where it is
    not drafting any more, as it stands.

    What was taken back while it was drafted may have made it less than nothing: then it is void,
    and its lines are to be freed.
    """
    settlement = get_settlement(session, key, lock=True)
    if settlement.state != DRAFTING:
        return settlement
    amount = SettlementLine.amount_fen
    query = select(
        func.count(),
        func.coalesce(func.sum(amount).filter(amount > 0), 0),
        func.coalesce(func.sum(-amount).filter(amount < 0), 0),
    ).where(SettlementLine.merchant_id == key.merchant_id, SettlementLine.settlement_id == key.id)
    lines, owed_fen, returned_fen = map(int, session.execute(query).one())
    assert lines == settlement.lines, "a slice counts what it claims"
    if returned_fen > owed_fen:
        settlement.state = VOID
        session.flush()
        return settlement
    settlement.owed_fen, settlement.returned_fen = owed_fen, returned_fen
    settlement.state = DRAFT
    session.flush()
    tell(session, [told_of(settlement, "settlement.drafted")], now=now)
    return settlement


def told_of(settlement: Settlement, kind: str) -> Told:
    """What a merchant's system is told of a settlement."""
    return Told(
        settlement.merchant_id,
        kind,
        {
            "settlement_id": str(settlement.id),
            "period_from": settlement.period_from.isoformat(),
            "period_to": settlement.period_to.isoformat(),
            "state": settlement.state,
            "lines": settlement.lines,
            "owed_fen": settlement.owed_fen,
            "returned_fen": settlement.returned_fen,
            "payable_fen": settlement.owed_fen - settlement.returned_fen,
            "payment_reference": settlement.payment_reference,
        },
    )


_FREE = text("""
    UPDATE settlement_line SET settlement_id = NULL
    WHERE merchant_id = :merchant AND settlement_id = :settlement AND id <= :last
""")
_LAST_TO_FREE = text("""
    SELECT id FROM settlement_line WHERE merchant_id = :merchant AND settlement_id = :settlement
    ORDER BY id OFFSET :others LIMIT 1
""")


def free_slice(session: Session, key: Key, *, lines_max: int = LINES_A_SLICE) -> int:
    """Free the next lines of a void settlement; answers how many. Locks its row and the lines."""
    settlement = get_settlement(session, key, lock=True)
    if settlement.state != VOID or settlement.lines == 0:
        return 0
    look_up_by_index(session)
    names = {"merchant": key.merchant_id, "settlement": key.id}
    last = session.scalar(_LAST_TO_FREE, names | {"others": lines_max - 1})
    freed = session.execute(_FREE, names | {"last": last or _END})
    count: int = freed.rowcount  # type: ignore[attr-defined]
    settlement.lines -= count
    session.flush()
    return count


def unfinished(session: Session, *, limit: int = 100) -> list[Key]:
    """Settlements that are being drafted, or whose lines are being freed, the oldest first."""
    query = select(Settlement.merchant_id, Settlement.id).where(
        (Settlement.state == DRAFTING) | ((Settlement.state == VOID) & (Settlement.lines > 0))
    )
    rows = session.execute(query.order_by(Settlement.drafted_at, Settlement.id).limit(limit))
    return [Key(*row) for row in rows]
