"""Refunds by staff: whom they reach, and the row that each leaves in the admin log."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.models import Posting
from rewards.errors import UnknownConsumption
from rewards.models import Consumption, Redemption, Voucher
from rewards.redeeming.ending import posting_id_of
from rewards.redeeming.refunding import STATE, Refunded, holder_of, refund
from service.admin.log import Actor, State
from service.admin.objects import Object, acting_on, programme_of


def give(
    session: Session,
    who: Actor,
    consumption_id: UUID,
    *,
    reason: str,
    reaches: Callable[[Session, UUID], bool],
    now: datetime,
) -> Refunded:
    """``rewards.redeeming.refunding.refund`` for who reaches the resident; for others there is
    nothing under the id.
    """
    holder_id = holder_of(session, consumption_id)
    if holder_id is None or not reaches(session, holder_id):
        raise UnknownConsumption(consumption_id)
    return acting_on(
        session,
        who,
        "voucher.refund",
        _object(session, consumption_id, holder_id),
        lambda: refund(
            session,
            consumption_id,
            actor=who.name,
            reason=reason,
            now=now,
            request_id=who.request_id or None,
        ),
        now=now,
    )


def _object(session: Session, consumption_id: UUID, holder_id: UUID) -> Object:
    """The use of a voucher, without its code."""

    def state() -> State:
        taken = session.get(Consumption, consumption_id)
        if taken is None:
            return None
        query = select(Voucher.redemption_id, Voucher.consumed_at, Voucher.refunded_at).where(
            Voucher.code_sha256 == taken.code_sha256
        )
        redemption_id, consumed_at, refunded_at = session.execute(query).one()
        key = (holder_id, redemption_id)
        redemption = session.get_one(Redemption, key, populate_existing=True)
        posting = session.get(Posting, posting_id_of(redemption_id, STATE))
        return {
            "merchant_id": taken.merchant_id,
            "redemption_id": redemption_id,
            "consumed_at": consumed_at,
            "refunded_at": refunded_at,
            "state": redemption.state,
            "returned_points": redemption.returned_points,
            "reason": posting.reason if posting else None,
        }

    programme = programme_of(session, holder_id)
    return Object("consumption", str(consumption_id), programme, holder_id, state)
