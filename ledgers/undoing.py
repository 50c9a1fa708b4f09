"""Undoing: transfers of many holders are answered by their opposites at once, by the rules of
``ledgers.reversal``.

A reversal is a posting of its own, as a posting debits one holder; thousands of them are written in
the same number of statements as one. What is undone is one kind of move between residents and a
programme: what they earned (``ledgers.clawback``) or what they spent (``ledgers.returning``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import AccountKey
from ledgers.bulk import array_of, look_up_by_index, together
from ledgers.errors import InvalidAmount, NotReversible, UnknownAccount, UnknownTransfer
from ledgers.expiry import load_policies
from ledgers.funds import Funds, lock_accounts
from ledgers.ids import uuid7_earlier
from ledgers.models import Account, Transfer
from ledgers.posting import AMOUNT_MAX, Posted, same_or_refuse
from ledgers.reversal import lines_of, opposite
from ledgers.writing import (
    Line,
    NewPosting,
    NewTransfer,
    changing,
    contents_of,
    digest_of,
    lot_changes,
    write_postings,
    writing_transfers,
)

TOGETHER_MAX = 100_000  # They are planned in memory, but each is a small posting of its own.

# Clocks differ between machines: a reversal's id may lie that much before what it reverses.
CLOCKS_DIFFER = timedelta(days=1)

_ORIGINALS = text("""
    SELECT transfer.* FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN transfer ON transfer.holder_id = k.holder AND transfer.id = k.id
""")
_REVERSED = text("""
    SELECT reverses_id, posting_id, sum(amount)::bigint FROM transfer
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND id >= :since
      AND reverses_id = ANY(CAST(:ids AS uuid[]))
    GROUP BY reverses_id, posting_id
""")
_DIGESTS = text("""
    SELECT id, content_sha256 FROM posting WHERE id = ANY(CAST(:ids AS uuid[]))
""")


class Reversal(NamedTuple):
    """Transfers of one holder to be answered by their opposites: ``amounts`` by transfer's id.

    None is all that is left of the transfer. ``id`` follows from the cause, so that it is nobody
    else's.
    """

    id: UUID
    holder_id: UUID
    amounts: Mapping[UUID, int | None]
    actor: str
    reason: str
    kind: str = "reversal"
    request_id: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Moves:
    """What is undone: ``own`` is the holder's account in a transfer, ``theirs`` the programme's,
    which is of ``kind``.
    """

    own: Callable[[Transfer], UUID]
    theirs: Callable[[Transfer], UUID]
    kind: str


def undo(
    session: Session, reversals: Sequence[Reversal], moves: Moves, *, now: datetime
) -> list[Posted]:
    """An answer for each reversal, in their order; what the callers promise is theirs to say.

    A fixed number of statements. Locks the accounts, lowest (holder, id) first, until the caller's
    transaction ends.
    """
    if not reversals:
        return []
    assert all(reversal.amounts for reversal in reversals), "a posting moves something"
    assert len({reversal.id for reversal in reversals}) == len(reversals), "an id is for one"
    assert sum(len(reversal.amounts) for reversal in reversals) <= TOGETHER_MAX, "in batches"
    look_up_by_index(session)
    originals = _originals(session, reversals)
    funds = lock_accounts(session, {(t.holder_id, moves.own(t)) for t in originals.values()})
    theirs = _programmes_keys(session, moves, originals.values())
    keys = theirs | {id_: one.key for id_, one in funds.items()}
    digests = {id_: bytes(digest) for id_, digest in session.execute(_DIGESTS, _ids_of(reversals))}
    undoable = {
        id_
        for id_, one in originals.items()
        if one.reverses_id is None and moves.own(one) in funds and moves.theirs(one) in theirs
    }
    postings = _planned(session, reversals, originals, undoable, keys, digests)
    answers = []
    for reversal, posting in zip(reversals, postings, strict=True):
        if (earlier := digests.get(reversal.id)) is None:
            answers.append(Posted(reversal.id, written=True))
        else:
            digest = digest_of(posting, contents_of(posting.transfers))
            answers.append(same_or_refuse(reversal.id, earlier, digest))
    if new := [posting for posting in postings if posting.id not in digests]:
        _write(session, new, originals, funds, now)
    return answers


def _ids_of(reversals: Iterable[Reversal]) -> dict[str, str]:
    return {"ids": array_of(reversal.id.hex for reversal in reversals)}


def _originals(session: Session, reversals: Iterable[Reversal]) -> dict[UUID, Transfer]:
    """The transfers to be reversed, by id; each must be of the reversal's holder."""
    pairs = sorted({(one.holder_id.hex, id_.hex) for one in reversals for id_ in one.amounts})
    parameters = {
        "holders": array_of(holder for holder, _ in pairs),
        "ids": array_of(id_ for _, id_ in pairs),
    }
    query = select(Transfer).from_statement(_ORIGINALS)
    found = {(one.holder_id, one.id): one for one in session.scalars(query, parameters)}
    missing = [id_ for one in reversals for id_ in one.amounts if (one.holder_id, id_) not in found]
    if missing:
        raise UnknownTransfer(set(missing))
    return {id_: transfer for (_, id_), transfer in found.items()}


