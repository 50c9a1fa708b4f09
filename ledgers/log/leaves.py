"""Leaves as the database has them: the transfers of sealed postings, in the order of the log.

Used to seal, to audit and to give receipts, so that all three see the same bytes.
"""

import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL
from ledgers.bulk import array_of
from ledgers.ids import uuid7_floor
from ledgers.log.entries import (
    ACCOUNT_KINDS,
    KIND_NAMES,
    NO_COMMITMENT,
    SALT_BYTES,
    UNITS,
    VERSION,
    kind_field,
    microseconds,
    posting_head,
)
from ledgers.models import Account, CommitmentSecret, Posting, SealedPosting

ZONE = "Asia/Shanghai"  # The day of a leaf; all of China has one time.


class Sealed(NamedTuple):
    """A posting with its place in the log, and what its leaves say of it."""

    posting_id: UUID
    first_index: int
    transfer_count: int
    recorded_at: datetime
    head: bytes


class Leaf(NamedTuple):
    """A leaf by its place in the log. ``blind``: its holder was erased, so that its commitments are
    not known. ``total`` names the sum it adds ``amount`` to: unit, debit and credit account's kind.
    """

    place: int
    transfer_id: bytes
    content: bytes
    blind: bool
    total: str
    amount: int


def sealed_postings(
    session: Session, start: int, *, leaves_max: int, end: int | None = None
) -> list[Sealed]:
    """The postings whose leaves begin at ``start`` or later, up to ``leaves_max`` leaves.

    ``start`` is the first leaf of a posting. One posting may exceed the bound.
    """
    query = (
        select(SealedPosting.first_index, SealedPosting.transfer_count, Posting)
        .join(Posting, Posting.id == SealedPosting.posting_id)
        .where(SealedPosting.first_index >= start)
        .order_by(SealedPosting.first_index)
        .limit(leaves_max)
    )
    if end is not None:
        query = query.where(SealedPosting.first_index < end)
    found: list[Sealed] = []
    with session.execute(query, execution_options={"yield_per": 1_000}) as rows:
        for first_index, count, posting in rows:
            if found and first_index + count - start > leaves_max:
                break
            found.append(Sealed(posting.id, first_index, count, posting.recorded_at, head(posting)))
            session.expunge(posting)
    return found


def head(posting: Posting) -> bytes:
    """The SHA-256 of a posting's head (docs/log.md, section 3)."""
    return posting_head(
        posting_id=posting.id.bytes,
        recorded_at_us=microseconds(posting.recorded_at),
        content_sha256=posting.content_sha256,
        kind=posting.kind,
        actor=posting.actor,
        reason=posting.reason,
        request_id=posting.request_id,
        approver=posting.approved_by,
    )


# A block of bytes a posting, of _ROW bytes a transfer, in the order of docs/log.md: 112 of the
# record (all but the head), 16 of the holder, 12 of amount and day, the secret, then unit and kind
# in 44. Measured: rows fetched one by one cost as much again as all that is made of them.
_ROWS = """
    COPY (
        SELECT string_agg(
            uuid_send(t.id) || uuid_send(t.posting_id) || int4send(t.position)
            || uuid_send(t.debit_account_id) || uuid_send(t.credit_account_id)
            || uuid_send(t.reference)
            || int8send((extract(epoch FROM t.occurred_at) * 1000000)::bigint)
            || int4send(coalesce(t.expires_on - DATE '1970-01-01', 2147483647))
            || coalesce(uuid_send(t.reverses_id), '\\x{zeros:.32}')
            || uuid_send(t.holder_id)
            || int8send(t.amount)
            || int4send((t.occurred_at AT TIME ZONE '{zone}')::date - DATE '1970-01-01')
            || coalesce(s.secret, '\\x{zeros}')
            || convert_to(rpad(t.unit || ' ' || t.kind, 44), 'UTF8'), '')
        FROM transfer AS t LEFT JOIN commitment_secret AS s ON s.holder_id = t.holder_id
        WHERE {these}
        GROUP BY t.posting_id
    ) TO STDOUT (FORMAT binary)
"""
_ZEROS = "00" * 32
_ROW = 216
_HEADER = 19  # Signature, flags and length of extension: before the first block.
_FIELD = 6  # Number of fields and length of the one there is: before each block.


