"""The read side: pages of one account's transfers, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ledgers.errors import UnknownAccount
from ledgers.models import Account, Transfer

PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a statement; ``amount`` is signed, in the account's unit."""

    transfer_id: UUID
    posting_id: UUID
    kind: str
    amount: int
    reference: UUID
    occurred_at: datetime
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
    limit: int = 50,
) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) entries older than ``before``, newest first.

    One index range of one holder: its cost does not grow with other residents' transfers.
    """
    assert 0 < limit <= PAGE_MAX
    account = get_account(session, holder_id, account_id)
    query = (
        select(Transfer)
        .where(
            Transfer.holder_id == holder_id,
            or_(Transfer.debit_account_id == account.id, Transfer.credit_account_id == account.id),
        )
        .order_by(Transfer.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Transfer.id < before)
    rows = list(session.scalars(query))
    entries = [
        Entry(
            transfer_id=row.id,
            posting_id=row.posting_id,
            kind=row.kind,
            amount=row.amount if row.credit_account_id == account.id else -row.amount,
            reference=row.reference,
            occurred_at=row.occurred_at,
            reverses_id=row.reverses_id,
        )
        for row in rows[:limit]
    ]
    return Page(entries, entries[-1].transfer_id if len(rows) > limit else None)
