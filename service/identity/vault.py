"""Personal values, each sealed with its person's own data key, and a record of who read them.

Kept here: whoever opens a value leaves a row that the person can read, in the same transaction.
Without the data key, which closing an account destroys, nobody opens anything.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.ids import uuid7s
from service.identity.errors import AccountClosed
from service.identity.keyring import KEY_BYTES, Keyring, seal, unseal
from service.identity.models import Person, PersonalRead, PersonalValue

NO_KEY = b""  # Of a value that nobody is looked up by.


@dataclass(frozen=True, slots=True)
class Reader:
    """Who opens values, in which role, and what for: "export", "sms", "register"."""

    name: str
    role: str
    purpose: str


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

    At most 10,000 a call, in one statement.
    """
    rows = []
    for holder_id in sorted(holders):
        key_id, wrapped = keyring.wrap(secrets.token_bytes(KEY_BYTES), about=_about_key(holder_id))
        rows.append(
            {
                "holder_id": holder_id,
                "data_key": wrapped,
                "master_key_id": key_id,
                "registered_at": now,
            }
        )
    if rows:
        session.execute(insert(Person).on_conflict_do_nothing(), rows)


def write_values(
    session: Session, keyring: Keyring, values: Iterable[Value], *, now: datetime
) -> None:
    """Seal values, in place of what a field held before; two statements.

    Raises AccountClosed when one of the holders is none or closed: nothing was written.
    """
    wanted = list(values)
    keys = data_keys(session, keyring, {each.holder_id for each in wanted})
    rows = [
        {
            "holder_id": each.holder_id,
            "field": each.field,
            "value_key": each.value_key,
            "sealed": seal(
                keys[each.holder_id],
                each.value.encode(),
                about=_about(each.holder_id, each.field, each.value_key),
            ),
            "written_at": now,
        }
        for each in sorted(wanted)
    ]
    if rows:
        statement = insert(PersonalValue)
        new = {"sealed": statement.excluded.sealed, "written_at": statement.excluded.written_at}
        key = ["holder_id", "field", "value_key"]
        session.execute(statement.on_conflict_do_update(index_elements=key, set_=new), rows)


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


def data_keys(
    session: Session, keyring: Keyring, holders: Collection[UUID]
) -> Mapping[UUID, bytes]:
    """Each person's data key; raises AccountClosed for one who has none (any more)."""
    query = select(Person.holder_id, Person.master_key_id, Person.data_key).where(
        Person.holder_id.in_(holders)
    )
    found = {
        holder_id: keyring.unwrap(key_id, wrapped, about=_about_key(holder_id))
        for holder_id, key_id, wrapped in session.execute(query)
        if key_id is not None and wrapped is not None
    }
    for missing in sorted(set(holders) - found.keys()):
        raise AccountClosed(missing)
    return found


def _about_key(holder_id: UUID) -> bytes:
    return b"data key\n" + holder_id.bytes


def _about(holder_id: UUID, field: str, value_key: bytes) -> bytes:
    return b"\n".join((b"value", holder_id.bytes, field.encode(), value_key))
