"""A partner's count of a day beside ours, and the events that make the difference.

Ours are the events that the partner's batches and files hold by now, as they stand: what a later
version of a batch left out is in neither count. A day is one of the programme's zone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.models import FeedTotal
from ledgers.bulk import array_of, look_up_by_index
from service.feeds.batches import Feed
from service.feeds.errors import TotalsOfAnotherDay

PAGE_MAX = 200
_BATCHES_A_PAGE = 20  # Of up to 10,000 events each: so long may one page look.
_CLOCKS = timedelta(hours=1)


@dataclass(slots=True)
class Ours:
    """What we have of a day. ``quantity`` is of all, in the behaviour's base unit."""

    by_decision: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)  # Of what is not verified.
    quantity: int = 0
    verified_quantity: int = 0
    saved_mg_co2e: int = 0
    points: int = 0
    unreadable_lines: int = 0

    @property
    def events(self) -> int:
        return self.by_decision.total()

    def count(self, decision: str, code: str, events: int, quantity: int) -> None:
        """Add events of one decision, or with a minus take them out."""
        self.by_decision[decision] += events
        self.quantity += quantity
        if decision == "verified":
            self.verified_quantity += quantity
        else:
            self.by_code[code] += events


class Differing(NamedTuple):
    """An event that is not verified; ``activity_id`` is None where nothing is kept of it."""

    event_id: str
    activity_id: UUID | None
    decision: str
    code: str
    batch_id: str
    quantity: int
    duration_s: int


class Place(NamedTuple):
    """Where a list of differing events goes on: in which batch, and after how many of it."""

    received_at: datetime
    batch: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """``ours`` is counted for the first page alone; ``next_after`` is None at the end. A page may
    be short, or empty, and go on all the same.
    """

    partner: FeedTotal | None
    ours: Ours | None
    differing: Sequence[Differing]
    next_after: Place | None


_SAY = text("""
    INSERT INTO feed_total AS t (scene_code, day, events, quantity, received_at)
    VALUES (:scene, :day, :events, :quantity, :at)
    ON CONFLICT (scene_code, day) DO UPDATE
    SET events = excluded.events, quantity = excluded.quantity, received_at = excluded.received_at
    WHERE (t.events, t.quantity) <> (excluded.events, excluded.quantity)
""")


def say_totals(
    session: Session, feed: Feed, day: date, *, events: int, quantity: int, now: datetime
) -> FeedTotal:
    """Keep what a partner says a day came to; said again, the last word counts.

    Raises TotalsOfAnotherDay for a day that has not begun.
    """
    if day > now.astimezone(feed.zone).date():
        raise TotalsOfAnotherDay(day)
    session.execute(
        _SAY,
        {
            "scene": feed.scene_code,
            "day": day,
            "events": events,
            "quantity": quantity,
            "at": now,
        },
    )
    return session.get_one(FeedTotal, (feed.scene_code, day), populate_existing=True)


def reconcile(
    session: Session, feed: Feed, day: date, *, after: Place | None = None, limit: int = 50
) -> Reconciliation:
    """Both counts of a day, and a page of up to ``limit`` (1..PAGE_MAX) events that differ.

    Reads the day's batches one by one, in some statements each.
    """
    assert 0 < limit <= PAGE_MAX
    partner = session.get(FeedTotal, (feed.scene_code, day))
    batches = _batches(session, feed, day)
    ours = None if after else Ours()
    differing: list[Differing] = []
    next_after: Place | None = None
    for looked, batch in enumerate(_from(batches, after)):
        full = next_after is not None
        if full and ours is None:
            break
        rows = _rows(session, batch, day, ours)
        if full:
            continue
        start = after.number if after and after.batch == batch.id else 0
        room = limit - len(differing)
        differing += rows[start : start + room]
        if len(rows) > start + room:
            next_after = Place(batch.received_at, batch.id, start + room)
        elif looked + 1 == _BATCHES_A_PAGE:
            next_after = Place(batch.received_at, batch.id, len(rows))
    return Reconciliation(partner, ours, differing, next_after)


class _Batch(NamedTuple):
    """A batch that has events of the day."""

    id: UUID
    batch_id: str
    received_at: datetime
    totals: dict[str, Any]


