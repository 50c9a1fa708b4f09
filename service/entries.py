"""Single activities: the resident's app and the staff's desk bring one at a time.

Kept here: a scene takes entries through its own channel only; an id that a client made stands for
one activity, and the same again is answered the same. What the app's requests bring at the same
time is recorded together (``service.joining``), but for who acts for somebody else.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from activities import own_ids
from activities.catalogue.models import Scene
from activities.errors import EventIdReused, UnknownScene, WrongChannel
from activities.events import Batch, Event
from activities.history import Recorded, recorded
from activities.intake import record
from ledgers.accounts import is_closed
from ledgers.errors import AccountClosed
from service.admin import objects
from service.admin.log import Actor
from service.admin.objects import acting_on
from service.db import Database, is_unavailable
from service.joining import Joining

APP_ACTOR = "app"


class Entries:
    """The two doors for single activities, of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channels: dict[str, str] = {}  # A scene's channel never changes.
        self.joining: Joining[Event, Recorded | None] = Joining(
            lambda events: self._record(events, APP_ACTOR), shared=_of_the_database
        )

    def from_app(self, event: Event, *, acting: str | None = None) -> Recorded:
        """Record what a resident's app sent, and answer it as it was first decided.

        ``event.event_id`` is the UUID that the app made. Sent again it is a retry, whether or not
        the attestation that came along still holds. ``acting`` is who sent it for the resident
        ("delegate:ID"), whom the posting names in place of the app; they are few, and each has a
        transaction of its own, since a posting has one actor.

        Raises:
            UnknownScene, WrongChannel: nothing was recorded.
            EventIdReused: the id stands for an activity with other content.
            AccountClosed: the resident takes part no more; it earned nothing.
            TooBusy: to be sent again.
        """
        self._check_channel(event.scene, "app")
        if (activity := self._do(event, acting)) is not None:
            return self._unless_closed(activity)
        details = replace(event.details, attested=not event.details.attested)
        if (activity := self._do(replace(event, details=details), acting)) is not None:
            return self._unless_closed(activity)
        raise EventIdReused(event.event_id)

    def from_staff(self, event: Event, *, actor: Actor) -> Recorded:
        """Record what ``actor`` entered for a resident; likewise. The admin log names both."""
        self._check_channel(event.scene, "staff")
        now = datetime.now(UTC)

        def work(session: Session) -> Recorded | None:
            (found,) = acting_on(
                session,
                actor,
                "activity.enter",
                objects.entry(session, UUID(event.event_id), event.holder_id, event.scene),
                lambda: record_own(session, Batch([event], actor.name, now)),
                now=now,
            )
            return found

        if (activity := self._database.transact(work)) is None:
            raise EventIdReused(event.event_id)
        return activity

    def _unless_closed(self, activity: Recorded) -> Recorded:
        """Asked of those alone who seem to be nobody: all others pay nothing for it."""
        if activity.code == "unknown_resident" and self._database.transact(
            lambda session: is_closed(session, activity.holder_id)
        ):
            raise AccountClosed(activity.holder_id)
        return activity

    def is_known(self, own_id: UUID) -> bool:
        """Whether an activity was recorded under this id."""
        return self._database.transact(lambda s: own_ids.find(s, own_id)) is not None

    def _check_channel(self, scene_code: str, channel: str) -> None:
        found = self._channels.get(scene_code)
        if found is None:
            scene = self._database.transact(lambda session: session.get(Scene, scene_code))
            if scene is None:
                raise UnknownScene(scene_code)
            found = self._channels[scene_code] = scene.channel
        if found != channel:
            raise WrongChannel(scene_code, found)

    def _do(self, event: Event, acting: str | None) -> Recorded | None:
        if acting is None:
            return self.joining.do(event)
        (found,) = self._record([event], acting)
        return found

    def _record(self, events: Sequence[Event], actor: str) -> list[Recorded | None]:
        batch = Batch(list(events), actor, datetime.now(UTC), acting=actor != APP_ACTOR)
        return self._database.transact(lambda session: record_own(session, batch))


def record_own(session: Session, batch: Batch) -> list[Recorded | None]:
    """Record events whose ids our own clients made; None for an id that stands for other content.

    Raises EventIdReused for an id that stands for an event of another scene: nothing of the batch
    is to be kept.
    """
    answers = record(session, batch)
    both = list(zip(batch.events, answers, strict=True))
    own_ids.tie(
        session,
        (
            own_ids.Tie(event.event_id, event.key(), event.holder_id, answer.activity_id)
            for event, answer in both
            if answer.written
        ),
    )
    good = [(e.holder_id, a.activity_id) for e, a in both if a.code != "event_id_reused"]
    found = recorded(session, good) if good else {}
    return [found[a.activity_id] if a.code != "event_id_reused" else None for a in answers]


def _of_the_database(fault: BaseException) -> bool:
    """Whether it is away, so that nobody fares better alone."""
    return isinstance(fault, PoolTimeout) or (
        isinstance(fault, DBAPIError) and is_unavailable(fault)
    )
