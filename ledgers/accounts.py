"""Accounts: how they are named and opened.

An account is named by its key (holder, unit, kind); its id follows from the key, so opening it
again opens the same one and nobody has to look an id up before posting.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of
from ledgers.models import Account

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

_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_OPEN = text("""
    INSERT INTO account (holder_id, id, unit, kind, guarded, opened_at)
    SELECT holder_id, id, unit, kind, :guarded, CAST(:now AS timestamptz)
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[]),
                CAST(:units AS text[]), CAST(:kinds AS text[])) AS k (holder_id, id, unit, kind)
    ORDER BY holder_id, id
    ON CONFLICT DO NOTHING
""")

_TELL: LiteralString = """
    SELECT id, unit, kind, balance, held, debt FROM account WHERE holder_id = %(holder)s
    ORDER BY unit, kind
"""


class AccountKey(NamedTuple):
    """What names an account, whose, which unit, which kind, and the id that follows from it.

    ``id`` is the account's uuid in 32 hexadecimal digits, as it is written.
    """

    holder_id: UUID
    unit: str
    kind: str
    id: str

    @property
    def is_system(self) -> bool:
        return self.kind in SYSTEM_KINDS


def account_key(holder_id: UUID, unit: str, kind: str) -> AccountKey:
    """The key of a holder's account: its id is a uuid5 of the other three."""
    digits = hashlib.sha1(
        _NAMESPACE.bytes + f"{holder_id.hex}/{unit}/{kind}".encode(), usedforsecurity=False
    ).hexdigest()
    variant = _VARIANTS[digits[16]]
    return AccountKey(
        holder_id, unit, kind, f"{digits[:12]}5{digits[13:16]}{variant}{digits[17:32]}"
    )


def open_personal(session: Session, holder_ids: Sequence[UUID], *, now: datetime) -> None:
    """Open the guarded accounts of residents, CO2e and points; those already open stay as they are.

    One statement however many holders; at most 10,000 a call.
    """
    keys = [account_key(holder, unit, PERSONAL) for holder in holder_ids for unit in PERSONAL_UNITS]
    _open(session, keys, guarded=True, now=now)


def open_system(session: Session, holder_id: UUID, *, now: datetime) -> None:
    """Open a programme's own unguarded accounts."""
    keys = [
        account_key(holder_id, unit, kind)
        for unit in PERSONAL_UNITS
        for kind in sorted(SYSTEM_KINDS)
    ]
    _open(session, keys, guarded=False, now=now)


def open_payable(
    session: Session, issuer_id: UUID, payee_ids: Sequence[UUID], *, now: datetime
) -> None:
    """Open what it takes to owe fen: the issuer's ``issued`` (what it ever owed) and ``redeemed``
    (what it ever paid), and each payee's ``clearing``, what is owed now. All unguarded, so nobody
    waits for anybody. Those already open stay as they are; at most 10,000 payees a call.
    """
    keys = [account_key(issuer_id, "fen", kind) for kind in (ISSUED, REDEEMED)]
    keys += [account_key(payee_id, "fen", CLEARING) for payee_id in payee_ids]
    _open(session, keys, guarded=False, now=now)


def _open(session: Session, keys: list[AccountKey], *, guarded: bool, now: datetime) -> None:
    assert len(keys) <= 20_000, "open accounts in batches"
    rows = sorted(keys)
    session.execute(
        _OPEN,
        {
            "holders": array_of(key.holder_id.hex for key in rows),
            "ids": array_of(key.id for key in rows),
            "units": array_of(key.unit for key in rows),
            "kinds": array_of(key.kind for key in rows),
            "guarded": guarded,
            "now": now,
        },
    )


def is_closed(session: Session, holder_id: UUID) -> bool:
    """Whether the holder's accounts were closed (``ledgers.closing``)."""
    return any(account.guarded and account.closed_at for account in of_holder(session, holder_id))


def closed_among(session: Session, holder_ids: Iterable[UUID]) -> set[UUID]:
    """Those of many holders who have closed their accounts."""
    query = select(Account.holder_id).where(
        Account.holder_id.in_(set(holder_ids)), Account.guarded, Account.closed_at.is_not(None)
    )
    return set(session.scalars(query))


def of_holder(session: Session, holder_id: UUID) -> list[Account]:
    """The holder's accounts, by unit; empty for an unknown holder."""
    query = select(Account).where(Account.holder_id == holder_id)
    return list(session.scalars(query.order_by(Account.unit, Account.kind)))


def telling_of_holder(holder_id: UUID) -> Statement:
    """The same as rows of id, unit, kind, balance, held and debt, for who asks very often."""
    return _TELL, {"holder": holder_id}
