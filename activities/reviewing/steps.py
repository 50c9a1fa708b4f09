"""Steps: what somebody did or said in a case or an appeal, in order and for good.

Kept here: an id stands for one step, of one activity and one actor; of two steps of an activity the
later one has the later instant, whatever clocks say. Who writes one has the resident locked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.changes.adjusting import Key
from activities.models import Activity, ReviewStep
from activities.reviewing.errors import OwnActivity, ReviewStepReused
from ledgers.bulk import array_of, copy_lines, escaped, look_up_by_index

TEXT_MAX = 2_000
_TICK = timedelta(microseconds=1)
_COLUMNS = ("holder_id", "id", "activity_id", "action", "actor", "text", "at")
_OF_ACTIVITIES = text("""
    SELECT s.* FROM unnest(CAST(:holders AS uuid[]), CAST(:activities AS uuid[])) AS k (holder, id)
    JOIN review_step AS s ON s.holder_id = k.holder AND s.activity_id = k.id
    ORDER BY s.at, s.id
""")
_BY_ID = text("""
    SELECT s.* FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN review_step AS s ON s.holder_id = k.holder AND s.id = k.id
""")


class Asked(Protocol):
    """A step that somebody asks for, under an id that the client made."""

    @property
    def step_id(self) -> UUID: ...
    @property
    def holder_id(self) -> UUID: ...
    @property
    def activity_id(self) -> UUID: ...
    @property
    def action(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(slots=True)
class Steps:
    """The steps of some activities, each's oldest first; new ones are written at the end."""

    by_activity: dict[UUID, list[ReviewStep]]
    _known: Mapping[Key, ReviewStep]
    _new: list[ReviewStep]

    @classmethod
    def read(cls, session: Session, asked: Collection[Asked]) -> "Steps":
        """With whatever the ids stand for already; two statements."""
        keys = [(one.holder_id, one.activity_id) for one in asked]
        query = select(ReviewStep).from_statement(_BY_ID)
        ids = sorted((one.holder_id.hex, one.step_id.hex) for one in asked)
        parameters = {
            "holders": array_of(holder for holder, _ in ids),
            "ids": array_of(id_ for _, id_ in ids),
        }
        found = steps_of(session, keys)
        known = {(one.holder_id, one.id): one for one in session.scalars(query, parameters)}
        return cls(found, known, [])

    def of(self, activity_id: UUID) -> Sequence[ReviewStep]:
        return self.by_activity.get(activity_id, ())

    def is_retry(self, asked: Asked) -> bool:
        """Whether this very step stands; raises ReviewStepReused where its id is another's."""
        stands = self._known.get((asked.holder_id, asked.step_id))
        if stands is None:
            return False
        if _content(stands) != _content(asked):
            raise ReviewStepReused(asked.step_id)
        return True

    def add(self, asked: Asked, now: datetime) -> None:
        """Put a new one after those that are there."""
        before = self.by_activity.setdefault(asked.activity_id, [])
        step = ReviewStep(
            holder_id=asked.holder_id,
            id=asked.step_id,
            activity_id=asked.activity_id,
            action=asked.action,
            actor=asked.actor,
            text=asked.text,
            at=max([now, *(one.at + _TICK for one in before[-1:])]),
        )
        before.append(step)
        self._new.append(step)

    def write(self, session: Session) -> None:
        """One statement; none for none."""
        if self._new:
            in_order = sorted(self._new, key=lambda step: step.holder_id)
            lines = (
                "\t".join(escaped(str(getattr(step, name))) for name in _COLUMNS)
                for step in in_order
            )
            copy_lines(session, "review_step", _COLUMNS, lines)


def steps_of(session: Session, keys: Iterable[Key]) -> dict[UUID, list[ReviewStep]]:
    """The steps about activities, given as (holder, activity), each the oldest first."""
    look_up_by_index(session)
    rows = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    parameters = {
        "holders": array_of(holder for holder, _ in rows),
        "activities": array_of(id_ for _, id_ in rows),
    }
    found: dict[UUID, list[ReviewStep]] = {}
    query = select(ReviewStep).from_statement(_OF_ACTIVITIES)
    for step in session.scalars(query, parameters):
        found.setdefault(step.activity_id, []).append(step)
    return found


def refuse_own(asked: Asked, activity: Activity) -> None:
    """Raises OwnActivity where who decides is the holder, or entered the act at the desk."""
    facts = msgspec.json.decode(activity.facts) if activity.facts else {}
    try:
        own = UUID(asked.actor) == asked.holder_id
    except ValueError:  # A name, as operators have.
        own = False
    if own or facts.get("entered_by") == asked.actor:
        raise OwnActivity(asked.activity_id)


def _content(step: Asked | ReviewStep) -> tuple[UUID, str, str, str]:
    return step.activity_id, step.action, step.actor, step.text
