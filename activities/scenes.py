"""Scenes over time: draft → approved → suspended → ended, each from an instant on.

What changes a scene is in ``activities.scene_steps``. An end is final in what is read here as in
what is written there, so that of two operators at once neither undoes it.

A scene without changes is approved for the days that the catalogue gives it. One whose first change
is a draft was never approved before its approval.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Behaviour, Programme, Scene, SceneChange
from activities.errors import UnknownResident, UnknownScene
from activities.models import Participant

DRAFT, APPROVED, SUSPENDED, ENDED = "draft", "approved", "suspended", "ended"
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A scene's status by instant.

    ``steps`` are status and last day (exclusive) from an instant on, the first from ever on;
    ``open`` the times, end exclusive, in which acts may start.
    """

    zone: ZoneInfo
    approved_from: date
    steps: tuple[tuple[datetime, str, date], ...]
    open: tuple[tuple[datetime, datetime], ...]

    def open_at(self, instant: datetime) -> bool:
        """Whether an act that starts then is one of an approved scene."""
        return any(start <= instant < end for start, end in self.open)

    def status_at(self, instant: datetime) -> str:
        """draft, approved, suspended or ended; approved ones are open on their days only."""
        return self._step(instant)[1]

    def approved_to(self, instant: datetime) -> date:
        """The day, exclusive, to which it is approved by what holds at an instant."""
        return self._step(instant)[2]

    def day(self, instant: datetime) -> date:
        """The instant's day in the programme's zone."""
        return instant.astimezone(self.zone).date()

    def _step(self, instant: datetime) -> tuple[datetime, str, date]:
        return next(step for step in reversed(self.steps) if step[0] <= instant)


def timeline_of(scene: Scene, zone: ZoneInfo, changes: Iterable[SceneChange]) -> Timeline:
    """The timeline of one scene from its rows, in any order; pure."""
    ordered = sorted(changes, key=lambda change: change.effective_at)
    status = DRAFT if ordered and ordered[0].status == DRAFT else APPROVED
    steps = [(_EVER, status, scene.approved_to)]
    for change in ordered:
        steps.append((change.effective_at, change.status, change.approved_to or steps[-1][2]))
        if change.status == ENDED:
            break
    first = _midnight(scene.approved_from, zone)
    opened: list[tuple[datetime, datetime]] = []
    for (since, status, approved_to), following in zip(steps, [*steps[1:], None], strict=True):
        start, end = max(since, first), _midnight(approved_to, zone)
        end = min(end, following[0]) if following else end
        if status != APPROVED or start >= end:
            continue
        if opened and opened[-1][1] == start:
            start = opened.pop()[0]
        opened.append((start, end))
    return Timeline(zone, scene.approved_from, tuple(steps), tuple(opened))


def timeline(session: Session, scene_codes: Collection[str]) -> dict[str, Timeline]:
    """The timelines of the scenes that exist, by code; two statements however many."""
    query = (
        select(Scene, Programme.zone)
        .join(Programme, Programme.code == Scene.programme_code)
        .where(Scene.code.in_(scene_codes))
    )
    found = session.execute(query).all()
    changes = changes_of(session, scene_codes)
    return {
        scene.code: timeline_of(scene, ZoneInfo(zone), changes.get(scene.code, ()))
        for scene, zone in found
    }


def changes_of(session: Session, scene_codes: Collection[str]) -> dict[str, list[SceneChange]]:
    """What became of the scenes, by code, the earliest first; those without changes are missing."""
    query = select(SceneChange).where(SceneChange.scene_code.in_(scene_codes))
    found: dict[str, list[SceneChange]] = {}
    for change in session.scalars(query.order_by(SceneChange.effective_at)):
        found.setdefault(change.scene_code, []).append(change)
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """A scene with its behaviour and what became of it, as it stands ``at`` an instant."""

    scene: Scene
    behaviour: Behaviour
    timeline: Timeline
    changes: Sequence[SceneChange]
    at: datetime

    @property
    def status(self) -> str:
        return self.timeline.status_at(self.at)

    @property
    def open(self) -> bool:
        return self.timeline.open_at(self.at)

    @property
    def approved_to(self) -> date:
        return self.timeline.approved_to(self.at)

    @property
    def ends_on(self) -> date:
        """The end of its approval, exclusive, with an extension that is recorded for later."""
        return self.timeline.steps[-1][2]

    @property
    def days_left(self) -> int:
        """Days until the approval ends, today's among them; 0 or less: it has ended."""
        return (self.ends_on - self.timeline.day(self.at)).days


def standings(
    session: Session, *, now: datetime, programme_code: str | None = None
) -> list[Standing]:
    """Every scene, or a programme's, by code; two statements."""
    query = (
        select(Scene, Behaviour, Programme.zone)
        .join(Behaviour, Behaviour.code == Scene.behaviour_code)
        .join(Programme, Programme.code == Scene.programme_code)
        .order_by(Scene.code)
    )
    if programme_code is not None:
        query = query.where(Scene.programme_code == programme_code)
    found = session.execute(query).all()
    changes = changes_of(session, {scene.code for scene, _, _ in found})
    standings = []
    for scene, behaviour, zone in found:
        own = changes.get(scene.code, [])
        line = timeline_of(scene, ZoneInfo(zone), own)
        standings.append(Standing(scene, behaviour, line, own, now))
    return standings


def programme_of(session: Session, holder_id: UUID) -> str:
    """The code of the programme whose scenes a resident sees; raises UnknownResident."""
    query = select(Participant.programme_code).where(Participant.holder_id == holder_id)
    if (code := session.scalar(query)) is None:
        raise UnknownResident(holder_id)
    return code


def standing(session: Session, scene_code: str, *, now: datetime) -> Standing:
    """One scene as it stands; raises UnknownScene."""
    query = (
        select(Scene, Behaviour, Programme.zone)
        .join(Behaviour, Behaviour.code == Scene.behaviour_code)
        .join(Programme, Programme.code == Scene.programme_code)
        .where(Scene.code == scene_code)
    )
    if (row := session.execute(query).one_or_none()) is None:
        raise UnknownScene(scene_code)
    scene, behaviour, zone = row
    own = changes_of(session, {scene_code}).get(scene_code, [])
    return Standing(scene, behaviour, timeline_of(scene, ZoneInfo(zone), own), own, now)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
