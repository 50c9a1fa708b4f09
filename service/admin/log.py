"""Writing and reading the admin log.

Kept here: an act of staff and its row are one transaction, so neither is without the other. The row
says who, in which role, from where, and how the object stood before and after. Facts only: no
names, phones, card numbers or secrets of anybody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.ids import uuid7s
from service.admin.models import AdminAct

State = Mapping[str, Any] | None
T = TypeVar("T")


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
    """What is done to which object: ``scene.suspend`` to the ``scene`` of this code."""

    what: str
    object_kind: str
    object_id: str
    holder_id: UUID | None = None


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

    A retry that changes nothing leaves no row: what was done before has its row already.
    """
    before = plain(state())
    done = work()
    session.flush()
    after = plain(state())
    if before != after:
        record(session, actor, act, before=before, after=after, now=now)
    return done


def record(
    session: Session, actor: Actor, act: Act, *, before: State, after: State, now: datetime
) -> None:
    """Write an act down as it is; ``before`` and ``after`` as JSON has it (``plain``)."""
    session.add(
        AdminAct(
            id=UUID(uuid7s(1, now)[0]),
            acted_at=now,
            actor=actor.name,
            role=actor.role,
            programme_code=actor.programme,
            what=act.what,
            object_kind=act.object_kind,
            object_id=act.object_id,
            holder_id=act.holder_id,
            before=plain(before),
            after=plain(after),
            channel=actor.channel,
            from_address=actor.from_address,
            request_id=actor.request_id,
        )
    )
    session.flush()


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
        case Sequence() | set() | frozenset():
            return [plain(each) for each in value]
    raise TypeError(f"no state holds a {type(value).__name__}")


def acts(
    session: Session,
    *,
    before: UUID | None = None,
    limit: int,
    actor: str | None = None,
    object_kind: str | None = None,
    object_id: str | None = None,
    programme: str | None = None,
) -> Sequence[AdminAct]:
    """Acts, the newest first; ``before`` is the id of the last one seen, ``limit`` <= 1,000."""
    assert 1 <= limit <= 1_000
    query = select(AdminAct).order_by(AdminAct.id.desc()).limit(limit)
    conditions = {
        AdminAct.actor: actor,
        AdminAct.object_kind: object_kind,
        AdminAct.object_id: object_id,
        AdminAct.programme_code: programme,
    }
    for column, wanted in conditions.items():
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(AdminAct.id < before)
    return session.scalars(query).all()
