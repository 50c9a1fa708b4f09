"""Accounts: how they are named and opened.

An account is named by its key (holder, unit, kind); its id follows from the key, so opening it
again opens the same one and nobody has to look an id up before posting.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import func, select, text, union_all
from sqlalchemy.orm import Session

from ledgers.models import Account, Transfer

PERSONAL = "personal"
ISSUED, REDEEMED, EXPIRED, RETIRED, CLEARING = (
    "issued",
    "redeemed",
    "expired",
    "retired",
    "clearing",
)
SYSTEM_KINDS = frozenset({ISSUED, REDEEMED, EXPIRED, RETIRED, CLEARING})
PERSONAL_UNITS = ("mg_co2e", "point")

_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/account")

_OPEN = text("""
    INSERT INTO account (holder_id, id, unit, kind, guarded, opened_at)
    SELECT holder_id, id, unit, kind, :guarded, CAST(:now AS timestamptz)
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[]),
                CAST(:units AS text[]), CAST(:kinds AS text[])) AS k (holder_id, id, unit, kind)
    ORDER BY holder_id, id
    ON CONFLICT DO NOTHING
""")


class AccountKey(NamedTuple):
    """What names an account: whose, which unit, which kind."""

    holder_id: UUID
    unit: str
    kind: str

    @property
    def is_system(self) -> bool:
        return self.kind in SYSTEM_KINDS


@lru_cache(maxsize=200_000)  # Residents come again; the id is a hash that never changes.
def account_id(key: AccountKey) -> UUID:
    """The id that follows from the key."""
    return uuid5(_NAMESPACE, f"{key.holder_id}/{key.unit}/{key.kind}")


def open_personal(session: Session, holder_ids: Sequence[UUID], *, now: datetime) -> None:
    """Open the guarded accounts of residents, CO2e and points; those already open stay as they are.

    One statement however many holders; at most 10,000 a call.
    """
    keys = [AccountKey(holder, unit, PERSONAL) for holder in holder_ids for unit in PERSONAL_UNITS]
    _open(session, keys, guarded=True, now=now)


def open_system(session: Session, holder_id: UUID, *, now: datetime) -> None:
    """Open a programme's own unguarded accounts."""
    keys = [
        AccountKey(holder_id, unit, kind)
        for unit in PERSONAL_UNITS
        for kind in sorted(SYSTEM_KINDS)
    ]
    _open(session, keys, guarded=False, now=now)


def _open(session: Session, keys: list[AccountKey], *, guarded: bool, now: datetime) -> None:
    assert len(keys) <= 20_000, "open accounts in batches"
    rows = sorted(keys)
    session.execute(
        _OPEN,
        {
            "holders": [key.holder_id for key in rows],
            "ids": [account_id(key) for key in rows],
            "units": [key.unit for key in rows],
            "kinds": [key.kind for key in rows],
            "guarded": guarded,
            "now": now,
        },
    )


def of_holder(session: Session, holder_id: UUID) -> list[Account]:
    """The holder's accounts, by unit; empty for an unknown holder."""
    query = select(Account).where(Account.holder_id == holder_id)
    return list(session.scalars(query.order_by(Account.unit, Account.kind)))


def system_balances(session: Session, holder_id: UUID) -> dict[tuple[str, str], int]:
    """A programme's own balances by (unit, kind), summed from all transfers: exact, and slow.

    Reads every transfer; a job will fold them (design section 4).
    """
    moves = union_all(
        select(Transfer.credit_account_id.label("account_id"), Transfer.amount),
        select(Transfer.debit_account_id, -Transfer.amount),
    ).subquery()
    query = (
        select(Account.unit, Account.kind, func.coalesce(func.sum(moves.c.amount), 0))
        .outerjoin(moves, moves.c.account_id == Account.id)
        .where(Account.holder_id == holder_id)
        .group_by(Account.unit, Account.kind)
    )
    return {(unit, kind): int(total) for unit, kind, total in session.execute(query)}
