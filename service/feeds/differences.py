"""A later version of a batch: only the difference to the one before is booked.

- Missing from it: withdrawn; unless lines could not be read, behind which an event may be.
- Another quantity, and nothing else, of a verified act: quantified anew, the difference booked.
- Different otherwise, or withdrawn by a version between: recorded anew, the old entry withdrawn.
- The same: stays, and is answered as it stands; so does, whatever the version says, what somebody
  did who has closed the account.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.changes import corrections
from activities.changes.adjusting import Key, State, activities_of, adjustments_of, after
from activities.changes.corrections import Cause, Told
from activities.deciding.residents import gone, lock_residents
from activities.errors import ActivityNotVerified, CorrectionImplausible
from activities.events import Answer, Batch, Event
from activities.intake import record
from activities.models import Activity
from ledgers.bulk import array_of


class Held(NamedTuple):
    """What stands behind an event's key."""

    content: str
    holder_id: UUID
    activity_id: UUID

    @property
    def key(self) -> Key:
        return self.holder_id, self.activity_id


@dataclass(frozen=True, slots=True)
class Difference:
    """What a version did: an answer to every event, by key; ``stated`` are those that are not the
    first answer of their activity; ``brought`` the keys of what is new.
    """

    answers: Mapping[str, Answer]
    stated: frozenset[str]
    brought: frozenset[str]
    withdrawn: frozenset[str]
    changed: int


def book(
    session: Session,
    events: Mapping[str, Event],
    before: frozenset[str],
    withdrawn_before: frozenset[str],
    *,
    complete: bool,
    cause: Cause,
    now: datetime,
) -> Difference:
    """Book the difference between a batch's versions.

    Args:
        events: what the new version holds, by key.
        before: the keys that the batch brought, as of the version before.
        withdrawn_before: the keys that versions before withdrew.
        complete: every line could be read, so that what is missing is really missing.
        cause: the version; the same again is a retry.

    Some statements, however many events. Locks the residents first.
    """
    missing = before - events.keys() if complete else frozenset[str]()
    held = _held(session, before | (withdrawn_before & events.keys()))
    residents = {event.holder_id.hex for event in events.values()}
    residents |= {one.holder_id.hex for one in held.values()}
    closed = gone(session, residents, lock_residents(session, residents))
    missing = frozenset(key for key in missing if held[key].holder_id not in closed)
    differing = {
        key: event
        for key, event in events.items()
        if key in before
        and event.content() != held[key].content
        and held[key].holder_id not in closed
    }
    requantified, anew = _sorted_out(session, differing, held)
    withdrawn = [held[key].key for key in sorted(missing)]
    if not _requantify(session, requantified, held, cause, now):
        anew |= requantified
        requantified = {}
    withdrawn += [held[key].key for key in sorted(anew)]
    if withdrawn:
        corrections.withdraw(session, withdrawn, cause, now=now)
    anew |= {key: events[key] for key in withdrawn_before & events.keys()}
    fresh = {key: event for key, event in events.items() if key not in before and key not in anew}
    answers = _recorded(session, fresh, anew, held, cause, now)
    stays = {key: held[key] for key in before & events.keys() if key not in anew}
    stated, adjusted = _stated(session, stays)
    return Difference(
        answers | stated,
        frozenset(adjusted),
        frozenset(key for key in (*fresh, *anew) if answers[key].written),
        frozenset(missing),
        len(requantified) + len(anew),
    )


_HELD = text("""
    SELECT replace(key::text, '-', ''), replace(content::text, '-', ''), holder_id, activity_id
    FROM received_event WHERE key = ANY(CAST(:keys AS uuid[]))
""")
_POINT = text("""
    UPDATE received_event AS r
    SET content = k.content, holder_id = k.holder_id, activity_id = k.activity_id
    FROM unnest(CAST(:keys AS uuid[]), CAST(:contents AS uuid[]), CAST(:holders AS uuid[]),
        CAST(:activities AS uuid[])) AS k (key, content, holder_id, activity_id)
    WHERE r.key = k.key
""")


