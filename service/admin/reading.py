"""Reading the admin log: a page of it, or all of it in order. Reading is no act and leaves no row:
the log holds nothing personal.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from ledgers.ids import uuid7_floor
from service.admin.models import AdminAct
from service.db import Database

PAGE_MAX = 200
WALK_ROWS = 1_000
COLUMNS = tuple(AdminAct.__table__.columns.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Acts, by each of these that is not None; done from ``since`` and before ``until``."""

    programme: str | None = None
    actor: str | None = None
    what: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    holder_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        equal = {
            AdminAct.programme_code: self.programme,
            AdminAct.actor: self.actor,
            AdminAct.what: self.what,
            AdminAct.object_kind: self.object_kind,
            AdminAct.object_id: self.object_id,
            AdminAct.holder_id: self.holder_id,
        }
        for column, wanted in equal.items():
            if wanted is not None:
                yield column == wanted
        if self.since is not None:
            yield AdminAct.id >= uuid7_floor(self.since)  # By index; ids carry milliseconds.
            yield AdminAct.acted_at >= self.since
        if self.until is not None:
            yield AdminAct.acted_at < self.until


@dataclass(frozen=True, slots=True)
class Page:
    """``next_before`` asks for the page after this one; None at the end."""

    acts: Sequence[AdminAct]
    next_before: UUID | None


def page(session: Session, which: Which, *, before: UUID | None = None, limit: int) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) acts, the newest first."""
    assert 1 <= limit <= PAGE_MAX
    query = select(AdminAct).where(*which.conditions()).order_by(AdminAct.id.desc())
    if before is not None:
        query = query.where(AdminAct.id < before)
    rows = session.scalars(query.limit(limit + 1)).all()
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def walk(database: Database, which: Which) -> Iterator[AdminAct]:
    """All of them, the oldest first, in flat memory; no transaction waits for a slow reader.

    What is being written meanwhile may be left out, as it would be of a copy made a moment earlier:
    who fetches the log piece by piece lets the pieces overlap by some minutes.
    """
    after: UUID | None = None
    while True:
        rows = database.transact(_piece(which, after))
        yield from rows
        if len(rows) < WALK_ROWS:
            return
        after = rows[-1].id


def _piece(which: Which, after: UUID | None) -> Callable[[Session], Sequence[AdminAct]]:
    query = select(AdminAct).where(*which.conditions()).order_by(AdminAct.id).limit(WALK_ROWS)
    if after is not None:
        query = query.where(AdminAct.id > after)
    return lambda session: session.scalars(query).all()


def told(act: AdminAct) -> Mapping[str, Any]:
    """Field by field, under the names of the columns but the programme's."""
    facts = {name: getattr(act, name) for name in COLUMNS}
    facts["programme"] = facts.pop("programme_code")
    return facts
