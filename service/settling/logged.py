"""Settlements as the admin log tells of them."""

from sqlalchemy.orm import Session

from rewards.models import Merchant, Settlement
from rewards.settling.drafting import Key
from service.admin.log import State
from service.admin.objects import Object, programme_of


def of_settlement(session: Session, key: Key) -> Object:
    """A merchant's settlement of a period."""

    def state() -> State:
        one = session.get(Settlement, key, populate_existing=True)
        if one is None:
            return None
        return {
            "merchant_id": one.merchant_id,
            "period_from": one.period_from,
            "period_to": one.period_to,
            "state": one.state,
            "owed_fen": one.owed_fen,
            "returned_fen": one.returned_fen,
            "drafted_by": one.drafted_by,
            "confirmed_by": one.confirmed_by,
            "dispute_reason": one.dispute_reason,
            "approved_by": one.approved_by,
            "payment_reference": one.payment_reference,
        }

    merchant = session.get(Merchant, key.merchant_id)
    holder_id = merchant.programme_holder_id if merchant else None
    programme = programme_of(session, holder_id) if holder_id else None
    return Object("settlement", str(key.id), programme, None, state)
