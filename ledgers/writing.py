"""Writing: rows of postings, transfers, balances and lots, many at a time.

The low side of posting, used within this package only: it checks nothing that the database does
not check. Functions in -ing answer a statement that the caller sends, together with others
(``ledgers.bulk.together``); each is one statement however many rows.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.accounts import AccountKey
from ledgers.bulk import NULL, Statement, array_of, copy_lines, escaped
from ledgers.expiry import Bucket
from ledgers.funds import Funds
from ledgers.ids import uuid7s


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


@dataclass(frozen=True, slots=True)
class NewPosting:
    """What shall be posted. ``actor`` is who caused it: a holder's id, a staff id, a job's name.

    ``request_id`` tells which request; ``approved_by`` the second person behind a correction.
    """

    id: UUID
    kind: str
    actor: str
    transfers: Sequence[NewTransfer]
    reason: str | None = None
    request_id: str | None = None
    approved_by: str | None = None


def content_of(transfer: NewTransfer, amount: int) -> str:
    """A transfer, or a part of it, as a line of COPY without ids, place and lot."""
    holder_id, debit, credit, _, kind, reference, occurred_at, reverses_id = transfer
    return (
        f"{holder_id.hex}\t{debit.unit}\t{debit.id}\t{credit.id}\t{amount}\t{kind}"
        f"\t{reference.hex}\t{occurred_at.isoformat()}\t{reverses_id.hex if reverses_id else NULL}"
    )


def contents_of(transfers: Iterable[NewTransfer]) -> list[str]:
    """``content_of`` for whole transfers; written out, as a batch has thousands."""
    return [
        f"{holder_id.hex}\t{debit.unit}\t{debit.id}\t{credit.id}\t{amount}\t{kind}"
        f"\t{reference.hex}\t{occurred_at.isoformat()}\t{reverses_id.hex if reverses_id else NULL}"
        for holder_id, debit, credit, amount, kind, reference, occurred_at, reverses_id in transfers
    ]


def digest_of(posting: NewPosting, contents: Iterable[str]) -> bytes:
    """What a retry must repeat: kind, actor, reason, approver and transfers as asked for."""
    head = "\t".join((posting.kind, posting.actor, posting.reason or "", posting.approved_by or ""))
    return hashlib.sha256((head + "\n" + "\n".join(contents)).encode()).digest()


# The row of the log's queue is written with the posting's own: sealing cannot miss it.
_CLAIM: LiteralString = """
    WITH claimed AS (
        INSERT INTO posting (id, kind, actor, reason, content_sha256, transfer_count, recorded_at,
                             request_id, approved_by)
        VALUES (%(id)s, %(kind)s, %(actor)s, %(reason)s, %(digest)s, %(count)s, %(now)s,
                %(request_id)s, %(approved_by)s)
        ON CONFLICT DO NOTHING RETURNING id, recorded_at)
    INSERT INTO log_queue (posting_id, recorded_at) SELECT id, recorded_at FROM claimed
"""


def claiming(posting: NewPosting, digest: bytes, *, transfers: int, now: datetime) -> Statement:
    """Writes the posting's row, unless the id is taken: one row then, none otherwise. Waits for a
    writer of the same id.
    """
    parameters = {
        "id": posting.id,
        "kind": posting.kind,
        "actor": posting.actor,
        "reason": posting.reason,
        "digest": digest,
        "count": transfers,
        "now": now,
        "request_id": posting.request_id,
        "approved_by": posting.approved_by,
    }
    return _CLAIM, parameters


def of_one(holders: Iterable[object]) -> LiteralString:
    """A condition more where all rows are one holder's. Said in so many words it makes a statement
    one of a single node (design, section 7), where a list of keys is sent to all of them.
    """
    return " AND a.holder_id = %(holder)s" if len(set(holders)) == 1 else ""


def digest_under(posting_id: UUID) -> Statement:
    """Reads what stands under a posting's id: one row, or none."""
    return "SELECT content_sha256 FROM posting WHERE id = %(id)s", {"id": posting_id}


