"""Writing the admin log; ``service.admin.reading`` reads it.

Kept here: an act of staff and its row are one transaction, so neither is without the other. The row
says who, in which role, from where, and how the object stood before and after. Facts only: no
names, phones, card numbers or secrets of anybody, and no text that a resident wrote.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from ledgers.ids import uuid7s
from service.admin.models import AdminAct

State = Mapping[str, Any] | None
T = TypeVar("T")
_LOCKS = 0x61646D69  # "admi": these locks are apart from the program's others.
_LOCK = text("SELECT pg_advisory_xact_lock(:locks, :object)")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where. A command's ``from_address`` is its machine and user."""

    name: str
    role: str
    programme: str
    channel: Literal["api", "command"]
    from_address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to which object: ``scene.suspend`` to the ``scene`` of this code.

    ``programme`` is the object's, ``*`` what concerns every one; where it is not known (None) the
    row names the actor's.
    """

    what: str
    object_kind: str
    object_id: str
    holder_id: UUID | None = None
    programme: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """An act with how its object stood before and after; None: it was not there."""

    act: Act
    before: State
    after: State


def acting(
    session: Session,
    actor: Actor,
    act: Act,
    *,
    state: Callable[[], State],
    work: Callable[[], T],
    now: datetime,
) -> T:
    """Do ``work`` and write down how ``state()`` was before and after.

    A retry that changes nothing leaves no row: what was done before has its row already. Of two at
    once the second waits until the first has committed, so it sees what the first did.
    """
    session.execute(_LOCK, {"locks": _LOCKS, "object": _lock_of(act)})
    before = plain(state())
    done = work()
    session.flush()
    after = plain(state())
    if before != after:
        record(session, actor, act, before=before, after=after, now=now)
    return done


def acting_on_many(
    session: Session,
    actor: Actor,
    acts: Sequence[Act],
    *,
    states: Callable[[], Mapping[str, State]],
    work: Callable[[], T],
    now: datetime,
) -> T:
    """The same for many objects, each with a row of its own where it was changed.

    ``states()`` answers by the object's id, and locks the objects for the rest of the transaction.
    One statement besides those of ``states`` and ``work``.
    """
    before = {id_: plain(state) for id_, state in states().items()}
    done = work()
    session.flush()
    after = {id_: plain(state) for id_, state in states().items()}
    changed = [
        Done(act, before.get(act.object_id), after.get(act.object_id))
        for act in acts
        if before.get(act.object_id) != after.get(act.object_id)
    ]
    record_many(session, actor, changed, now=now)
    return done


def record(
    session: Session, actor: Actor, act: Act, *, before: State, after: State, now: datetime
) -> None:
    """Write an act down as it is; ``before`` and ``after`` as JSON has it (``plain``)."""
    record_many(session, actor, [Done(act, before, after)], now=now)


def record_many(session: Session, actor: Actor, done: Iterable[Done], *, now: datetime) -> None:
    """Write acts down, a row an object, in one statement; at most some thousand."""
    every = list(done)
    if not every:
        return
    by = {
        "acted_at": now,
        "actor": actor.name,
        "role": actor.role,
        "channel": actor.channel,
        "from_address": actor.from_address,
        "request_id": actor.request_id,
    }
    rows = [
        by
        | {
            "id": UUID(id_),
            "programme_code": one.act.programme or actor.programme,
            "what": one.act.what,
            "object_kind": one.act.object_kind,
            "object_id": one.act.object_id,
            "holder_id": one.act.holder_id,
            "before": plain(one.before),
            "after": plain(one.after),
        }
        for id_, one in zip(uuid7s(len(every), now), every, strict=True)
    ]
    session.flush()
    session.execute(insert(AdminAct).values(rows))


def plain(value: Any) -> Any:
    """A state as JSON has it: instants and ids as text, rows as what they hold."""
    match value:
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case None | str() | int() | bool():
            return value
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
    raise TypeError(f"no state holds a {type(value).__name__}")


def _lock_of(act: Act) -> int:
    """Objects whose number happens to be the same wait for each other, and no more."""
    name = f"{act.object_kind}\n{act.object_id}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:4], signed=True)