def _held(session: Session, keys: Iterable[str]) -> dict[str, Held]:
    rows = session.execute(_HELD, {"keys": array_of(sorted(keys))})
    return {key: Held(content, holder, activity) for key, content, holder, activity in rows}


def _point(session: Session, events: Mapping[str, Event], held: Mapping[str, Held]) -> None:
    """Let keys stand for other content from now on."""
    if not events:
        return
    keys = sorted(events)
    session.execute(
        _POINT,
        {
            "keys": array_of(keys),
            "contents": array_of(events[key].content() for key in keys),
            "holders": array_of(held[key].holder_id.hex for key in keys),
            "activities": array_of(held[key].activity_id.hex for key in keys),
        },
    )


def _sorted_out(
    session: Session, differing: Mapping[str, Event], held: Mapping[str, Held]
) -> tuple[dict[str, Event], dict[str, Event]]:
    """Those of which only the quantity is different, of a verified act; and the others."""
    activities, states = _states(session, [held[key].key for key in differing])
    requantified, anew = {}, {}
    for key, event in differing.items():
        id_ = held[key].activity_id
        if (
            states[id_].decision == "verified"
            and corrections.event_of(activities[id_], event.quantity).content() == event.content()
        ):
            requantified[key] = event
        else:
            anew[key] = event
    return requantified, anew


def _requantify(
    session: Session,
    events: Mapping[str, Event],
    held: Mapping[str, Held],
    cause: Cause,
    now: datetime,
) -> bool:
    """Quantify acts anew; False, and nothing is written, where one of them would be refused."""
    if not events:
        return True
    told = [Told(*held[key].key, events[key].quantity) for key in sorted(events)]
    try:
        corrections.change(session, told, cause, now=now)
    except (ActivityNotVerified, CorrectionImplausible):
        return False
    _point(session, events, held)
    return True


class _Anew(Event, frozen=True, gc=False):
    """An event whose key stands for an activity already: recorded under a key of its own."""

    cause: str = ""

    def key(self) -> str:
        written = f"anew\n{self.cause}\n{self.scene}\n{self.event_id}"
        return hashlib.sha256(written.encode()).hexdigest()[:32]


def _recorded(
    session: Session,
    fresh: Mapping[str, Event],
    anew: Mapping[str, Event],
    held: Mapping[str, Held],
    cause: Cause,
    now: datetime,
) -> dict[str, Answer]:
    """Record what is new, and anew what is different; its key then stands for the new entry."""
    events = [*fresh.values(), *(_anew(event, cause) for event in anew.values())]
    answers = record(session, Batch(events, cause.actor, now))
    by_key = dict(zip((*fresh, *anew), answers, strict=True))
    now_held = {
        key: Held(event.content(), event.holder_id, by_key[key].activity_id)
        for key, event in anew.items()
    }
    _point(session, anew, now_held)
    return by_key


def _anew(event: Event, cause: Cause) -> Event:
    return _Anew(
        event.event_id,
        event.scene,
        event.holder_id,
        event.started_at,
        event.ended_at,
        event.quantity,
        event.details,
        cause.id.hex,
    )


def _stated(session: Session, stays: Mapping[str, Held]) -> tuple[dict[str, Answer], set[str]]:
    """How activities stand, as answers, and which of them something became of."""
    activities, states = _states(session, [one.key for one in stays.values()])
    answers, adjusted = {}, set()
    for key, one in stays.items():
        activity, state = activities[one.activity_id], states[one.activity_id]
        answers[key] = Answer(
            activity.event_id,
            activity.id,
            state.decision,
            state.code,
            state.saved_mg_co2e,
            state.points,
            state.trimmed_points,
            False,
            activity.duplicate_of,
        )
        if state != after(activity, ()):
            adjusted.add(key)
    return answers, adjusted


def _states(
    session: Session, keys: Sequence[Key]
) -> tuple[dict[UUID, Activity], dict[UUID, State]]:
    if not keys:
        return {}, {}
    activities, adjustments = activities_of(session, keys), adjustments_of(session, keys)
    return activities, {
        id_: after(activity, adjustments.get(id_, ())) for id_, activity in activities.items()
    }
