"""Clawback: what many holders earned is taken back at once, by the rules of ``ledgers.reversal``.

A reversal is a posting of its own, as a posting debits one holder; thousands of them are written in
the same number of statements as one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, AccountKey
from ledgers.bulk import NULL, array_of, look_up_by_index, together
from ledgers.errors import InvalidAmount, NotReversible, UnknownAccount, UnknownTransfer
from ledgers.funds import Funds, lock_accounts
from ledgers.ids import uuid7_earlier
from ledgers.models import Account, Transfer
from ledgers.posting import AMOUNT_MAX, Posted, same_or_refuse
from ledgers.reversal import opposite
from ledgers.writing import (
    Line,
    NewPosting,
    NewTransfer,
    changing,
    content_of,
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


def reverse_many(session: Session, reversals: Sequence[Reversal], *, now: datetime) -> list[Posted]:
    """Take back what many holders earned; an answer for each reversal, in their order.

    Each is what ``ledgers.reversal.reverse`` would do: at most once in total, partial amounts add
    up, from the transfer's own lot first, and what was spent meanwhile becomes a debt. A reversal
    whose id stands already is a retry and writes nothing.

    Args:
        reversals: each with an id of its own, at most TOGETHER_MAX transfers together, all of
            them given by a programme: earnings and grants. Of one holder there may be several.
        now: the zone-aware instant of this write.

    Raises:
        UnknownTransfer: ids that the holder does not have (all are listed).
        NotReversible: no earnings, or less is left of them than asked for (all are listed).
        InvalidAmount: not a whole number from 1 to 2^53.
        UnknownAccount: an account is closed.
        PostingReused: an id stands for other content.
        Nothing is written then: the caller rolls back.

    A fixed number of statements. Locks the accounts, lowest (holder, id) first, until the caller's
    transaction ends. Source: docs/DECISIONS.md, 5 and 18.
    """
    if not reversals:
        return []
    assert all(reversal.amounts for reversal in reversals), "a posting moves something"
    assert len({reversal.id for reversal in reversals}) == len(reversals), "an id is for one"
    assert sum(len(reversal.amounts) for reversal in reversals) <= TOGETHER_MAX, "in batches"
    look_up_by_index(session)
    originals = _originals(session, reversals)
    accounts = {(one.holder_id, one.credit_account_id) for one in originals.values()}
    funds = lock_accounts(session, accounts)
    keys = _issuing_keys(session, originals.values()) | {id_: f.key for id_, f in funds.items()}
    digests = {id_: bytes(digest) for id_, digest in session.execute(_DIGESTS, _ids_of(reversals))}
    postings = _planned(session, reversals, originals, keys, digests)
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


def _issuing_keys(session: Session, originals: Iterable[Transfer]) -> dict[UUID, AccountKey]:
    """The keys of the programmes' accounts that gave; other programmes' accounts are not asked."""
    ids = {one.debit_account_id for one in originals}
    query = select(Account.holder_id, Account.unit, Account.kind, Account.id)
    found = session.execute(query.where(~Account.guarded, Account.kind == ISSUED))
    return {
        id_: AccountKey(holder_id, unit, kind, id_.hex)
        for holder_id, unit, kind, id_ in found
        if id_ in ids
    }


def _planned(
    session: Session,
    reversals: Iterable[Reversal],
    originals: Mapping[UUID, Transfer],
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
            if not 0 < amount <= free or not _is_earning(originals[id_], keys):
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


def _is_earning(original: Transfer, keys: Mapping[UUID, AccountKey]) -> bool:
    """From an issuing account to a locked one; what went elsewhere has no key here."""
    return (
        original.reverses_id is None
        and original.debit_account_id in keys
        and original.credit_account_id in keys
    )


def _write(
    session: Session,
    postings: Sequence[NewPosting],
    originals: Mapping[UUID, Transfer],
    funds: Mapping[UUID, Funds],
    now: datetime,
) -> None:
    in_order = sorted(postings, key=lambda posting: posting.transfers[0].holder_id)
    changes: defaultdict[tuple[str, str], int] = defaultdict(int)
    lines: list[tuple[UUID, list[Line]]] = []
    for posting in in_order:
        split: list[Line] = []
        for transfer in posting.transfers:
            assert transfer.reverses_id is not None
            lot = originals[transfer.reverses_id].expires_on
            parts = funds[UUID(transfer.debit.id)].claw_back(transfer.amount, first=lot)
            split += [
                (content_of(transfer, part.amount), part.expires_on or NULL) for part in parts
            ]
            changes[transfer.holder_id.hex, transfer.debit.id] -= transfer.amount
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
