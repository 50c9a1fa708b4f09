"""Posting: the only code that writes transfers.

Kept here, and kept again by the database: a transfer's amount is positive and its two accounts
hold its unit; a guarded account never has less than nothing; a transfer is never changed, so a
mistake is answered by a reversal. Two residents' postings lock no row in common: a programme's
own accounts are not updated here, and nothing here refers to a shared row by foreign key.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import CursorResult, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.accounts import AccountKey
from ledgers.bulk import NULL, array_of, copy_lines, look_up_by_index
from ledgers.errors import (
    InsufficientPoints,
    InvalidAmount,
    NotReversible,
    PostingReused,
    UnknownAccount,
    UnknownTransfer,
)
from ledgers.ids import uuid7s
from ledgers.models import Account, Posting, Transfer

TRANSFERS_MAX = 20_000  # A posting is planned in memory: 10,000 events of two transfers each.
AMOUNT_MAX = 2**53  # The largest whole number that every JSON reader keeps exactly.


class NewTransfer(NamedTuple):
    """One movement to be written; ``holder_id`` is the holder it concerns and is stored with.

    ``amount`` is in the accounts' unit; ``occurred_at`` the zone-aware instant in the world;
    ``reference`` the activity or redemption behind it.
    """

    holder_id: UUID
    debit: AccountKey
    credit: AccountKey
    amount: int
    kind: str
    reference: UUID
    occurred_at: datetime
    reverses_id: UUID | None = None


Changes = Mapping[str, tuple[AccountKey, int]]  # By the account's id: its key, its net change.


@dataclass(frozen=True, slots=True)
class NewPosting:
    """What shall be posted. ``actor`` is who caused it: a holder's id, a staff id, a job's name."""

    id: UUID
    kind: str
    actor: str
    transfers: Sequence[NewTransfer]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """The posting stands; ``written`` is False when an earlier call wrote it."""

    id: UUID
    written: bool


def post(session: Session, posting: NewPosting, *, now: datetime) -> Posted:
    """Write one atomic list of transfers, or answer that it was written before.

    Args:
        session: the caller's open transaction; the caller commits, nothing here does.
        posting: id made by the client or derived from the cause; 1..TRANSFERS_MAX transfers,
            each a whole amount of 1..AMOUNT_MAX. It debits guarded accounts of one holder at most.
        now: the zone-aware instant of this write; ids of transfers carry it.

    Raises:
        InvalidAmount: an amount out of bounds, or two accounts of different units.
        UnknownAccount: accounts that do not exist, are closed (all are listed).
        PostingReused: the id stands for other content.
        InsufficientPoints: a guarded account would fall below zero, or its holder is in debt.

    A retry writes nothing. At most eight statements, however many transfers. Locks the debited
    holder's accounts, then the credited ones, each lowest (holder, id) first, until the caller's
    transaction ends. Source: docs/DECISIONS.md, decisions 2 and 4.
    """
    return _post(session, posting, now=now, clawback=False)


def reverse(
    session: Session,
    reversal_id: UUID,
    *,
    holder_id: UUID,
    transfer_ids: Sequence[UUID],
    actor: str,
    reason: str,
    now: datetime,
) -> Posted:
    """Answer transfers of one holder by their opposites, each at most once.

    What the holder has spent meanwhile becomes a debt that later earnings pay first; a reversal
    never fails for lack of points. The same ``reversal_id`` again is a retry.

    Raises:
        UnknownTransfer: ids that this holder does not have.
        NotReversible: transfers already reversed, or reversals themselves.
        PostingReused: the id stands for other content.

    Locks all accounts of the holder. Source: docs/DECISIONS.md, decision 5.
    """
    _lock_holder(session, holder_id)
    originals = _transfers_of(session, holder_id, transfer_ids)
    if missing := set(transfer_ids) - originals.keys():
        raise UnknownTransfer(missing)
    reversed_by = _reversals_of(session, holder_id, transfer_ids)
    others = {row.reverses_id for row in reversed_by if row.posting_id != reversal_id}
    refused = {t.id for t in originals.values() if t.reverses_id is not None or t.id in others}
    if refused:
        raise NotReversible(refused)
    keys = _keys_by_id(session, originals.values())
    opposites = [
        NewTransfer(
            holder_id=holder_id,
            debit=keys[original.credit_account_id],
            credit=keys[original.debit_account_id],
            amount=original.amount,
            kind="reversal",
            reference=original.reference,
            occurred_at=original.occurred_at,
            reverses_id=original.id,
        )
        for original in (originals[transfer_id] for transfer_id in sorted(set(transfer_ids)))
    ]
    posting = NewPosting(reversal_id, "reversal", actor, opposites, reason)
    return _post(session, posting, now=now, clawback=True)


def _post(session: Session, posting: NewPosting, *, now: datetime, clawback: bool) -> Posted:
    changes = _changes(posting.transfers)
    contents = _contents(posting.transfers)
    digest = _digest(posting, contents)
    if not _claim_id(session, posting, digest, now):
        return _same_or_refuse(session, posting.id, digest)
    _check_system_accounts(session, changes)
    debited = [key for key, change in changes.values() if change < 0 and not key.is_system]
    if debited:
        assert len({key.holder_id for key in debited}) == 1, "a posting debits one holder"
        accounts = _lock_holder(session, debited[0].holder_id)
        if not clawback:
            _check_funds(accounts, {key.id: -changes[key.id][1] for key in debited})
    posting_id, ids = posting.id.hex, uuid7s(len(contents), now)
    copy_lines(
        session,
        "transfer",
        _COLUMNS,
        (
            f"{transfer_id}\t{posting_id}\t{position}\t{content}"
            for position, (transfer_id, content) in enumerate(zip(ids, contents, strict=True))
        ),
    )
    _apply(session, changes.values(), clawback=clawback)
    return Posted(posting.id, written=True)


_COLUMNS = (
    *("id", "posting_id", "position", "holder_id", "unit", "debit_account_id"),
    *("credit_account_id", "amount", "kind", "reference", "occurred_at", "reverses_id"),
)


def _changes(transfers: Sequence[NewTransfer]) -> Changes:
    """What each account gains or loses, by its id; refuses amounts that are none."""
    assert 0 < len(transfers) <= TRANSFERS_MAX, "a posting has 1 to TRANSFERS_MAX transfers"
    keys: dict[str, AccountKey] = {}
    net: defaultdict[str, int] = defaultdict(int)
    for _, debit, credit, amount, *_ in transfers:
        if type(amount) is not int or not 0 < amount <= AMOUNT_MAX or debit.unit != credit.unit:
            raise InvalidAmount(amount)
        keys[debit.id], keys[credit.id] = debit, credit
        net[debit.id] -= amount
        net[credit.id] += amount
    return {id_: (key, net[id_]) for id_, key in keys.items()}


def _contents(transfers: Sequence[NewTransfer]) -> list[str]:
    """Each transfer as a line of COPY, without the ids that this write gives it."""
    return [
        f"{holder_id.hex}\t{debit.unit}\t{debit.id}\t{credit.id}\t{amount}\t{kind}"
        f"\t{reference.hex}\t{occurred_at.isoformat()}\t{reverses_id.hex if reverses_id else NULL}"
        for holder_id, debit, credit, amount, kind, reference, occurred_at, reverses_id in transfers
    ]


def _digest(posting: NewPosting, contents: list[str]) -> bytes:
    head = f"{posting.kind}\t{posting.actor}\t{posting.reason or ''}\n"
    return hashlib.sha256((head + "\n".join(contents)).encode()).digest()


def _claim_id(session: Session, posting: NewPosting, digest: bytes, now: datetime) -> bool:
    """Write the posting's row; False when the id is taken. Waits for a writer of the same id."""
    row = insert(Posting).values(
        id=posting.id,
        kind=posting.kind,
        actor=posting.actor,
        reason=posting.reason,
        content_sha256=digest,
        transfer_count=len(posting.transfers),
        recorded_at=now,
    )
    claimed = session.execute(row.on_conflict_do_nothing().returning(Posting.id))
    return claimed.one_or_none() is not None


