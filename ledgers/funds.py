"""Funds: one guarded account under lock, and from which lots an amount comes.

Everything here follows from three figures: ``net`` (the sum of the account's transfers), ``held``,
and what remains in each lot. The balance is the greater of net and held, the debt is what net lacks
of held, and what of the balance is in no lot never expires (written as None).

Holds cover the points that lapse first; who spends takes the next. So held points do not lapse
under the one who reserved them, and points are used in the order in which they lapse.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Cursor
from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import AccountKey
from ledgers.bulk import Statement, array_of, look_up_by_index, together
from ledgers.expiry import Bucket


class Part(NamedTuple):
    """An amount of one lot; None is the lot of what never expires, or a debt."""

    expires_on: date | None
    amount: int


@dataclass(slots=True)
class Funds:
    """One account under lock, changed here first and written afterwards."""

    key: AccountKey
    net: int
    held: int
    lots: dict[date, int]  # What remains, by last day of use, in its order.
    buckets: dict[date, Bucket]
    before: dict[date, int] = field(init=False)

    def __post_init__(self) -> None:
        self.before = dict(self.lots)

    @property
    def balance(self) -> int:
        return max(self.net, self.held)

    @property
    def debt(self) -> int:
        return self.balance - self.net

    @property
    def available(self) -> int:
        """What can be spent or reserved, due lots having been lapsed before."""
        return self.balance - self.held

    def due(self, at: datetime) -> list[Part]:
        """What has lapsed by ``at``: of the lots whose day is over, what no hold covers."""
        days = [day for day in self.lots if self.buckets[day].lapses_at <= at]
        return self._parts(sum(self.lots[day] for day in days) - self.held, skip=self.held)

    def overdue(self, at: datetime) -> list[Part]:
        """What of the lots whose day is over is left, held or not."""
        return [Part(day, n) for day, n in self.lots.items() if n and self._is_over(day, at)]

    def spend(self, amount: int) -> list[Part]:
        """Take an available amount from the points that lapse first and are not held."""
        assert amount <= self.available, "checked before"
        return self.take(self._parts(amount, skip=self.held))

    def capture(self, amount: int, *, of_held: int) -> list[Part]:
        """Take an amount of a hold of ``of_held``, which ends; from the points that lapse first."""
        assert amount <= of_held <= self.held, "checked before"
        parts = self.take(self._parts(amount, skip=0))
        self.held -= of_held
        return parts

    def claw_back(self, amount: int, *, first: date | None) -> list[Part]:
        """Take an amount back: of the lot ``first`` while there is some, then of those that lapse
        first; what is beyond what is not held becomes a debt.
        """
        free = min(amount, self.available)
        own = min(free, self.lots.get(first, 0)) if first else 0
        parts = self.take([Part(first, own)]) if own else []
        parts += self.take(self._parts(free - own, skip=0))
        if amount > free:
            parts += self.take([Part(None, amount - free)])
        return parts

    def give(self, bucket: Bucket | None, amount: int) -> list[Part]:
        """Add an amount to a lot; a debt is paid first."""
        paid = min(self.debt, amount)
        self.net += amount
        parts = [Part(None, paid)] if paid else []
        if amount > paid:
            parts.append(self._put(bucket, amount - paid))
        return parts

    def release(self, amount: int) -> list[Part]:
        """End a hold of an amount; answers what of it pays a debt and so leaves its lots."""
        self.held -= amount
        return self.settle()

    def settle(self) -> list[Part]:
        """Once less is held, a debt is paid from the points that lapse first."""
        excess = sum(self.lots.values()) - self.balance
        parts = self._parts(max(excess, 0), skip=0)
        for part in parts:
            self.shift(part, None)
        return parts

    def shift(self, part: Part, bucket: Bucket | None) -> None:
        """Move an amount from one lot to another; the sum stays."""
        assert part.expires_on is not None
        self.lots[part.expires_on] -= part.amount
        self._put(bucket, part.amount)

    def changes(self) -> Iterator[tuple[Bucket, int]]:
        """What each lot gained (above zero) or lost since it was read."""
        for day, remaining in self.lots.items():
            if change := remaining - self.before.get(day, 0):
                yield self.buckets[day], change

    def _is_over(self, day: date, at: datetime) -> bool:
        return self.buckets[day].lapses_at <= at

    def _parts(self, amount: int, *, skip: int) -> list[Part]:
        """The lots of an amount, those that lapse first first, after leaving ``skip`` out."""
        parts = []
        lots: list[tuple[date | None, int]] = [*self.lots.items()]
        for day, remaining in [*lots, (None, self.balance - sum(self.lots.values()))]:
            left_out = min(skip, remaining)
            skip -= left_out
            if (taken := min(amount, remaining - left_out)) > 0:
                parts.append(Part(day, taken))
                amount -= taken
        return parts

    def take(self, parts: list[Part]) -> list[Part]:
        """Take these amounts from their lots."""
        for day, amount in parts:
            self.net -= amount
            if day is not None:
                self.lots[day] -= amount
        return parts

    def _put(self, bucket: Bucket | None, amount: int) -> Part:
        if bucket is None:
            return Part(None, amount)
        day = bucket.expires_on
        self.buckets[day] = bucket
        self.lots[day] = self.lots.get(day, 0) + amount
        self.lots = dict(sorted(self.lots.items()))
        return Part(day, amount)


_LOCK: LiteralString = """
    SELECT id, unit, kind, balance - debt, held FROM account
    WHERE holder_id = %(holder)s AND guarded AND closed_at IS NULL ORDER BY id FOR UPDATE