_POSTING = (
    *("id", "kind", "actor", "reason", "content_sha256", "transfer_count", "recorded_at"),
    *("request_id", "approved_by"),
)


def write_postings(
    session: Session,
    postings: Sequence[NewPosting],
    *,
    now: datetime,
    written: Mapping[UUID, int] | None = None,
) -> None:
    """Rows of postings that nobody else can be writing: their ids are new.

    ``written`` is how many transfers each becomes, where lots split what was asked for.
    """
    counts = written or {posting.id: len(posting.transfers) for posting in postings}
    lines = (_posting_line(posting, counts[posting.id], now) for posting in postings)
    copy_lines(session, "posting", _POSTING, lines)
    queue = (f"{posting.id.hex}\t{now.isoformat()}" for posting in postings)
    copy_lines(session, "log_queue", ("posting_id", "recorded_at"), queue)


def _posting_line(posting: NewPosting, transfers: int, now: datetime) -> str:
    digest = digest_of(posting, contents_of(posting.transfers))
    texts = [posting.reason, posting.request_id, posting.approved_by]
    reason, request_id, approved_by = (NULL if t is None else escaped(t) for t in texts)
    return (
        f"{posting.id.hex}\t{posting.kind}\t{escaped(posting.actor)}\t{reason}\t\\\\x{digest.hex()}"
        f"\t{transfers}\t{now.isoformat()}\t{request_id}\t{approved_by}"
    )


FEW = 100  # Up to here one more statement of a pipeline costs less than a COPY.
_TRANSFER: tuple[LiteralString, ...] = (
    *("id", "posting_id", "position", "holder_id", "unit", "debit_account_id"),
    *("credit_account_id", "amount", "kind", "reference", "occurred_at", "reverses_id"),
    "expires_on",
)
Line = tuple[str, object]  # A transfer's content, and the last day of its lot, or NULL.


Lines = Sequence[tuple[UUID, Sequence[Line]]]  # By posting.


def writing_transfers(session: Session, postings: Lines, now: datetime) -> list[Statement]:
    """Rows of transfers, by posting and in the order of the index on holders.

    Few are written by the statement that this answers, to be sent together with others; many by a
    COPY, at once.
    """
    lines = list(_transfer_lines(postings, now))
    if len(lines) > FEW:
        copy_lines(session, "transfer", _TRANSFER, lines)
        return []
    columns = zip(*(line.split("\t") for line in lines), strict=True)
    values = [array_of("NULL" if v == NULL else v for v in column) for column in columns]
    return [(_INSERT, dict(zip(_TRANSFER, values, strict=True)))]


_TYPES: dict[str, LiteralString] = {
    "position": "int",
    "unit": "text",
    "amount": "bigint",
    "kind": "text",
    "occurred_at": "timestamptz",
    "expires_on": "date",
}
_INSERT: LiteralString = (
    f"INSERT INTO transfer ({', '.join(_TRANSFER)}) SELECT * FROM unnest("
    + ", ".join(f"CAST(%({name})s AS {_TYPES.get(name, 'uuid')}[])" for name in _TRANSFER)
    + ")"
)


def _transfer_lines(postings: Lines, now: datetime) -> Iterator[str]:
    """Their places in the posting are drawn at random: the log publishes leaves in the order of
    places, and nobody shall see there which of them are one person's.
    """
    for posting_id, lines in postings:
        posting, count = posting_id.hex, len(lines)
        places = random.sample(range(count), count)
        for id_, place, (content, day) in zip(uuid7s(count, now), places, lines, strict=True):
            yield f"{id_}\t{posting}\t{place}\t{content}\t{day}"