def _same_or_refuse(session: Session, posting_id: UUID, digest: bytes) -> Posted:
    query = select(Posting.content_sha256).where(Posting.id == posting_id)
    if session.execute(query).scalar_one() != digest:
        raise PostingReused(posting_id)
    return Posted(posting_id, written=False)


def _lock_holder(session: Session, holder_id: UUID) -> dict[UUID, Account]:
    """All of one holder's accounts, lowest id first, so that two postings cannot deadlock."""
    query = select(Account).where(Account.holder_id == holder_id).order_by(Account.id)
    fresh = {"populate_existing": True}  # A balance read before the lock is stale.
    rows = session.scalars(query.with_for_update(), execution_options=fresh)
    return {account.id: account for account in rows}


def _check_funds(accounts: Mapping[UUID, Account], needs: Mapping[str, int]) -> None:
    """Refuse when an account is not there or has less than it needs; lowest id first."""
    by_id = {UUID(id_): need for id_, need in needs.items()}
    if missing := by_id.keys() - accounts.keys():
        raise UnknownAccount(missing)
    for needed_id, need in sorted(by_id.items()):
        account = accounts[needed_id]
        if account.guarded and account.balance < need:
            raise InsufficientPoints(
                have_points=account.balance, need_points=need, owed_points=account.debt
            )


