"""Refund: an operator gives back what a resident paid for a voucher that was used.

Kept here: the points, the redemption, the voucher and the line that takes the merchant's pay back
are one transaction, once. The line is in the merchant's next settlement, whether the first one was
settled or not; the voucher stays used.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ledgers.funds import lock_holder
from ledgers.models import Posting, Transfer
from rewards.errors import UnknownConsumption
from rewards.models import Consumption, Offer, Redemption, SettlementLine, Voucher
from rewards.redeeming.ending import Ends, end_many, give_points_back, posting_id_of
from rewards.redeeming.errors import ConsumptionReversed, NotRefundable, RefundReused
from rewards.redeeming.terms import WITH_VOUCHER
from rewards.settling.payables import line_of, owe, taking_back
from rewards.webhooks.outbox import Told, tell

STATE = "refunded"


@dataclass(frozen=True, slots=True)
class Refunded:
    """What was given back, and what the merchant owes for it (``returned_fen``)."""

    consumption_id: UUID
    redemption_id: UUID
    merchant_id: UUID
    returned_points: int
    returned_fen: int
    refunded_at: datetime
    refunded_by: str


def refund(
    session: Session,
    consumption_id: UUID,
    *,
    actor: str,
    reason: str,
    now: datetime,
    request_id: str | None = None,
) -> Refunded:
    """Give back the points of a voucher that was used, to the lots they came from, and take back
    what the programme owes the merchant for it. The same again answers the same.

    Who has closed the account gets no points; the merchant owes all the same.

    Args:
        actor: who refunds, as in ``NewPosting``.
        reason: why; the resident reads it in the ledger.

    Raises:
        UnknownConsumption: there is none.
        NotRefundable: the id is a top-up's or a donation's redemption.
        ConsumptionReversed: the merchant took it back, so the voucher can be used again.
        RefundReused: it was refunded by somebody else or for another reason.

    Locks the resident's accounts, then the voucher, then the offer's stock.
    """
    taken = session.get(Consumption, consumption_id)
    if taken is None:
        raise _unknown(session, consumption_id)
    holder_id, redemption_id = session.execute(
        select(Voucher.holder_id, Voucher.redemption_id).where(
            Voucher.code_sha256 == taken.code_sha256
        )
    ).one()
    lock_holder(session, holder_id)
    redemption = session.get_one(Redemption, (holder_id, redemption_id), populate_existing=True)
    ends = Ends(STATE, actor, reason, now, request_id)
    if not _mark(session, taken, now):
        session.refresh(taken)
        if taken.reversed_at is not None:
            raise ConsumptionReversed(taken.reversed_at)
        return _same_or_refuse(session, taken, redemption, ends)
    keys = {redemption_id: holder_id}
    returned = give_points_back(session, keys, ends, since=redemption.redeemed_at)
    line = line_of(session, taken.merchant_id, consumption_id, recorded_at=taken.recorded_at)
    if line is not None:
        _take_back(session, line, ends)
    done = _refunded(taken, redemption_id, returned.get(redemption_id, 0), line, now, actor)
    _tell(session, done, redemption)
    ended = end_many(session, keys, returned, ends)
    assert len(ended) == 1, "a voucher is used while its redemption is done"
    return done


def _mark(session: Session, taken: Consumption, now: datetime) -> bool:
    """Whether the voucher was used by this consumption and not refunded; now it is."""
    marked = (
        update(Voucher)
        .where(
            Voucher.code_sha256 == taken.code_sha256,
            Voucher.consumption_id == taken.id,
            Voucher.refunded_at.is_(None),
        )
        .values(refunded_at=now)
        .returning(Voucher.redemption_id)
    )
    unseen = {"synchronize_session": False}
    return session.execute(marked, execution_options=unseen).one_or_none() is not None


def _take_back(session: Session, line: SettlementLine, ends: Ends) -> None:
    offer = session.get_one(Offer, line.offer_id)
    back = taking_back(line, "refund", programme_holder_id=offer.programme_holder_id, now=ends.now)
    owe(session, [back], actor=ends.by, now=ends.now, request_id=ends.request_id)


def _same_or_refuse(
    session: Session, taken: Consumption, redemption: Redemption, ends: Ends
) -> Refunded:
    """By who refunded; and by the reason, where points were posted."""
    assert redemption.ended_at is not None
    assert redemption.ended_by is not None
    posted = session.get(Posting, posting_id_of(redemption.id, STATE))
    if redemption.ended_by != ends.by or (posted is not None and posted.reason != ends.reason):
        raise RefundReused(refunded_at=redemption.ended_at, refunded_by=redemption.ended_by)
    line = line_of(session, taken.merchant_id, taken.id, recorded_at=taken.recorded_at)
    points, at, by = redemption.returned_points, redemption.ended_at, redemption.ended_by
    return _refunded(taken, redemption.id, points, line, at, by)


def _refunded(
    taken: Consumption,
    redemption_id: UUID,
    points: int,
    line: SettlementLine | None,
    at: datetime,
    by: str,
) -> Refunded:
    fen = 0 if line is None else line.amount_fen
    return Refunded(taken.id, redemption_id, taken.merchant_id, points, fen, at, by)


def _tell(session: Session, done: Refunded, redemption: Redemption) -> None:
    content = {
        "consumption_id": str(done.consumption_id),
        "redemption_id": str(done.redemption_id),
        "offer_id": str(redemption.offer_id),
        "version": redemption.version,
        "refunded_at": done.refunded_at.isoformat(),
        "returned_fen": done.returned_fen,
    }
    told = Told(done.merchant_id, "voucher.refunded", content)
    tell(session, [told], now=done.refunded_at)


def _spender(session: Session, posting_id: UUID) -> UUID | None:
    spends = select(Transfer.holder_id).where(
        Transfer.posting_id == posting_id, Transfer.kind == "spend"
    )
    return session.scalar(spends.limit(1))


def _unknown(session: Session, id_: UUID) -> UnknownConsumption | NotRefundable:
    """What to answer to an id that is no consumption's: it may be a redemption's, whose posting
    (or, of a top-up, hold) it names.
    """
    holder_id = _spender(session, id_)
    redemption = session.get(Redemption, (holder_id, id_)) if holder_id else None
    if redemption is not None:
        kind = session.get_one(Offer, redemption.offer_id).kind
        if kind not in WITH_VOUCHER:
            return NotRefundable(id_, kind)
    return UnknownConsumption(id_)


def holder_of(session: Session, id_: UUID) -> UUID | None:
    """Whose voucher a consumption took; or whose redemption it is, where the id is one's."""
    taken = session.get(Consumption, id_)
    if taken is None:
        return _spender(session, id_)
    query = select(Voucher.holder_id).where(Voucher.code_sha256 == taken.code_sha256)
    return session.scalar(query)
