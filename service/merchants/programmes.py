"""Programmes behind merchants and budgets, which know them by their own holder."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from rewards.merchants.merchants import get


def codes_of(session: Session, holder_ids: Iterable[UUID | None]) -> dict[UUID | None, str]:
    """The codes of programmes by their own holders; one statement."""
    query = select(Programme.holder_id, Programme.code).where(Programme.holder_id.in_(holder_ids))
    return {row.holder_id: row.code for row in session.execute(query)}


def programme_of_merchant(session: Session, merchant_id: UUID) -> str | None:
    """The code of a merchant's programme; raises UnknownMerchant."""
    holder_id = get(session, merchant_id).programme_holder_id
    return codes_of(session, [holder_id]).get(holder_id)


def zone_of_merchant(session: Session, merchant_id: UUID) -> str:
    """The zone of its programme, whose days its agreements count; raises UnknownMerchant."""
    holder_id = get(session, merchant_id).programme_holder_id
    query = select(Programme.zone).where(Programme.holder_id == holder_id)
    return session.scalars(query).one()