def _check_system_accounts(session: Session, changes: Changes) -> None:
    """A programme's own accounts are not locked and not changed; they must be open."""
    keys = [key for key, _ in changes.values() if key.is_system]
    wanted = {UUID(key.id) for key in keys}
    query = select(Account.id).where(
        Account.holder_id.in_({key.holder_id for key in keys}),
        Account.id.in_(wanted),
        Account.closed_at.is_(None),
    )
    if missing := wanted - set(session.scalars(query)):
        raise UnknownAccount(missing)


# A debt is paid first; only a clawback makes or raises one. Anything else below zero breaks the
# table's constraint.
_APPLY = text(
    """
    UPDATE account AS a SET
        debt = CASE WHEN :clawback THEN greatest(-net, 0)
                    ELSE greatest(least(debt, -net), 0) END,
        balance = net + CASE WHEN :clawback THEN greatest(-net, 0)
                             ELSE greatest(least(debt, -net), 0) END
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[]), CAST(:changes AS bigint[]))
         AS d (holder_id, id, change)
    WHERE a.holder_id = d.holder_id AND a.id = d.id AND a.closed_at IS NULL
""".replace("net", "(balance - debt + change)")
)
_KNOWN = text(
    "SELECT id FROM account WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND closed_at IS NULL"
)


def _apply(session: Session, changes: Iterable[tuple[AccountKey, int]], *, clawback: bool) -> None:
    """Change the kept balances, lowest (holder, id) first; a programme's own are not kept."""
    rows = sorted(
        (key.holder_id.hex, key.id, change) for key, change in changes if not key.is_system
    )
    if not rows:
        return
    look_up_by_index(session)
    holders, account_ids, amounts = zip(*rows, strict=True)
    parameters = {
        "holders": array_of(holders),
        "ids": array_of(account_ids),
        "changes": array_of(amounts),
        "clawback": clawback,
    }
    changed = session.execute(_APPLY, parameters)
    assert isinstance(changed, CursorResult)
    if changed.rowcount != len(rows):
        known = session.execute(_KNOWN, {"holders": array_of(set(holders))}).scalars()
        raise UnknownAccount({UUID(id_) for id_ in account_ids}.difference(known))


def _transfers_of(
    session: Session, holder_id: UUID, transfer_ids: Sequence[UUID]
) -> dict[UUID, Transfer]:
    query = select(Transfer).where(
        Transfer.holder_id == holder_id, Transfer.id.in_(set(transfer_ids))
    )
    return {transfer.id: transfer for transfer in session.scalars(query)}


def _reversals_of(
    session: Session, holder_id: UUID, transfer_ids: Sequence[UUID]
) -> list[Transfer]:
    query = select(Transfer).where(
        Transfer.holder_id == holder_id, Transfer.reverses_id.in_(set(transfer_ids))
    )
    return list(session.scalars(query))


def _keys_by_id(session: Session, transfers: Iterable[Transfer]) -> dict[UUID, AccountKey]:
    """The keys behind the accounts of some transfers: a few, as all concern one holder."""
    ids = {id_ for t in transfers for id_ in (t.debit_account_id, t.credit_account_id)}
    query = select(Account).where(Account.id.in_(ids))
    return {
        account.id: AccountKey(account.holder_id, account.unit, account.kind, account.id.hex)
        for account in session.scalars(query)
    }