# net = balance - debt. Only a clawback may make or raise a debt; anything else that would take more
# than is not held breaks the table's constraint. What comes in pays a debt first: how much is
# answered, by account, where it is something.
_NET: LiteralString = "(a.balance - a.debt + d.change)"
_DEBT: LiteralString = (
    f"CASE WHEN %(clawback)s THEN greatest(a.held - {_NET}, 0)"
    f" ELSE least(a.debt, greatest(a.held - {_NET}, 0)) END"
)
_APPLY: LiteralString = f"""
    WITH changed AS (
        UPDATE account AS a SET debt = {_DEBT}, balance = {_NET} + {_DEBT}
        FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[]),
                    CAST(%(changes)s AS bigint[])) AS d (holder_id, id, change)
        WHERE a.holder_id = d.holder_id AND a.id = d.id AND a.closed_at IS NULL"""
_APPLIED: LiteralString = """
        RETURNING a.id,
            greatest(a.held - (a.balance - a.debt - d.change), 0) - a.debt AS paid)
    SELECT id, paid FROM changed WHERE paid > 0
    UNION ALL SELECT NULL, count(*) FROM changed
"""
AccountChange = tuple[str, str, int]  # Holder, account, both in hexadecimal; the change.


def changing(rows: Iterable[AccountChange], *, clawback: bool) -> Statement:
    """Changes balances. Answers (account, debt paid) where one was, and last (None, how many
    accounts were there and open).
    """
    holders, account_ids, amounts = zip(*sorted(rows), strict=True)
    parameters = {
        "holders": array_of(holders),
        "ids": array_of(account_ids),
        "changes": array_of(amounts),
        "clawback": clawback,
        "holder": holders[0],
    }
    return _APPLY + of_one(holders) + _APPLIED, parameters


_RAISE: LiteralString = """
    INSERT INTO lot (holder_id, account_id, expires_on, lapses_at, issuer_id, remaining)
    SELECT holder_id, account_id, %(expires_on)s, %(lapses_at)s, %(issuer)s, change
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[]), CAST(%(changes)s AS bigint[]))
         AS d (holder_id, account_id, change)
    ON CONFLICT (holder_id, account_id, expires_on)
    DO UPDATE SET remaining = lot.remaining + excluded.remaining
    WHERE lot.issuer_id = excluded.issuer_id
    RETURNING account_id
"""
_LOWER: LiteralString = """
    UPDATE lot AS a SET remaining = a.remaining - d.change
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[]), CAST(%(days)s AS date[]),
                CAST(%(changes)s AS bigint[])) AS d (holder_id, account_id, expires_on, change)
    WHERE a.holder_id = d.holder_id AND a.account_id = d.account_id
      AND a.expires_on = d.expires_on"""


def raising(bucket: Bucket, gains: Iterable[AccountChange]) -> Statement:
    """Adds to one lot of many accounts."""
    holders, account_ids, amounts = zip(*sorted(gains), strict=True)
    parameters = {
        "expires_on": bucket.expires_on,
        "lapses_at": bucket.lapses_at,
        "issuer": bucket.issuer_id,
        "holders": array_of(holders),
        "ids": array_of(account_ids),
        "changes": array_of(amounts),
        "rows": len(holders),
    }
    return _RAISE, parameters


def lowering(losses: Iterable[tuple[str, str, date, int]]) -> Statement:
    """Takes from lots, by (holder, account, last day)."""
    holders, account_ids, days, amounts = zip(*sorted(losses), strict=True)
    parameters = {
        "holders": array_of(holders),
        "ids": array_of(account_ids),
        "days": array_of(days),
        "changes": array_of(amounts),
        "holder": holders[0],
        "rows": len(holders),
    }
    return _LOWER + of_one(holders), parameters


def lot_changes(funds: Iterable[Funds]) -> list[Statement]:
    """Writes what changed in the lots of locked accounts."""
    losses: list[tuple[str, str, date, int]] = []
    gains: dict[Bucket, list[AccountChange]] = {}
    for one in funds:
        holder, account = one.key.holder_id.hex, one.key.id
        for bucket, change in one.changes():
            if change < 0:
                losses.append((holder, account, bucket.expires_on, -change))
            else:
                gains.setdefault(bucket, []).append((holder, account, change))
    lowered = [lowering(losses)] if losses else []
    return lowered + [raising(bucket, rows) for bucket, rows in gains.items()]