"""
_LOTS: LiteralString = """
    SELECT account_id, expires_on, lapses_at, issuer_id, remaining FROM lot
    WHERE holder_id = %(holder)s AND remaining > 0 ORDER BY account_id, expires_on
"""


def locking(holder_id: UUID) -> list[Statement]:
    """Locks all of one holder's open accounts, lowest id first, until the transaction ends, then
    reads their lots: whoever changes a lot holds its account's lock.
    """
    return [(_LOCK, {"holder": holder_id}), (_LOTS, {"holder": holder_id})]


def locked(holder_id: UUID, accounts: Cursor[Any], lots: Cursor[Any]) -> dict[str, Funds]:
    """What ``locking`` found, by account."""
    found = {
        id_.hex: Funds(AccountKey(holder_id, unit, kind, id_.hex), int(net), held, {}, {})
        for id_, unit, kind, net, held in accounts
    }
    for account_id, day, lapses_at, issuer_id, remaining in lots:
        if (funds := found.get(account_id.hex)) is None:
            continue  # Of a closed account.
        funds.lots[day] = funds.before[day] = remaining
        funds.buckets[day] = Bucket(day, lapses_at, issuer_id)
    return found


def lock_holder(session: Session, holder_id: UUID) -> dict[str, Funds]:
    """All of one holder's open accounts by id, locked, with their lots."""
    return locked(holder_id, *together(session, *locking(holder_id)))


_LOCK_MANY = text("""
    UPDATE account AS a SET held = a.held
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder_id, id)
    WHERE a.holder_id = k.holder_id AND a.id = k.id
    RETURNING a.holder_id, a.id, a.unit, a.kind, a.balance - a.debt, a.held
""")
_LOTS_MANY = text("""
    SELECT account_id, expires_on, lapses_at, issuer_id, remaining FROM lot
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND account_id = ANY(CAST(:ids AS uuid[]))
      AND remaining > 0
    ORDER BY account_id, expires_on
""")


def lock_accounts(session: Session, keys: Iterable[tuple[UUID, UUID]]) -> dict[UUID, Funds]:
    """Accounts of many holders, given as (holder, account), by account; locked lowest first.

    Three statements however many. An UPDATE that changes nothing locks rows of many shards in the
    order of the list, which ``FOR UPDATE`` may not (design section 7).
    """
    rows = sorted((holder.hex, account.hex) for holder, account in keys)
    parameters = {
        "holders": array_of(holder for holder, _ in rows),
        "ids": array_of(account for _, account in rows),
    }
    look_up_by_index(session)
    found = {
        id_: Funds(AccountKey(holder_id, unit, kind, id_.hex), int(net), held, {}, {})
        for holder_id, id_, unit, kind, net, held in session.execute(_LOCK_MANY, parameters)
    }
    for account_id, day, lapses_at, issuer_id, remaining in session.execute(_LOTS_MANY, parameters):
        funds = found[account_id]
        funds.lots[day] = funds.before[day] = remaining
        funds.buckets[day] = Bucket(day, lapses_at, issuer_id)
    return found
