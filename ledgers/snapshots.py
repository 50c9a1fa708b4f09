"""Snapshots: each account's sum at the beginning of a month, so that history costs a month at most.

A month begins in UTC, as partitions do. A snapshot is written only for accounts that moved in the
month before; once a month is completed, an account's newest snapshot up to it has its sum.
"""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.ids import uuid7_floor
from ledgers.models import Posting, SnapshotMonth
from ledgers.slices import bounds, count_slices

# A posting's instant is taken before it commits. No transaction lasts nearly as long (statements
# end after 30 s, idle ones after 60), so nothing more comes into a month by then; the audit checks.
SETTLED_AFTER = timedelta(hours=1)


def next_month(session: Session, *, now: datetime) -> date | None:
    """The month whose snapshots are to be made or finished; None when all are there."""
    newest = session.scalar(select(func.max(SnapshotMonth.month)))
    if newest is None:
        first = session.scalar(select(func.min(Posting.recorded_at)))
        if first is None:
            return None
        due = _following(first.astimezone(UTC).date())
    else:
        unfinished = session.get_one(SnapshotMonth, newest).completed_at is None
        due = newest if unfinished else _following(newest)
    return due if start_of(due) + SETTLED_AFTER <= now else None


_WRITE = text("""
    INSERT INTO balance_snapshot (holder_id, account_id, month, net)
    SELECT moved.holder_id, moved.account_id, :month,
           moved.net + coalesce((
               SELECT before.net FROM balance_snapshot AS before
               WHERE before.holder_id = moved.holder_id AND before.account_id = moved.account_id
                 AND before.month < :month
               ORDER BY before.month DESC LIMIT 1), 0)
    FROM (
        SELECT a.holder_id, a.id AS account_id,
               sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END)::bigint
                   AS net
        FROM transfer AS t JOIN account AS a ON a.holder_id = t.holder_id
             AND a.id IN (t.credit_account_id, t.debit_account_id)
        WHERE t.holder_id BETWEEN :first AND :last AND t.id >= :low AND t.id < :high
        GROUP BY a.holder_id, a.id
    ) AS moved
    ON CONFLICT DO NOTHING
""")


def take_slice(session: Session, month: date, *, now: datetime) -> bool:
    """Write the snapshots of the next range of holders; answers whether the month is complete.

    Safe to repeat and to kill: a slice is one transaction, which says how far the month is.
    """
    if session.get(SnapshotMonth, month) is None:
        begun = {"month": month, "slices": count_slices(session)}
        session.execute(insert(SnapshotMonth).values(begun).on_conflict_do_nothing())
    progress = session.get_one(SnapshotMonth, month, with_for_update=True, populate_existing=True)
    if progress.slices_done < progress.slices:
        first, last = bounds(progress.slices_done, progress.slices)
        session.execute(
            _WRITE,
            {
                "month": month,
                "first": first,
                "last": last,
                "low": uuid7_floor(start_of(_preceding(month))),
                "high": uuid7_floor(start_of(month)),
            },
        )
        progress.slices_done += 1
        if progress.slices_done == progress.slices:
            progress.completed_at = now
        session.flush()
    return progress.completed_at is not None


_LAST = text("""
    SELECT max(month) FROM snapshot_month WHERE month <= :month AND completed_at IS NOT NULL
""")
_NET = text("""
    SELECT coalesce((
               SELECT net FROM balance_snapshot
               WHERE holder_id = :holder AND account_id = :account AND month <= :month
               ORDER BY month DESC LIMIT 1), 0)
           + coalesce(sum(CASE WHEN credit_account_id = :account THEN amount ELSE -amount END), 0)
    FROM transfer
    WHERE holder_id = :holder AND id >= :low AND id < :below
      AND :account IN (credit_account_id, debit_account_id)
""")
_EVER = date(1970, 1, 1)


def net_below(session: Session, holder_id: UUID, account_id: UUID, below: UUID) -> int:
    """The sum of an account's transfers with an id below ``below``: exact to the transfer.

    Reads a snapshot and the account's transfers of a month; more only where the job is behind.
    """
    month = _month_of(below)
    base = session.scalar(_LAST, {"month": month}) or _EVER
    parameters = {
        "holder": holder_id,
        "account": account_id,
        "month": base,
        "low": uuid7_floor(start_of(base)),
        "below": below,
    }
    return int(session.scalar(_NET, parameters) or 0)


def net_at(session: Session, holder_id: UUID, account_id: UUID, at: datetime) -> int:
    """The sum of an account's transfers recorded up to ``at``, the instant included.

    Below zero: a debt. What was being written at ``at`` counts once it is committed.
    """
    return net_below(session, holder_id, account_id, uuid7_floor(at + timedelta(milliseconds=1)))


def start_of(month: date) -> datetime:
    """The instant at which a month begins."""
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def _month_of(id_: UUID) -> date:
    """The month in which an id was made, from its first 48 bits."""
    made_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=id_.int >> 80)
    return made_at.date().replace(day=1)


def _following(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _preceding(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)
