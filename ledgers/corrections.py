"""Corrections: one operator proposes, another approves, and only then is anything posted.

Kept here, and kept again by the database: an approved correction was decided by somebody else than
its proposer, and so was the posting of kind ``correction`` that has its id. What was proposed under
an id never changes; a correction is decided once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.errors import (
    CorrectionDecided,
    CorrectionReused,
    SecondPersonNeeded,
    UnknownCorrection,
)
from ledgers.models import Correction
from ledgers.posting import NewPosting, NewTransfer, Posted, post
from ledgers.reversal import reverse

PAGE_MAX = 200
REVERSALS_MAX = 200  # A correction is read by a person before it is approved.
KIND = "correction"


class Grant(NamedTuple):
    """An ``amount`` of ``unit`` that a programme, ``issuer_id``, gives to the holder."""

    issuer_id: UUID
    unit: str
    amount: int


class Place(NamedTuple):
    """A correction's place among those that wait."""

    proposed_at: datetime
    holder_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """``next_after`` asks for the page after this one; None at the end."""

    corrections: Sequence[Correction]
    next_after: Place | None


def propose(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    reversals: Mapping[UUID, int | None],
    grant: Grant | None,
    reason: str,
    proposed_by: str,
    now: datetime,
) -> Correction:
    """Put down what shall be corrected; nothing is posted. The same again answers how it stands.

    Args:
        reversals: amounts by transfer's id, all of this holder, at most REVERSALS_MAX; None is all
            that is left of the transfer when it is posted.
        grant: instead of reversals; its amount is 1..2^53 of ``mg_co2e`` or ``point``.
        proposed_by: who cannot approve it.

    Raises:
        CorrectionReused: the id stands for another correction of this holder.
        UnknownTransfer, NotReversible, UnknownAccount, InvalidAmount, PostingReused: it could not
            be posted as things are.

    Tries the posting in a savepoint and takes it back, so that nothing is proposed that could never
    be approved: meanwhile it locks the holder's accounts.
    """
    assert bool(reversals) != (grant is not None), "reversals or a grant"
    assert len(reversals) <= REVERSALS_MAX
    new = Correction(
        holder_id=holder_id,
        id=correction_id,
        content=_content(reversals, grant),
        reason=reason,
        proposed_by=proposed_by,
        proposed_at=now,
    )
    if (earlier := _find(session, holder_id, correction_id)) is not None:
        return _same_or_refuse(earlier, new)
    with session.begin_nested() as trial:
        _post(session, new, approved_by=f"not {proposed_by}", now=now, request_id=None)
        trial.rollback()
    columns = ("holder_id", "id", "content", "reason", "proposed_by", "proposed_at")
    values = {name: getattr(new, name) for name in columns}
    session.execute(insert(Correction).values(values).on_conflict_do_nothing())
    return _same_or_refuse(get_correction(session, holder_id, correction_id), new)


def approve(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    approved_by: str,
    now: datetime,
    request_id: str | None = None,
) -> Correction:
    """Post a correction under its own id. The same approver again is a retry and changes nothing.

    Raises:
        UnknownCorrection: this holder has none of this id.
        CorrectionDecided: it was rejected, or somebody else approved it.
        SecondPersonNeeded: ``approved_by`` is who proposed it.
        UnknownTransfer, NotReversible, UnknownAccount, PostingReused: it cannot be posted any
            more; it stays proposed.

    Locks the correction, then the holder's accounts.
    """
    correction = _lock(session, holder_id, correction_id)
    if (correction.state, correction.decided_by) == ("approved", approved_by):
        return correction
    _refuse_decided(correction)
    if correction.proposed_by == approved_by:
        raise SecondPersonNeeded(correction.proposed_by)
    posted = _post(session, correction, approved_by=approved_by, now=now, request_id=request_id)
    assert posted.written, "posted once, under the correction's lock"
    return _decide(session, correction, "approved", approved_by, now)


