"""A partner's batch through the one intake: each event answered, a new version only the difference.

A batch is known by its scene and the partner's own id. The same version again is answered as
before and writes nothing. A later version is the batch anew: what is missing from it is withdrawn,
what is different is changed, what is new is recorded. A batch withdraws only what it brought: an
event that another batch or a file recorded first stays theirs.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme, Scene
from activities.changes.corrections import Cause
from activities.errors import UnknownScene, WrongChannel
from activities.events import Answer, Batch, Event
from activities.intake import record
from activities.models import FeedBatch
from ledgers.bulk import array_of
from service.feeds.bodies import Line, SentEvent
from service.feeds.differences import book
from service.feeds.errors import BatchOutdated, BatchReused
from service.identity.keyring import Keyring
from service.identity.outside_ids import find_holders

VERSION_MAX = 1_000_000
CHANNELS = ("operator", "aggregator")  # Those of partners.
UNKNOWN_RESIDENT = "unknown_resident"
_NAMESPACE = UUID("6e0a4a5e-5f0c-4b9e-9a70-2b9c3f0f6b1d")


@dataclass(frozen=True, slots=True)
class Feed:
    """A scene as its partner's door needs it."""

    scene_code: str
    partner_code: str
    zone: ZoneInfo
    channel: str
    keyring: Keyring  # By which the partner's customers are looked up.

    @property
    def actor(self) -> str:
        return f"feed:{self.partner_code}"


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch as it came: ``body`` unpacked, ``lines`` of it (``bodies.lines_of``).

    ``version`` is 1..VERSION_MAX, the first may be any. ``received_at`` is a zone-aware instant; it
    dates ids and judges "in future".
    """

    batch_id: str
    version: int
    body: bytes
    lines: Sequence[Line]
    received_at: datetime


class Outcome(NamedTuple):
    """What became of one line: an answer to its event, or why it is none.

    Neither: there is no such resident, and nothing is kept of it.
    """

    line: Line
    event: Event | None = None
    answer: Answer | None = None


@dataclass(slots=True)
class Receipt:
    """What became of a batch, line by line, and in sum. ``withdrawn`` and ``changed`` count what a
    new version did to the one before.
    """

    outcomes: list[Outcome]
    withdrawn: int = 0
    changed: int = 0
    unreadable: int = 0
    by_decision: Counter[str] = field(default_factory=Counter)
    saved_mg_co2e: int = 0
    points: int = 0

    def __post_init__(self) -> None:
        for line, _, answer in self.outcomes:
            if line.event is None:
                self.unreadable += 1
            elif answer is None:
                self.by_decision["rejected"] += 1
            else:
                self.by_decision[answer.decision] += 1
                self.saved_mg_co2e += answer.saved_mg_co2e
                self.points += answer.points


def get_feed(session: Session, keyring: Keyring, scene_code: str) -> Feed:
    """Raises UnknownScene."""
    scene = session.get(Scene, scene_code)
    if scene is None:
        raise UnknownScene(scene_code)
    programme = session.get_one(Programme, scene.programme_code)
    zone = ZoneInfo(programme.zone)
    return Feed(scene.code, scene.partner_code, zone, scene.channel, keyring)


def receive(session: Session, feed: Feed, sent: Sent) -> Receipt:
    """Record a partner's batch, or answer what was recorded before.

    The caller commits. One outcome a line, in their order; the same version again: the same, and
    nothing is written. A fixed number of statements, however many lines. Locks the batch's row
    first.

    Raises:
        BatchReused: this version came with other content.
        BatchOutdated: a later version came before.
        WrongChannel: the scene is the app's or the staff's.
    """
    if feed.channel not in CHANNELS:
        raise WrongChannel(feed.scene_code, feed.channel)
    row = _Row(
        uuid5(_NAMESPACE, f"{feed.scene_code}\n{sent.batch_id}"),
        feed.scene_code,
        sent.batch_id,
        sent.version,
        hashlib.sha256(sent.body).digest(),
        sent.received_at,
    )
    earlier = _take(session, row)
    if earlier is None:
        return _first(session, feed, sent, row)
    if sent.version < earlier.version:
        raise BatchOutdated(sent.batch_id, sent.version, earlier.version)
    if sent.version > earlier.version:
        return _anew(session, feed, sent, row, earlier)
    if row.content != earlier.content_sha256:
        raise BatchReused(sent.batch_id, sent.version)
    return _again(session, feed, sent, earlier)


def keep(session: Session, feed: Feed, name: str, batch: Batch, answers: Sequence[Answer]) -> None:
    """Remember events of a file as a batch, for the reconciliation: those that it brought.

    ``name`` says where they came from and is no partner's id. Nothing new: nothing is written.
    """
    keys = _brought(batch.events, answers)
    if keys:
        id_ = uuid5(_NAMESPACE, f"{feed.scene_code}\nfile\n{keys[0]}")
        row = _Row(id_, feed.scene_code, name, 1, b"", batch.received_at)
        _take(session, row)
        _write(session, row, keys, {"days": _days(feed, batch.events)})


class _Row(NamedTuple):
    """What is known of a batch's row before its events are recorded."""

    id: UUID
    scene_code: str
    batch_id: str
    version: int
    content: bytes
    received_at: datetime


