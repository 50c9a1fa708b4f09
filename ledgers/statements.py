"""The read side of one holder: pages with running balance, history, lots, the whole ledger.

Every function reads one holder's rows by index, so its cost does not grow with other residents;
called in one unchanging snapshot, what it answers adds up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ledgers.errors import UnknownAccount
from ledgers.models import Account, Lot, Transfer
from ledgers.snapshots import net_at, net_below

PAGE_MAX = 200
FETCH_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement; ``amount`` is signed, in the account's unit.

    ``balance`` is the account's sum after it, below zero in debt. ``expires_on``: the lot of it.
    """

    transfer_id: UUID
    posting_id: UUID
    kind: str
    amount: int
    balance: int
    reference: UUID
    occurred_at: datetime
    expires_on: date | None
    reverses_id: UUID | None


@dataclass(frozen=True, slots=True)
class Page:
    """``next_before`` asks for the page after this one; None at the end."""

    entries: Sequence[Entry]
    next_before: UUID | None


def get_account(session: Session, holder_id: UUID, account_id: UUID) -> Account:
    """The holder's account; raises UnknownAccount also for somebody else's."""
    account = session.get(Account, (holder_id, account_id))
    if account is None:
        raise UnknownAccount([account_id])
    return account


def page(
    session: Session,
    holder_id: UUID,
    account_id: UUID,
    *,
    before: UUID | None = None,
    since: UUID | None = None,
    limit: int = 50,
) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) entries older than ``before``, newest first, down to ``since``:
    a transfer's id, or a floor of them (``ledgers.ids.uuid7_floor``).
    """
    assert 0 < limit <= PAGE_MAX
    get_account(session, holder_id, account_id)
    query = (
        select(Transfer)
        .where(
            Transfer.holder_id == holder_id,
            or_(Transfer.debit_account_id == account_id, Transfer.credit_account_id == account_id),
        )
        .order_by(Transfer.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Transfer.id < before)
    if since is not None:
        query = query.where(Transfer.id >= since)
    rows = list(session.scalars(query))
    if not rows:
        return Page([], None)
    above = UUID(int=rows[0].id.int + 1)
    balance = net_below(session, holder_id, account_id, above)
    entries = []
    for row in rows[:limit]:
        entry = _entry(row, account_id, balance)
        entries.append(entry)
        balance -= entry.amount
    return Page(entries, entries[-1].transfer_id if len(rows) > limit else None)


def balance_at(session: Session, holder_id: UUID, account_id: UUID, at: datetime) -> int:
    """The holder's account at an instant (``ledgers.snapshots.net_at``)."""
    get_account(session, holder_id, account_id)
    return net_at(session, holder_id, account_id, at)


def live_lots(session: Session, holder_id: UUID, account_id: UUID) -> list[Lot]:
    """What lapses when, the next first: all of it, ten years ahead at most."""
    get_account(session, holder_id, account_id)
    query = (
        select(Lot)
        .where(Lot.holder_id == holder_id, Lot.account_id == account_id, Lot.remaining > 0)
        .order_by(Lot.expires_on)
    )
    return list(session.scalars(query))


def whole_ledger(session: Session, holder_id: UUID) -> Iterator[tuple[Account, Entry]]:
    """Every entry of every account of a holder, oldest first, each with its running balance.

    Streams: memory does not grow with the number of entries.
    """
    accounts = {
        account.id: account
        for account in session.scalars(select(Account).where(Account.holder_id == holder_id))
    }
    balances = dict.fromkeys(accounts, 0)
    query = select(Transfer).where(Transfer.holder_id == holder_id).order_by(Transfer.id)
    for row in session.scalars(query, execution_options={"yield_per": FETCH_ROWS}):
        for account_id in (row.debit_account_id, row.credit_account_id):
            if account_id in accounts:
                balances[account_id] += _signed(row, account_id)
                yield accounts[account_id], _entry(row, account_id, balances[account_id])
        session.expunge(row)


def _entry(row: Transfer, account_id: UUID, balance: int) -> Entry:
    return Entry(
        transfer_id=row.id,
        posting_id=row.posting_id,
        kind=row.kind,
        amount=_signed(row, account_id),
        balance=balance,
        reference=row.reference,
        occurred_at=row.occurred_at,
        expires_on=row.expires_on,
        reverses_id=row.reverses_id,
    )


def _signed(row: Transfer, account_id: UUID) -> int:
    return row.amount if row.credit_account_id == account_id else -row.amount
