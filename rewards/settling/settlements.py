"""A settlement on its way: drafted, confirmed by the merchant, approved by a second person, paid.

Kept here, and kept again by the database: who approves has neither drafted nor confirmed it; what
is paid is posted in the same transaction; it is paid once, under one reference. Each step locks the
settlement's row, and done again it answers what stands.
"""

from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledgers.accounts import CLEARING, REDEEMED, account_key
from ledgers.posting import NewPosting, NewTransfer, post
from rewards.models import Settlement, SettlementLine
from rewards.settling.drafting import DRAFT, DRAFTING, VOID, Key, get_settlement, told_of
from rewards.settling.errors import (
    DisputeStands,
    SameApprover,
    SettlementNotReady,
    SettlementPaid,
)
from rewards.webhooks.outbox import tell

CONFIRMED, DISPUTED, APPROVED, PAID = "confirmed", "disputed", "approved", "paid"
NOT_PAID = (DRAFTING, DRAFT, CONFIRMED, DISPUTED, APPROVED)  # What they come to is still owed.
STATES = (*NOT_PAID, PAID, VOID)


def confirm(session: Session, key: Key, *, actor: str, now: datetime) -> Settlement:
    """The merchant agrees. What was confirmed, and whatever came of it since, stands as it is.

    Raises:
        UnknownSettlement, SettlementNotReady: it is no draft.
    """
    found = get_settlement(session, key, lock=True)
    if found.state in (CONFIRMED, APPROVED, PAID):
        return found
    _refuse_unless(found, DRAFT)
    found.state, found.confirmed_by, found.confirmed_at = CONFIRMED, actor, now
    session.flush()
    return found


def dispute(session: Session, key: Key, *, reason: str, actor: str, now: datetime) -> Settlement:
    """The merchant does not agree, and says why: the programme voids it and drafts anew.

    Raises:
        UnknownSettlement, SettlementNotReady: it is neither draft nor confirmed.
        DisputeStands: it is disputed for another reason.
    """
    found = get_settlement(session, key, lock=True)
    if found.state == DISPUTED:
        assert found.dispute_reason is not None
        assert found.disputed_at is not None
        if found.dispute_reason != reason:
            raise DisputeStands(dispute_reason=found.dispute_reason, disputed_at=found.disputed_at)
        return found
    _refuse_unless(found, DRAFT, CONFIRMED)
    found.state, found.disputed_by, found.disputed_at = DISPUTED, actor, now
    found.dispute_reason = reason
    session.flush()
    return found


def approve(session: Session, key: Key, *, actor: str, now: datetime) -> Settlement:
    """The programme agrees to pay, by a second person.

    Raises:
        UnknownSettlement, SettlementNotReady: it is not confirmed.
        SameApprover: ``actor`` has drafted or confirmed it.
    """
    found = get_settlement(session, key, lock=True)
    if found.state in (APPROVED, PAID):
        return found
    _refuse_unless(found, CONFIRMED)
    assert found.confirmed_by is not None
    if actor in (found.drafted_by, found.confirmed_by):
        raise SameApprover(drafted_by=found.drafted_by, confirmed_by=found.confirmed_by)
    found.state, found.approved_by, found.approved_at = APPROVED, actor, now
    session.flush()
    tell(session, [told_of(found, "settlement.approved")], now=now)
    return found


def pay(
    session: Session,
    key: Key,
    *,
    payment_reference: str,
    actor: str,
    now: datetime,
    request_id: str | None = None,
) -> Settlement:
    """Put down that it was paid, under the bank's reference, and post it.

    The posting moves what is owed less what is returned from the merchant's clearing to what the
    programme ever paid; none where that is nothing.

    Raises:
        UnknownSettlement, SettlementNotReady: it is not approved.
        SettlementPaid: it was paid under another reference.
    """
    found = get_settlement(session, key, lock=True)
    if found.state == PAID:
        assert found.payment_reference is not None
        assert found.paid_at is not None
        if found.payment_reference != payment_reference:
            raise SettlementPaid(payment_reference=found.payment_reference, paid_at=found.paid_at)
        return found
    _refuse_unless(found, APPROVED)
    if payable_fen := found.owed_fen - found.returned_fen:
        posting = _payment(found, payable_fen, actor, now, request_id)
        post(session, posting, now=now)
    found.state, found.paid_by, found.paid_at = PAID, actor, now
    found.payment_reference = payment_reference
    session.flush()
    tell(session, [told_of(found, "settlement.paid")], now=now)
    return found


