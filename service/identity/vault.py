"""Personal values, each sealed with its person's own data key, and a record of who read them.

Kept here: whoever opens a value leaves a row that the person can read, in the same transaction.
Without the data key, which closing an account destroys, nobody opens anything.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
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
from service.identity.models import PersonalValue

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
_OF_MANY: LiteralString = """
    SELECT p.holder_id, p.master_key_id, p.data_key, v.field, v.value_key, v.sealed
    FROM person AS p JOIN personal_value AS v ON v.holder_id = p.holder_id
    WHERE p.holder_id = ANY(CAST(%(holders)s AS uuid[])) AND p.data_key IS NOT NULL
        AND v.field = ANY(CAST(%(fields)s AS text[]))
"""
_READ_TODAY: LiteralString = """
    SELECT holder_id, fields FROM personal_read
    WHERE holder_id = ANY(CAST(%(holders)s AS uuid[])) AND id >= CAST(%(since)s AS uuid)
        AND reader = %(reader)s AND role = %(role)s AND purpose = %(purpose)s
"""
_RECORD_READS: LiteralString = """
    INSERT INTO personal_read (holder_id, id, read_at, reader, role, fields, purpose)
    SELECT h, i, CAST(%(now)s AS timestamptz), CAST(%(reader)s AS text), CAST(%(role)s AS text),
        string_to_array(f, ' '), CAST(%(purpose)s AS text)
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[]), CAST(%(fields)s AS text[]))
        AS new (h, i, f)
    ORDER BY h, i
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
        seen = {holder_id: sorted({each.field for each in found})}
        _record_reads(session, seen, reader=reader, now=now)
    return found


def read_values_of(
    session: Session,
    keyring: Keyring,
    holders: Collection[UUID],
    fields: Collection[str],
    *,
    reader: Reader,
    now: datetime,
) -> dict[UUID, dict[str, str]]:
    """Open some fields of several people, by field, and leave a record with each of them.

    For fields that hold one value. Whose account is closed, or who has none of these, is left out.
    Three statements at most.
    """
    asked = {"holders": array_of(sorted(each.hex for each in holders)), "fields": list(fields)}
    (rows,) = together(session, (_OF_MANY, asked))
    found: dict[UUID, dict[str, str]] = {}
    for holder_id, key_id, wrapped, field, value_key, sealed in rows:
        key = keyring.unwrap(key_id, wrapped, about=about_key(holder_id))
        value = unseal(key, sealed, about=_about(holder_id, field, value_key)).decode()
        found.setdefault(holder_id, {})[field] = value
    seen = {holder_id: sorted(values) for holder_id, values in found.items()}
    _record_reads(session, seen, reader=reader, now=now)
    return found


def _record_reads(
    session: Session, seen: Mapping[UUID, list[str]], *, reader: Reader, now: datetime
) -> None:
    """Of several people, who saw which fields; two statements at most."""
    said = {"reader": reader.name, "role": reader.role, "purpose": reader.purpose, "now": now}
    if seen and reader.daily:
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since = {"holders": array_of(sorted(each.hex for each in seen)), "since": uuid7_floor(day)}
        (rows,) = together(session, (_READ_TODAY, said | since))
        today = {(holder_id, tuple(fields)) for holder_id, fields in rows}
        seen = {each: fields for each, fields in seen.items() if (each, tuple(fields)) not in today}
    if seen:
        listed = sorted(seen)
        new = {
            "holders": array_of(each.hex for each in listed),
            "ids": array_of(uuid7s(len(listed), now)),
            "fields": [" ".join(seen[each]) for each in listed],
        }
        together(session, (_RECORD_READS, said | new))


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
