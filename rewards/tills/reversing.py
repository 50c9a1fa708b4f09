"""The merchant takes back on the same day what a till took by mistake; the voucher is good again.

Later than that it is the programme's to refund (``rewards.redeeming.refunding``).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rewards.errors import UnknownConsumption
from rewards.models import Consumption, Voucher
from rewards.redeeming.days import day_of
from rewards.settling.payables import line_of, owe, taking_back
from rewards.tills.deciding import Consumed, consumed
from rewards.tills.errors import ReversalTooLate, VoucherRefunded
from rewards.tills.looking import Found, Taken, Terms, lock_vouchers, taken, terms_of
from rewards.webhooks.outbox import Told, tell


def reverse_consumption(
    session: Session,
    consumption_id: UUID,
    *,
    merchant_id: UUID,
    zone: str,
    now: datetime,
    actor: str,
    request_id: str | None = None,
) -> Consumed:
    """Take a consumption back. The same again answers the same.

    Args:
        zone: the programme's: it says when the day is over.

    Raises:
        UnknownConsumption: none of this merchant.
        VoucherRefunded: the programme has given the points back.
        ReversalTooLate: it was taken on another day.

    Locks the voucher's row.
    """
    hashed = session.scalar(
        select(Consumption.code_sha256).where(
            Consumption.id == consumption_id, Consumption.merchant_id == merchant_id
        )
    )
    if hashed is None:
        raise UnknownConsumption(consumption_id)
    voucher = lock_vouchers(session, merchant_id, [hashed])[hashed]
    before = taken(session, [consumption_id])[consumption_id]
    terms = terms_of(session, [voucher])[voucher.offer_id, voucher.version]
    if before.reversed_at is not None:
        return consumed(before, voucher, terms)
    assert voucher.consumed_at is not None
    if voucher.refunded_at is not None:
        raise VoucherRefunded(consumed_at=voucher.consumed_at, refunded_at=voucher.refunded_at)
    consumed_on, today = day_of(before.consumed_at, zone), day_of(now, zone)
    if consumed_on != today:
        raise ReversalTooLate(consumed_on=consumed_on, today=today)
    _give_back(session, before, voucher, actor, now)
    _take_line_back(session, before, terms, merchant_id, actor, now, request_id)
    _tell(session, before, voucher, merchant_id, now)
    return consumed(before._replace(reversed_at=now), voucher, terms)


def _give_back(session: Session, before: Taken, voucher: Found, actor: str, now: datetime) -> None:
    session.execute(
        update(Consumption)
        .where(Consumption.id == before.id)
        .values(reversed_at=now, reversed_by=actor)
    )
    session.execute(
        update(Voucher)
        .where(Voucher.code_sha256 == voucher.code_sha256)
        .values(consumed_at=None, consumption_id=None)
    )


def _take_line_back(
    session: Session,
    before: Taken,
    terms: Terms,
    merchant_id: UUID,
    actor: str,
    now: datetime,
    request_id: str | None,
) -> None:
    recorded_at = session.scalar(select(Consumption.recorded_at).where(Consumption.id == before.id))
    line = line_of(session, merchant_id, before.id, recorded_at=recorded_at)
    if line is not None:
        holder_id = terms.programme_holder_id
        back = taking_back(line, "reversal", programme_holder_id=holder_id, now=now)
        owe(session, [back], actor=actor, now=now, request_id=request_id)


def _tell(
    session: Session, before: Taken, voucher: Found, merchant_id: UUID, now: datetime
) -> None:
    content = {
        "consumption_id": str(before.id),
        "redemption_id": str(voucher.redemption_id),
        "offer_id": str(voucher.offer_id),
        "version": voucher.version,
        "reversed_at": now.isoformat(),
    }
    tell(session, [Told(merchant_id, "voucher.reversed", content)], now=now)