_BATCHES = text("""
    SELECT id, batch_id, received_at, totals FROM feed_batch
    WHERE scene_code = :scene AND received_at >= :since AND jsonb_exists(totals -> 'days', :day)
    ORDER BY received_at, id
""")
_KEYS = text("SELECT event_keys::text FROM feed_batch WHERE id = :id")
_ACTIVITIES = text(
    "SELECT holder_id, activity_id FROM received_event WHERE key = ANY(CAST(:keys AS uuid[]))"
)
# None of these asks for the day: a condition that few rows seem to meet makes PostgreSQL read all
# activities instead of looking up the keys.
_OF: LiteralString = """
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN activity AS a ON a.holder_id = k.holder AND a.id = k.id
"""
_SUMS = text(f"""
    SELECT a.day, a.decision, a.code, count(*), sum(a.quantity)::bigint,
        sum(a.saved_mg_co2e)::bigint, sum(a.points)::bigint,
        array_agg(a.holder_id::text || ' ' || a.id::text) FILTER (WHERE a.decision <> 'verified')
    {_OF} GROUP BY a.day, a.decision, a.code
""")
_ADJUSTED = text("""
    SELECT j.holder_id, j.activity_id, j.decision, j.code, j.quantity, j.saved_mg_co2e, j.points
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN adjustment AS j ON j.holder_id = k.holder AND j.activity_id = k.id
    ORDER BY j.recorded_at, j.id
""")
_ROWS = text(f"""
    SELECT a.id, a.day, a.event_id, a.decision, a.code, a.quantity, a.started_at, a.ended_at {_OF}
""")


def _batches(session: Session, feed: Feed, day: date) -> list[_Batch]:
    """Those with events of the day: none came before it began."""
    since = datetime.combine(day, time(), feed.zone) - _CLOCKS
    parameters = {"scene": feed.scene_code, "since": since, "day": str(day)}
    return [_Batch(*row) for row in session.execute(_BATCHES, parameters)]


def _from(batches: list[_Batch], after: Place | None) -> Iterator[_Batch]:
    for batch in batches:
        if after is None or (batch.received_at, batch.id) >= (after.received_at, after.batch):
            yield batch


def _rows(session: Session, batch: _Batch, day: date, ours: Ours | None) -> list[Differing]:
    """What of a batch is not verified, in a fixed order; and what it adds to our count."""
    keys = session.scalar(_KEYS, {"id": batch.id})
    look_up_by_index(session)
    all_of_it = session.execute(_ACTIVITIES, {"keys": keys}).all()
    of_interest: set[tuple[UUID, UUID]] = set()
    for on, decision, code, events, quantity, saved, points, refused in session.execute(
        _SUMS, _columns(all_of_it)
    ):
        if on != day:
            continue
        of_interest.update((UUID(each[:36]), UUID(each[37:])) for each in refused or ())
        if ours is not None:
            ours.count(decision, code, events, quantity)
            ours.saved_mg_co2e += saved
            ours.points += points
    adjusted = session.execute(_ADJUSTED, _columns(all_of_it)).all()
    of_interest.update((holder_id, activity_id) for holder_id, activity_id, *_ in adjusted)
    rows = session.execute(_ROWS, _columns(of_interest))
    found = {id_: _Standing(*rest) for id_, on, *rest in rows if on == day}
    for _, id_, decision, code, quantity, saved, points in adjusted:
        if id_ in found:
            before = found[id_]
            found[id_] = before._replace(decision=decision, code=code, quantity=quantity)
            if ours is not None:
                ours.count(before.decision, before.code, -1, -before.quantity)
                ours.count(decision, code, 1, quantity)
                ours.saved_mg_co2e += saved
                ours.points += points
    differing = [
        each.differing(id_, batch) for id_, each in found.items() if each.decision != "verified"
    ]
    differing += _not_kept(batch, day, ours)
    if ours is not None:
        ours.unreadable_lines += batch.totals.get("unreadable", 0)
    return sorted(differing, key=lambda each: (each.event_id, each.code, str(each.activity_id)))


def _columns(keys: Iterable[Sequence[UUID]]) -> dict[str, object]:
    pairs = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    return {
        "holders": array_of(holder for holder, _ in pairs),
        "ids": array_of(id_ for _, id_ in pairs),
    }


class _Standing(NamedTuple):
    """An activity as it stands."""

    event_id: str
    decision: str
    code: str
    quantity: int
    started_at: datetime
    ended_at: datetime

    def differing(self, id_: UUID, batch: _Batch) -> Differing:
        duration_s = int((self.ended_at - self.started_at).total_seconds())
        return Differing(
            self.event_id, id_, self.decision, self.code, batch.batch_id, self.quantity, duration_s
        )


def _not_kept(batch: _Batch, day: date, ours: Ours | None) -> Iterator[Differing]:
    for _, on, event_id, quantity, code in batch.totals.get("not_kept", ()):
        if on == str(day):
            if ours is not None:
                ours.count("rejected", code, 1, quantity)
            yield Differing(event_id, None, "rejected", code, batch.batch_id, quantity, 0)