_TAKE = text("""
    INSERT INTO feed_batch
        (id, scene_code, batch_id, version, content_sha256, event_keys, totals, received_at)
    VALUES (:id, :scene_code, :batch_id, :version, :content, '{}', '{}', :received_at)
    ON CONFLICT DO NOTHING RETURNING id
""")
_WRITE = text("""
    UPDATE feed_batch
    SET version = :version, content_sha256 = :content, event_keys = CAST(:keys AS uuid[]),
        totals = CAST(:totals AS jsonb), received_at = :received_at
    WHERE id = :id
""")


def _take(session: Session, row: _Row) -> FeedBatch | None:
    """Take the batch's row: a new one (None), or the one that is there, locked."""
    if session.execute(_TAKE, row._asdict()).first() is not None:
        return None
    return session.get_one(FeedBatch, row.id, with_for_update=True, populate_existing=True)


def _write(session: Session, row: _Row, keys: Iterable[str], totals: Mapping[str, Any]) -> None:
    written = {"keys": array_of(keys), "totals": msgspec.json.encode(totals).decode()}
    session.execute(_WRITE, row._asdict() | written)


def _first(session: Session, feed: Feed, sent: Sent, row: _Row) -> Receipt:
    events = _events(session, feed, sent.lines)
    answers = _recorded(session, feed, sent, events)
    receipt = Receipt([_outcome(line, events, answers) for line in sent.lines])
    keys = _brought(events.values(), answers.values())
    _write(session, row, keys, _totals(feed, receipt))
    return receipt


def _again(session: Session, feed: Feed, sent: Sent, earlier: FeedBatch) -> Receipt:
    """The answers that the version got: nobody who is known by now makes a line another one."""
    unknown = {
        number for number, *_, code in earlier.totals["not_kept"] if code == UNKNOWN_RESIDENT
    }
    lines = [line for line in sent.lines if line.number not in unknown]
    events = _events(session, feed, lines)
    answers = _recorded(session, feed, sent, events)
    for number, stated in earlier.totals.get("stated", {}).items():
        as_then = dict(zip(_STATED, stated, strict=True))
        answers[int(number)] = answers[int(number)]._replace(**as_then)
    receipt = Receipt([_outcome(line, events, answers) for line in sent.lines])
    receipt.withdrawn = earlier.totals.get("withdrawn", 0)
    receipt.changed = earlier.totals.get("changed", 0)
    return receipt