def leaves(session: Session, postings: Sequence[Sealed]) -> Iterator[Leaf]:
    """The leaves of some sealed postings, in no order: each knows its place.

    Two round trips however many, and no more memory than one posting takes. Holders need their
    secrets first (``make_secrets``).
    """
    if not postings:
        return
    kinds = _system_kinds(session)
    places = {sealed.posting_id.bytes: (sealed.first_index, sealed.head) for sealed in postings}
    clear: dict[tuple[bytes, int, int], tuple[bytes, bytes, str]] = {}
    personal, erased = ACCOUNT_KINDS[PERSONAL], bytes(32)
    for block in _blocks(session, postings):
        first, head_of_posting = places[block[16:32]]
        for at in range(0, len(block), _ROW):
            row = block[at : at + _ROW]
            debit, credit = kinds.get(row[36:52], personal), kinds.get(row[52:68], personal)
            names = (row[172:], debit, credit)
            if (known := clear.get(names)) is None:
                known = clear[names] = _clear_fields(*names)
            front, back, total = known
            secret = row[140:172]
            if secret == erased:
                of_holder = of_record = NO_COMMITMENT
            else:
                salts = hmac.digest(secret, row[:16], "sha256")
                of_holder = sha256(salts[:SALT_BYTES] + row[112:128]).digest()
                of_record = sha256(salts[SALT_BYTES:] + row[:112] + head_of_posting).digest()
            yield Leaf(
                first + int.from_bytes(row[32:36]),
                row[:16],
                front + row[128:140] + of_holder + of_record + back,
                secret == erased,
                total,
                int.from_bytes(row[128:136]),
            )


def _clear_fields(names: bytes, debit: int, credit: int) -> tuple[bytes, bytes, str]:
    """What many leaves have in common: their first four bytes, their end, the name of their sum."""
    unit, kind = names.decode().split()
    front = bytes([VERSION, UNITS.get(unit, 0), debit, credit])
    return front, kind_field(kind), f"{unit} {KIND_NAMES[debit]} {KIND_NAMES[credit]}"


def _blocks(session: Session, postings: Sequence[Sealed]) -> Iterator[bytes]:
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, Connection)
    statement = _ROWS.format(zone=ZONE, zeros=_ZEROS, these=_these(postings))
    with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        skip = _HEADER + _FIELD
        for data in copy:
            if block := bytes(data[skip:]):  # The last has none.
                yield block
            skip = _FIELD


def _these(postings: Sequence[Sealed]) -> str:
    """The condition on transfers: ids of ours. They carry their posting's instant, which tells
    PostgreSQL in which months to look.
    """
    times = [sealed.recorded_at for sealed in postings]
    ids = array_of(sealed.posting_id.hex for sealed in postings)
    low, high = uuid7_floor(min(times)), uuid7_floor(max(times) + timedelta(milliseconds=1))
    return f"t.posting_id = ANY('{ids}'::uuid[]) AND t.id >= '{low}' AND t.id < '{high}'"


def _system_kinds(session: Session) -> dict[bytes, int]:
    """Codes of the kinds of all system accounts, by id; all other accounts are personal."""
    query = select(Account.id, Account.kind).where(~Account.guarded)
    return {id_.bytes: ACCOUNT_KINDS[kind] for id_, kind in session.execute(query)}


_NEW_SECRETS = """
    INSERT INTO commitment_secret (holder_id, secret)
    SELECT t.holder_id, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    FROM (SELECT DISTINCT t.holder_id FROM transfer AS t WHERE {these}) AS t
    LEFT JOIN commitment_secret AS s ON s.holder_id = t.holder_id
    WHERE s.holder_id IS NULL
    ON CONFLICT DO NOTHING
"""


def make_secrets(session: Session, postings: Sequence[Sealed]) -> None:
    """Give each holder behind these postings a secret of 244 random bits; who was erased gets none
    again.
    """
    session.execute(text(_NEW_SECRETS.format(these=_these(postings).replace(":", "\\:"))))


def erase_secret(session: Session, holder_id: UUID) -> None:
    """Destroy what tells which leaves are this holder's; the leaves stay. Cannot be undone."""
    row = session.get(CommitmentSecret, holder_id, with_for_update=True)
    if row is None:
        session.add(CommitmentSecret(holder_id=holder_id, secret=None))
    else:
        row.secret = None
    session.flush()