def reject(
    session: Session,
    correction_id: UUID,
    *,
    holder_id: UUID,
    rejected_by: str,
    now: datetime,
    reason: str | None = None,
) -> Correction:
    """Decide that nothing is posted; who proposed it withdraws it so. The same again is a retry.

    Raises UnknownCorrection; CorrectionDecided when it was approved, or rejected by somebody else
    or for another reason. Locks the correction.
    """
    correction = _lock(session, holder_id, correction_id)
    known = (correction.state, correction.decided_by, correction.content.get("rejection_reason"))
    if known == ("rejected", rejected_by, reason):
        return correction
    _refuse_decided(correction)
    if reason is not None:
        correction.content = correction.content | {"rejection_reason": reason}
    return _decide(session, correction, "rejected", rejected_by, now)


def get_correction(session: Session, holder_id: UUID, correction_id: UUID) -> Correction:
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

    ``within``: a further condition on ``Correction``.
    """
    assert 0 < limit <= PAGE_MAX
    key = (Correction.proposed_at, Correction.holder_id, Correction.id)
    query = select(Correction).where(Correction.state == "proposed")
    if within is not None:
        query = query.where(within)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    rows = list(session.scalars(query.order_by(*key).limit(limit + 1)))
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], Place(last.proposed_at, last.holder_id, last.id))


def reversals_of(correction: Correction) -> dict[UUID, int | None]:
    """Which transfers it reverses; empty when it grants."""
    return {UUID(id_): amount for id_, amount in correction.content.get("reversals", {}).items()}


def grant_of(correction: Correction) -> Grant | None:
    """What it grants; None when it reverses."""
    if (found := correction.content.get("grant")) is None:
        return None
    return Grant(UUID(found["issuer_id"]), found["unit"], found["amount"])


def _content(reversals: Mapping[UUID, int | None], grant: Grant | None) -> dict[str, Any]:
    if grant is not None:
        return {"grant": grant._asdict() | {"issuer_id": str(grant.issuer_id)}}
    return {"reversals": {str(id_): amount for id_, amount in sorted(reversals.items())}}


def _find(session: Session, holder_id: UUID, correction_id: UUID) -> Correction | None:
    return session.get(Correction, (holder_id, correction_id), populate_existing=True)


def _lock(session: Session, holder_id: UUID, correction_id: UUID) -> Correction:
    key = (holder_id, correction_id)
    found = session.get(Correction, key, populate_existing=True, with_for_update=True)
    if found is None:
        raise UnknownCorrection(correction_id)
    return found


def _same_or_refuse(earlier: Correction, new: Correction) -> Correction:
    known, wanted = [
        (reversals_of(one), grant_of(one), one.reason, one.proposed_by) for one in (earlier, new)
    ]
    if known != wanted:
        raise CorrectionReused(earlier.id)
    return earlier


def _refuse_decided(correction: Correction) -> None:
    if correction.decided_by is not None:
        raise CorrectionDecided(correction.state, correction.decided_by)


def _decide(
    session: Session, correction: Correction, state: str, decided_by: str, now: datetime
) -> Correction:
    correction.state, correction.decided_by, correction.decided_at = state, decided_by, now
    session.flush()
    return correction


def _post(
    session: Session,
    correction: Correction,
    *,
    approved_by: str,
    now: datetime,
    request_id: str | None,
) -> Posted:
    grant = grant_of(correction)
    if grant is None:
        return reverse(
            session,
            correction.id,
            holder_id=correction.holder_id,
            amounts=reversals_of(correction),
            actor=correction.proposed_by,
            reason=correction.reason,
            now=now,
            kind=KIND,
            request_id=request_id,
            approved_by=approved_by,
        )
    transfer = NewTransfer(
        correction.holder_id,
        account_key(grant.issuer_id, grant.unit, ISSUED),
        account_key(correction.holder_id, grant.unit, PERSONAL),
        grant.amount,
        "grant",
        correction.id,
        correction.proposed_at,
    )
    posting = NewPosting(
        correction.id,
        KIND,
        correction.proposed_by,
        [transfer],
        correction.reason,
        request_id,
        approved_by,
    )
    return post(session, posting, now=now)
