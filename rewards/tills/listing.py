"""What a merchant's tills took, day by day."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from rewards.errors import UnknownConsumption
from rewards.models import Consumption
from rewards.redeeming.days import start_of
from rewards.tills.deciding import Consumed, consumed
from rewards.tills.looking import look_at, taken, terms_of


def of_day(
    session: Session,
    merchant_id: UUID,
    day: date,
    *,
    zone: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Consumed]:
    """What was taken on a day of the zone, the newest first; what was reversed, too."""
    query = select(Consumption.id).where(
        Consumption.merchant_id == merchant_id,
        Consumption.consumed_at >= start_of(day, zone),
        Consumption.consumed_at < start_of(day + timedelta(days=1), zone),
    )
    if before is not None:
        query = query.where(tuple_(Consumption.consumed_at, Consumption.id) < tuple_(*before))
    newest_first = query.order_by(Consumption.consumed_at.desc(), Consumption.id.desc())
    return _told(session, session.scalars(newest_first.limit(limit)).all())


def get_consumption(session: Session, consumption_id: UUID, merchant_id: UUID) -> Consumed:
    """One of the merchant's; raises UnknownConsumption."""
    query = select(Consumption.id).where(
        Consumption.id == consumption_id, Consumption.merchant_id == merchant_id
    )
    if session.scalar(query) is None:
        raise UnknownConsumption(consumption_id)
    (found,) = _told(session, [consumption_id])
    return found


def _told(session: Session, ids: Sequence[UUID]) -> list[Consumed]:
    if not ids:
        return []
    rows = taken(session, ids)
    vouchers = look_at(session, {row.code_sha256 for row in rows.values()})
    terms = terms_of(session, vouchers.values())
    found = []
    for id_ in ids:
        row = rows[id_]
        voucher = vouchers[row.code_sha256]
        found.append(consumed(row, voucher, terms[voucher.offer_id, voucher.version]))
    return found