def _anew(session: Session, feed: Feed, sent: Sent, row: _Row, earlier: FeedBatch) -> Receipt:
    """A later version: what is different is booked."""
    events = _events(session, feed, sent.lines)
    keys = {number: event.key() for number, event in events.items()}
    first: dict[str, Event] = {}
    for number, event in events.items():
        first.setdefault(keys[number], event)
    before = frozenset(key.hex for key in earlier.event_keys)
    gone = frozenset(earlier.totals.get("gone", ()))
    done = book(
        session,
        first,
        before,
        gone,
        complete=all(line.event for line in sent.lines),
        cause=Cause(
            uuid5(row.id, str(sent.version)),
            f"partner:{feed.partner_code}",
            f"batch {sent.batch_id}, version {sent.version}",
        ),
        now=sent.received_at,
    )
    answers = {n: _answer_to(events[n], first[key], done.answers[key]) for n, key in keys.items()}
    receipt = Receipt([_outcome(line, events, answers) for line in sent.lines])
    receipt.withdrawn, receipt.changed = len(done.withdrawn), done.changed
    totals = _totals(feed, receipt) | {
        "withdrawn": receipt.withdrawn,
        "changed": receipt.changed,
        "gone": sorted((gone | done.withdrawn) - first.keys()),
        "stated": {
            n: [getattr(answers[n], name) for name in _STATED]
            for n, key in keys.items()
            if key in done.stated
        },
    }
    kept = [key for key in first if key in before or key in done.brought]
    _write(session, row, [*kept, *sorted(before - first.keys() - done.withdrawn)], totals)
    return receipt


_STATED = ("decision", "code", "saved_mg_co2e", "points", "trimmed_points")


def _answer_to(event: Event, first: Event, answer: Answer) -> Answer:
    """The answer to an event; ``first`` is the one in this batch with its key: mostly itself."""
    if event is first or event.content() == first.content():
        return answer
    id_ = answer.activity_id
    return Answer(event.event_id, id_, "rejected", "event_id_reused", written=False)


def _events(session: Session, feed: Feed, lines: Sequence[Line]) -> dict[int, Event]:
    """By number of their line, the events whose residents are known."""
    subjects = {line.event.subject for line in lines if line.event and line.event.subject}
    holders = find_holders(session, feed.keyring, feed.partner_code, subjects)
    events = {}
    for line in lines:
        if (sent := line.event) is not None:
            holder_id = holders.get(sent.subject) if sent.subject else sent.holder_id
            if holder_id is not None:
                events[line.number] = sent.of(holder_id, feed.scene_code)
    return events


def _recorded(
    session: Session, feed: Feed, sent: Sent, events: Mapping[int, Event]
) -> dict[int, Answer]:
    batch = Batch(list(events.values()), feed.actor, sent.received_at)
    return dict(zip(events, record(session, batch), strict=True))


def _brought(events: Iterable[Event], answers: Iterable[Answer]) -> list[str]:
    """The keys of those events that were not known before."""
    return [e.key() for e, answer in zip(events, answers, strict=True) if answer.written]


def _days(feed: Feed, events: Iterable[Event | SentEvent]) -> dict[str, int]:
    """How many events lie on which day of the programme's zone."""
    return Counter(str(_day(feed, event)) for event in events)


def _day(feed: Feed, event: Event | SentEvent) -> date:
    return event.started_at.astimezone(feed.zone).date()


def _why_not_kept(answer: Answer | None) -> str | None:
    if answer is None:
        return UNKNOWN_RESIDENT
    return answer.code if answer.code == "event_id_reused" else None


def _outcome(line: Line, events: Mapping[int, Event], answers: Mapping[int, Answer]) -> Outcome:
    return Outcome(line, events.get(line.number), answers.get(line.number))


def _totals(feed: Feed, receipt: Receipt) -> dict[str, Any]:
    """What is kept with the batch: the days it has events of, and of which nothing else is kept."""
    days = _days(feed, (outcome.line.event for outcome in receipt.outcomes if outcome.line.event))
    not_kept = [
        (line.number, str(_day(feed, line.event)), line.event.event_id, line.event.quantity, code)
        for line, _, answer in receipt.outcomes
        if line.event is not None and (code := _why_not_kept(answer))
    ]
    return {"days": days, "not_kept": not_kept, "unreadable": receipt.unreadable}