def _programmes_keys(
    session: Session, moves: Moves, originals: Iterable[Transfer]
) -> dict[UUID, AccountKey]:
    """The keys of the programmes' accounts in question; others are not asked."""
    ids = {moves.theirs(one) for one in originals}
    query = select(Account.holder_id, Account.unit, Account.kind, Account.id)
    found = session.execute(query.where(~Account.guarded, Account.kind == moves.kind))
    return {
        id_: AccountKey(holder_id, unit, kind, id_.hex)
        for holder_id, unit, kind, id_ in found
        if id_ in ids
    }


def _planned(
    session: Session,
    reversals: Iterable[Reversal],
    originals: Mapping[UUID, Transfer],
    undoable: set[UUID],
    keys: Mapping[UUID, AccountKey],
    standing: Mapping[UUID, bytes],
) -> list[NewPosting]:
    """A posting for each reversal, amounts in figures; what stands already counts once."""
    left = {id_: one.amount for id_, one in originals.items()}
    own: dict[tuple[UUID, UUID], int] = {}
    for id_, posting_id, amount in session.execute(_REVERSED, _since(originals)):
        left[id_] -= amount
        own[posting_id, id_] = amount
    refused = set()
    postings = []
    for reversal in reversals:
        transfers: list[NewTransfer] = []
        for id_, asked in sorted(reversal.amounts.items()):
            if asked is not None and (type(asked) is not int or not 0 < asked <= AMOUNT_MAX):
                raise InvalidAmount(asked)
            free = left[id_] + own.get((reversal.id, id_), 0)
            amount = free if asked is None else asked
            if not 0 < amount <= free or id_ not in undoable:
                refused.add(id_)
                continue
            transfers.append(opposite(originals[id_], amount, keys))
            if reversal.id not in standing:
                left[id_] -= amount
        postings.append(_posting(reversal, transfers))
    if refused:
        raise NotReversible(refused)
    return postings


def _since(originals: Mapping[UUID, Transfer]) -> dict[str, object]:
    return {
        "holders": array_of(sorted({one.holder_id.hex for one in originals.values()})),
        "ids": array_of(id_.hex for id_ in originals),
        "since": uuid7_earlier(min(originals), CLOCKS_DIFFER),
    }


def _posting(reversal: Reversal, transfers: Sequence[NewTransfer]) -> NewPosting:
    return NewPosting(
        reversal.id,
        reversal.kind,
        reversal.actor,
        transfers,
        reversal.reason,
        reversal.request_id,
        reversal.approved_by,
    )


def _write(
    session: Session,
    postings: Sequence[NewPosting],
    originals: Mapping[UUID, Transfer],
    funds: Mapping[UUID, Funds],
    now: datetime,
) -> None:
    in_order = sorted(postings, key=lambda posting: posting.transfers[0].holder_id)
    givers = {t.debit.holder_id for p in postings for t in p.transfers if t.debit.is_system}
    policies = load_policies(session, sorted(givers))
    changes: defaultdict[tuple[str, str], int] = defaultdict(int)
    lines: list[tuple[UUID, list[Line]]] = []
    for posting in in_order:
        split: list[Line] = []
        for transfer in posting.transfers:
            assert transfer.reverses_id is not None
            given = transfer.debit.is_system
            account = transfer.credit if given else transfer.debit
            lot = originals[transfer.reverses_id].expires_on
            split += lines_of(transfer, lot, funds[UUID(account.id)], policies, now)
            sign = 1 if given else -1
            changes[transfer.holder_id.hex, account.id] += sign * transfer.amount
        lines.append((posting.id, split))
    counts = {posting_id: len(split) for posting_id, split in lines}
    write_postings(session, in_order, now=now, written=counts)
    statements = writing_transfers(session, lines, now)
    changed = changing(((h, id_, n) for (h, id_), n in changes.items()), clawback=True)
    place = len(statements)
    cursors = together(session, *statements, changed, *lot_changes(funds.values()))
    if cursors[place].fetchall()[-1][1] != len(changes):
        raise UnknownAccount(_closed(session, changes))


def _closed(session: Session, accounts: Iterable[tuple[str, str]]) -> set[UUID]:
    ids = {UUID(id_) for _, id_ in accounts}
    holders = {UUID(holder) for holder, _ in accounts}
    query = select(Account.id).where(
        Account.holder_id.in_(holders), Account.id.in_(ids), Account.closed_at.is_not(None)
    )
    return set(session.scalars(query))
