"""Proposals: one operator says what is wrong with an act, another approves that it is corrected.

Kept here, and kept again by the database: an approved correction was decided by somebody else than
its proposer. What was proposed under an id never changes; a correction is decided once. The shape
is that of the ledger's own corrections (``ledgers.corrections``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.changes.corrections import Cause, Told, change, withdraw
from activities.models import ActivityCorrection
from ledgers.errors import (
    CorrectionDecided,
    CorrectionReused,
    SecondPersonNeeded,
    UnknownCorrection,
)

PAGE_MAX = 200


class Place(NamedTuple):
    """A correction's place among those that wait."""

    proposed_at: datetime
    holder_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """``next_after`` asks for the page after this one; None at the end."""

    corrections: Sequence[ActivityCorrection]
    next_after: Place | None


def propose(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    activity_id: UUID,
    quantity: int | None,
    reason: str,
    proposed_by: str,
    now: datetime,
) -> ActivityCorrection:
    """Put down what shall be corrected; nothing is booked. The same again answers how it stands.

    Args:
        quantity: the right one, in the behaviour's base unit; None withdraws the act.
        proposed_by: who cannot approve it.

    Raises:
        CorrectionReused: the id stands for another correction of this holder.
        UnknownActivity, ActivityNotVerified, CorrectionImplausible, ResidentClosed: it could not
            be booked as things are.

    Tries the booking in a savepoint and takes it back, so that nothing is proposed that could never
    be approved: meanwhile it locks the resident.
    """
    new = ActivityCorrection(
        holder_id=holder_id,
        id=correction_id,
        activity_id=activity_id,
        action="withdraw" if quantity is None else "change",
        quantity=quantity,
        reason=reason,
        proposed_by=proposed_by,
        proposed_at=now,
    )
    if (earlier := _find(session, holder_id, correction_id)) is not None:
        return _same_or_refuse(earlier, new)
    with session.begin_nested() as trial:
        _book(session, new, approved_by=f"not {proposed_by}", now=now)
        trial.rollback()
    values = {name: getattr(new, name) for name in (*_CONTENT, "holder_id", "id", "proposed_at")}
    session.execute(insert(ActivityCorrection).values(values).on_conflict_do_nothing())
    return _same_or_refuse(get_correction(session, holder_id, correction_id), new)


def approve(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    approved_by: str,
    now: datetime,
    request_id: str | None = None,
) -> ActivityCorrection:
    """Book a correction. The same approver again is a retry and changes nothing.

    Raises:
        UnknownCorrection: this holder has none of this id.
        CorrectionDecided: it was rejected, or somebody else approved it.
        SecondPersonNeeded: ``approved_by`` is who proposed it.
        ActivityNotVerified, CorrectionImplausible, ResidentClosed: it cannot be booked any more; it
            stays proposed.

    Locks the correction, then the resident.
    """
    correction = _lock(session, holder_id, correction_id)
    if (correction.state, correction.decided_by) == ("approved", approved_by):
        return correction
    _refuse_decided(correction)
    if correction.proposed_by == approved_by:
        raise SecondPersonNeeded(correction.proposed_by)
    _book(session, correction, approved_by=approved_by, now=now, request_id=request_id)
    return _decide(session, correction, "approved", approved_by, now)


def reject(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    rejected_by: str,
    now: datetime,
    reason: str | None = None,
) -> ActivityCorrection:
    """Decide that nothing is booked; who proposed it takes it back so. The same again is a retry.

    Raises UnknownCorrection; CorrectionDecided when it was approved, or rejected by somebody else
    or for another reason. Locks the correction.
    """
    correction = _lock(session, holder_id, correction_id)
    known = (correction.state, correction.decided_by, correction.rejection_reason)
    if known == ("rejected", rejected_by, reason):
        return correction
    _refuse_decided(correction)
    correction.rejection_reason = reason
    return _decide(session, correction, "rejected", rejected_by, now)


def get_correction(session: Session, holder_id: UUID, correction_id: UUID) -> ActivityCorrection:
    """The holder's correction; raises UnknownCorrection also for somebody else's."""
    if (correction := _find(session, holder_id, correction_id)) is None:
        raise UnknownCorrection(correction_id)
    return correction


def pending(
    session: Session,
    *,
    within: ColumnElement[bool] | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) corrections that wait for a decision, the oldest first.

    ``within``: a further condition on ``ActivityCorrection``.
    """
    assert 0 < limit <= PAGE_MAX
    key = (ActivityCorrection.proposed_at, ActivityCorrection.holder_id, ActivityCorrection.id)
    query = select(ActivityCorrection).where(ActivityCorrection.state == "proposed")
    if within is not None:
        query = query.where(within)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = list(session.scalars(query.order_by(*key).limit(limit + 1)))
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], Place(last.proposed_at, last.holder_id, last.id))


_CONTENT = ("activity_id", "action", "quantity", "reason", "proposed_by")


def _same_or_refuse(earlier: ActivityCorrection, new: ActivityCorrection) -> ActivityCorrection:
    if any(getattr(earlier, name) != getattr(new, name) for name in _CONTENT):
        raise CorrectionReused(earlier.id)
    return earlier


def _book(
    session: Session,
    correction: ActivityCorrection,
    *,
    approved_by: str,
    now: datetime,
    request_id: str | None = None,
) -> None:
    one = correction
    cause = Cause(one.id, one.proposed_by, one.reason, approved_by, request_id)
    holder_id, activity_id = correction.holder_id, correction.activity_id
    if correction.quantity is None:
        withdraw(session, [(holder_id, activity_id)], cause, now=now)
    else:
        change(session, [Told(holder_id, activity_id, correction.quantity)], cause, now=now)


def _find(session: Session, holder_id: UUID, correction_id: UUID) -> ActivityCorrection | None:
    return session.get(ActivityCorrection, (holder_id, correction_id), populate_existing=True)


def _lock(session: Session, holder_id: UUID, correction_id: UUID) -> ActivityCorrection:
    key = (holder_id, correction_id)
    found = session.get(ActivityCorrection, key, populate_existing=True, with_for_update=True)
    if found is None:
        raise UnknownCorrection(correction_id)
    return found


def _refuse_decided(correction: ActivityCorrection) -> None:
    if correction.decided_by is not None:
        raise CorrectionDecided(correction.state, correction.decided_by)


def _decide(
    session: Session, correction: ActivityCorrection, state: str, decided_by: str, now: datetime
) -> ActivityCorrection:
    correction.state, correction.decided_by, correction.decided_at = state, decided_by, now
    session.flush()
    return correction
