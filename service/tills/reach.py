"""Which merchants' rows a caller sees in a list."""

from uuid import UUID

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from rewards.models import Merchant
from service.auth import caller_merchant_id
from service.authorisation import MERCHANT_ROLES, only_programme_holder
from service.identity.tokens import Caller


def of_merchants(
    session: Session, caller: Caller, column: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """A list's condition on its column of merchants: one's own, or those of one's programme."""
    if caller.role in MERCHANT_ROLES:
        return column == caller_merchant_id()
    programme_holder_id = only_programme_holder(session, caller)
    if programme_holder_id is None:
        return true()
    own = select(Merchant.id).where(Merchant.programme_holder_id == programme_holder_id)
    return column.in_(session.scalars(own).all())
