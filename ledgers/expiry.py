"""Expiry: the lot in which points land, by the issuer's dated policy.

A policy says until when points can be used (``ExpiryPolicy``). A resident's points never expire
where no policy was in force on the day they were booked. It is the day of booking that counts, not
the day of the act: late data take nothing from the time a resident has.
"""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.models import ExpiryPolicy

PERIODS_MAX = {"year": 9, "month": 119}  # With the running one: ten years, as Shenzhen allows.
GRACE_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class Bucket:
    """A lot's name: the last day of use, the instant after it, and who issued the points."""

    expires_on: date
    lapses_at: datetime
    issuer_id: UUID


class Policy(NamedTuple):
    """A row of ``ExpiryPolicy``, less its document."""

    issuer_id: UUID
    valid_from: date
    valid_to: date | None
    zone: str
    ends: str
    periods: int
    grace_days: int


POLICY_COLUMNS: tuple[LiteralString, ...] = (
    *("issuer_id", "valid_from", "valid_to", "zone", "ends", "periods", "grace_days"),
)


class Policies:
    """The policies of some issuers, all their versions."""

    def __init__(self, rows: Iterable[Policy]) -> None:
        self._of: dict[UUID, list[Policy]] = {}
        for row in rows:
            self._of.setdefault(row.issuer_id, []).append(row)

    def for_earning(self, issuer_id: UUID, at: datetime) -> Bucket | None:
        """The lot of what the issuer gives at ``at``; None when it never expires."""
        policy = self._in_force(issuer_id, at)
        if policy is None:
            return None
        return _bucket(policy, _last_day(policy, _day(policy, at)))

    def for_return(self, issuer_id: UUID, expires_on: date, at: datetime) -> Bucket:
        """The lot of what comes back at ``at`` into a lot that ends on ``expires_on``.

        The same lot; when it has lapsed, one that ends the policy's days of grace from today.
        """
        policy = self._in_force(issuer_id, at) or self._newest(issuer_id)
        bucket = _bucket(policy, expires_on)
        if bucket.lapses_at > at or not policy.grace_days:
            return bucket
        return _bucket(policy, _day(policy, at) + timedelta(days=policy.grace_days))

    def _in_force(self, issuer_id: UUID, at: datetime) -> Policy | None:
        for policy in self._of.get(issuer_id, ()):
            day = _day(policy, at)
            if policy.valid_from <= day and (policy.valid_to is None or day < policy.valid_to):
                return policy
        return None

    def _newest(self, issuer_id: UUID) -> Policy:
        return max(self._of[issuer_id], key=lambda policy: policy.valid_from)


def load_policies(session: Session, issuer_ids: Sequence[UUID]) -> Policies:
    """One read: an issuer has a handful of versions."""
    columns = [getattr(ExpiryPolicy, name) for name in POLICY_COLUMNS]
    query = select(*columns).where(ExpiryPolicy.issuer_id.in_(issuer_ids))
    return Policies(Policy(*row) for row in session.execute(query))


def _day(policy: Policy, at: datetime) -> date:
    return at.astimezone(ZoneInfo(policy.zone)).date()


def _last_day(policy: Policy, day: date) -> date:
    """The end of the month or year that is ``periods`` after that of ``day``."""
    if policy.ends == "year":
        return date(day.year + policy.periods, 12, 31)
    years, month = divmod(day.year * 12 + day.month - 1 + policy.periods, 12)
    return date(years, month + 1, monthrange(years, month + 1)[1])


def _bucket(policy: Policy, expires_on: date) -> Bucket:
    lapses = datetime.combine(expires_on + timedelta(days=1), time(), ZoneInfo(policy.zone))
    return Bucket(expires_on, lapses, policy.issuer_id)
