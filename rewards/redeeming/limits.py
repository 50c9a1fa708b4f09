"""Limits: how many of an offer one resident may have in a day, a week, a month.

Counted from the resident's redemptions, under the lock of their accounts: two at once wait for each
other. What was cancelled or failed does not count.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of, together
from rewards.models import OfferVersion
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.days import PERIODS, day_of, period_of, start_of
from rewards.redeeming.errors import ResidentLimitReached
from rewards.redeeming.terms import Terms

_SUMS: LiteralString = """
    coalesce(sum(units) FILTER (WHERE redeemed_at >= %(day)s), 0)::bigint,
    coalesce(sum(units) FILTER (WHERE redeemed_at >= %(week)s), 0)::bigint,
    coalesce(sum(units) FILTER (WHERE redeemed_at >= %(month)s), 0)::bigint
"""
_COUNTED: LiteralString = """
    redeemed_at >= least(%(week)s, %(month)s) AND state NOT IN ('cancelled', 'failed')
"""
_COUNT: LiteralString = f"""
    SELECT {_SUMS} FROM redemption
    WHERE holder_id = %(holder_id)s AND offer_id = %(offer_id)s AND {_COUNTED}
"""
_COUNT_MANY: LiteralString = f"""
    SELECT offer_id, {_SUMS} FROM redemption
    WHERE holder_id = %(holder_id)s AND offer_id = ANY(CAST(%(offers)s AS uuid[])) AND {_COUNTED}
    GROUP BY offer_id
"""


def check(session: Session, terms: Terms, buyer: Buyer, units: int, now: datetime) -> None:
    """Raises ResidentLimitReached. The caller has locked the resident's accounts."""
    if limits_of(terms.version):
        (counted,) = together(session, counting(terms.offer.id, buyer, now))
        refuse_beyond(terms, counted.fetchall()[0], units, buyer, now)


def limits_of(version: OfferVersion) -> dict[str, int]:
    """In units, by period; those that there are."""
    limits = (version.resident_day_units, version.resident_week_units, version.resident_month_units)
    return {name: n for name, n in zip(PERIODS, limits, strict=True) if n is not None}


def counting(offer_id: UUID, buyer: Buyer, now: datetime) -> Statement:
    """Reads the units that the resident has had in the day, the week and the month of ``now``."""
    day = day_of(now, buyer.zone)
    starts = {name: start_of(period_of(name, day)[0], buyer.zone) for name in PERIODS}
    return _COUNT, {"holder_id": buyer.holder_id, "offer_id": offer_id, **starts}


def own_left(
    session: Session, versions: Sequence[OfferVersion], buyer: Buyer, now: datetime
) -> dict[UUID, int]:
    """How many units of offers, by the terms that hold, the resident may still have today: what the
    narrowest of their limits leaves. Offers without a limit are left out. One statement.
    """
    limited = {version.offer_id: limits_of(version) for version in versions if limits_of(version)}
    if not limited:
        return {}
    _, parameters = counting(next(iter(limited)), buyer, now)
    offers = array_of(offer_id.hex for offer_id in limited)
    (counted,) = together(session, (_COUNT_MANY, {**parameters, "offers": offers}))
    taken = {offer_id: dict(zip(PERIODS, had, strict=True)) for offer_id, *had in counted}
    return {
        offer_id: max(
            min(n - taken.get(offer_id, {}).get(name, 0) for name, n in limits.items()), 0
        )
        for offer_id, limits in limited.items()
    }


def refuse_beyond(
    terms: Terms, taken: Sequence[int], units: int, buyer: Buyer, now: datetime
) -> None:
    """Raises ResidentLimitReached for the limit that opens last of those that are reached."""
    limits, day = limits_of(terms.version), day_of(now, buyer.zone)
    refusals = [
        (period_of(name, day)[1], name, limits[name], had)
        for name, had in zip(PERIODS, taken, strict=True)
        if name in limits and had + units > limits[name]
    ]
    if refusals:
        opens_on, name, limit, had = max(refusals)
        raise ResidentLimitReached(
            period=name, limit_units=limit, taken_units=had, opens_on=opens_on
        )
