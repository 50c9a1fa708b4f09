"""Personal values, each sealed with its person's own data key, and a record of who read them.

Kept here: whoever opens a value leaves a row that the person can read, in the same transaction.
Without the data key, which closing an account destroys, nobody opens anything.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.bulk import array_of, together
from ledgers.ids import uuid7_floor, uuid7s
from service.identity.errors import AccountClosed
from service.identity.keyring import KEY_BYTES, Keyring, seal, unseal
from service.identity.models import PersonalRead, PersonalValue

NO_KEY = b""  # Of a value that nobody is looked up by.

_ADD_PEOPLE: LiteralString = """
    INSERT INTO person (holder_id, data_key, master_key_id, registered_at)
    SELECT h, decode(k, 'hex'), CAST(%(key_id)s AS text), CAST(%(now)s AS timestamptz)
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(data_keys)s AS text[])) AS new (h, k)
    ORDER BY h ON CONFLICT DO NOTHING
"""
_WRITE_VALUES: LiteralString = """
    INSERT INTO personal_value (holder_id, field, value_key, sealed, written_at)
    SELECT h, f, decode(k, 'hex'), decode(s, 'hex'), CAST(%(now)s AS timestamptz)
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(fields)s AS text[]), CAST(%(keys)s AS text[]),
        CAST(%(sealed)s AS text[])) AS new (h, f, k, s)
    ORDER BY h, f, k
    ON CONFLICT (holder_id, field, value_key) DO UPDATE
        SET sealed = excluded.sealed, written_at = excluded.written_at
"""
_DATA_KEYS: LiteralString = """
    SELECT holder_id, master_key_id, data_key FROM person
    WHERE holder_id = ANY(CAST(%(holders)s AS uuid[]))
"""
_ONE_LOCKED: LiteralString = """
    SELECT holder_id, master_key_id, data_key FROM person
    WHERE holder_id = CAST(%(holder)s AS uuid) FOR SHARE
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who opens values, in which role, and what for: "export", "sms", "register".

    ``daily``: the same again on the same day (UTC) is not recorded anew. For what a phone asks for
    whenever it is looked at: a record each time would hide the others.
    """

    name: str
    role: str
    purpose: str
    daily: bool = False


class Value(NamedTuple):
    """A value of a person. ``field`` is "phone", "name", "birth_on", or an outside id's source."""

    holder_id: UUID
    field: str
    value: str
    value_key: bytes = NO_KEY


def add_people(
    session: Session, keyring: Keyring, holders: Collection[UUID], *, now: datetime
) -> None:
    """Let holders be persons, each with a data key of their own; those who are stay as they are.

    At most 10,000 a call, in one statement, in the order of the holders.
    """
    rows = [
        (holder_id, keyring.wrap(secrets.token_bytes(KEY_BYTES), about=about_key(holder_id)))
        for holder_id in sorted(holders)
    ]
    if rows:
        added = {
            "holders": array_of(holder_id.hex for holder_id, _ in rows),
            "data_keys": array_of(wrapped.hex() for _, (_, wrapped) in rows),
            "key_id": keyring.current_id,
            "now": now,
        }
        together(session, (_ADD_PEOPLE, added))


def write_values(
    session: Session, keyring: Keyring, values: Iterable[Value], *, now: datetime
) -> None:
    """Seal values, in place of what a field held before; two statements, at most 10,000 values.

    Locks the person, when it is one, so that nobody closes the account meanwhile. Raises
    AccountClosed when one of the holders is none or closed: nothing was written.
    """
    wanted = {(each.holder_id, each.field, each.value_key): each for each in values}
    if not wanted:
        return
    holders = {each.holder_id for each in wanted.values()}
    keys = data_keys(session, keyring, holders, locked=len(holders) == 1)
    listed = [wanted[key] for key in sorted(wanted)]
    sealed = (
        seal(
            keys[each.holder_id],
            each.value.encode(),
            about=_about(each.holder_id, each.field, each.value_key),
        )
        for each in listed
    )
    written = {
        "holders": array_of(each.holder_id.hex for each in listed),
        "fields": [each.field for each in listed],
        "keys": array_of(f'"{each.value_key.hex()}"' for each in listed),
        "sealed": array_of(each.hex() for each in sealed),
        "now": now,
    }
    together(session, (_WRITE_VALUES, written))


def read_values(
    session: Session,
    keyring: Keyring,
    holder_id: UUID,
    fields: Collection[str] | None = None,
    *,
    reader: Reader,
    now: datetime,
) -> list[Value]:
    """Open a person's values, all of them or some fields', and leave a record of it.

    Raises AccountClosed.
    """
    key = data_keys(session, keyring, [holder_id])[holder_id]
    query = select(PersonalValue).where(PersonalValue.holder_id == holder_id)
    if fields is not None:
        query = query.where(PersonalValue.field.in_(fields))
    rows = session.scalars(query.order_by(PersonalValue.field, PersonalValue.value_key)).all()
    found = [
        Value(
            row.holder_id,
            row.field,
            unseal(key, row.sealed, about=_about(row.holder_id, row.field, row.value_key)).decode(),
            row.value_key,
        )
        for row in rows
    ]
    if found:
        record_read(session, holder_id, sorted({v.field for v in found}), reader=reader, now=now)
    return found


def record_read(
    session: Session, holder_id: UUID, fields: Sequence[str], *, reader: Reader, now: datetime
) -> None:
    """Leave a record that somebody saw these fields of a person."""
    if reader.daily and _read_today(session, holder_id, fields, reader, now):
        return
    session.add(
        PersonalRead(
            holder_id=holder_id,
            id=UUID(uuid7s(1, now)[0]),
            read_at=now,
            reader=reader.name,
            role=reader.role,
            fields=list(fields),
            purpose=reader.purpose,
        )
    )
    session.flush()


def _read_today(
    session: Session, holder_id: UUID, fields: Sequence[str], reader: Reader, now: datetime
) -> bool:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(PersonalRead.id).where(
        PersonalRead.holder_id == holder_id,
        PersonalRead.id >= uuid7_floor(day),
        PersonalRead.reader == reader.name,
        PersonalRead.role == reader.role,
        PersonalRead.purpose == reader.purpose,
        PersonalRead.fields == list(fields),
    )
    return session.scalars(query.limit(1)).first() is not None


def data_keys(
    session: Session, keyring: Keyring, holders: Collection[UUID], *, locked: bool = False
) -> Mapping[UUID, bytes]:
    """Each person's data key; raises AccountClosed for one who has none (any more).

    ``locked``: of one person, who stays as they are until the transaction ends.
    """
    assert not locked or len(holders) == 1  # A cluster locks rows of one node at a time.
    listed = sorted(holder.hex for holder in holders)
    asked = (_DATA_KEYS, {"holders": array_of(listed)})
    (rows,) = together(session, (_ONE_LOCKED, {"holder": listed[0]}) if locked else asked)
    found = {
        holder_id: keyring.unwrap(key_id, wrapped, about=about_key(holder_id))
        for holder_id, key_id, wrapped in rows
        if key_id is not None and wrapped is not None
    }
    for missing in sorted(set(holders) - found.keys()):
        raise AccountClosed(missing)
    return found


def about_key(holder_id: UUID) -> bytes:
    """What a person's wrapped data key is bound to."""
    return b"data key\n" + holder_id.bytes


def _about(holder_id: UUID, field: str, value_key: bytes) -> bytes:
    return b"\n".join((b"value", holder_id.bytes, field.encode(), value_key))