def payment_id(key: Key) -> UUID:
    """The posting by which a settlement is paid. Two merchants' may have the same id."""
    return uuid5(key.id, f"paid {key.merchant_id}")


def _payment(
    found: Settlement, payable_fen: int, actor: str, now: datetime, request_id: str | None
) -> NewPosting:
    key = Key(found.merchant_id, found.id)
    transfer = NewTransfer(
        found.merchant_id,
        account_key(found.merchant_id, "fen", CLEARING),
        account_key(found.programme_holder_id, "fen", REDEEMED),
        payable_fen,
        "settle",
        found.id,
        now,
    )
    return NewPosting(payment_id(key), "settlement", actor, [transfer], request_id=request_id)


def void(session: Session, key: Key) -> Settlement:
    """Take it back, before it is paid: its days are open again, and its lines are to be freed
    (``drafting.free_slice``). Void already: as it stands.

    Raises:
        UnknownSettlement.
        SettlementPaid: what was paid stays.
    """
    found = get_settlement(session, key, lock=True)
    if found.state == PAID:
        assert found.payment_reference is not None
        assert found.paid_at is not None
        raise SettlementPaid(payment_reference=found.payment_reference, paid_at=found.paid_at)
    if found.state != VOID:
        found.state = VOID
        found.owed_fen = found.returned_fen = 0  # Of its lines, which it has no more.
        found.approved_by = found.approved_at = None
        session.flush()
    return found


def listed(
    session: Session,
    merchant_id: UUID,
    *,
    state: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[Settlement]:
    """A merchant's settlements, the newest id first."""
    query = select(Settlement).where(Settlement.merchant_id == merchant_id)
    if state is not None:
        query = query.where(Settlement.state == state)
    if after is not None:
        query = query.where(Settlement.id < after)
    return list(session.scalars(query.order_by(Settlement.id.desc()).limit(limit)))


def find_keys(session: Session, settlement_id: UUID) -> list[Key]:
    """Whose settlement has this id: two merchants' may."""
    query = select(Settlement.merchant_id, Settlement.id).where(Settlement.id == settlement_id)
    return [Key(*row) for row in session.execute(query)]


def listed_by_programme(
    session: Session, programme_holder_id: UUID | None, *, state: str | None, limit: int
) -> list[Settlement]:
    """Of all merchants of a programme (None: of every one), the latest period first."""
    query = select(Settlement)
    if programme_holder_id is not None:
        query = query.where(Settlement.programme_holder_id == programme_holder_id)
    if state is not None:
        query = query.where(Settlement.state == state)
    order = (Settlement.period_from.desc(), Settlement.merchant_id, Settlement.id)
    return list(session.scalars(query.order_by(*order).limit(limit)))


def owed_fen(session: Session, merchant_id: UUID) -> int:
    """What the merchant is owed now, which is its clearing account in the ledger: lines in no
    settlement, and settlements that are not paid. Below zero: it owes.
    """
    lines = select(func.coalesce(func.sum(SettlementLine.amount_fen), 0)).where(
        SettlementLine.merchant_id == merchant_id
    )
    unsettled = session.scalar(lines.where(SettlementLine.settlement_id.is_(None)))
    not_paid = session.scalar(
        lines.join(
            Settlement,
            (Settlement.merchant_id == SettlementLine.merchant_id)
            & (Settlement.id == SettlementLine.settlement_id),
        ).where(Settlement.state != PAID)
    )
    return int(unsettled or 0) + int(not_paid or 0)


def _refuse_unless(found: Settlement, *allowed: str) -> None:
    if found.state not in allowed:
        raise SettlementNotReady(found.id, state=found.state, allowed=" or ".join(allowed))
