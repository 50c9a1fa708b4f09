"""Time: nobody does two things at once.

The times that residents' acts took, as far as an act at hand can meet them. Read under the
residents' lock, changed here, written at the end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from activities.events import CHANNELS
from ledgers.bulk import NULL, Statement, array_of, copy_lines, together

LONGEST = timedelta(days=1)  # An act under a rule of time; a longer one is refused.


class Span(NamedTuple):
    """The time one act took, whose word it is (0 the weightiest), and where it was."""

    started_at: datetime
    ended_at: datetime
    activity_id: UUID
    behaviour_code: str
    rank: int
    place: str | None

    def gap(self, start: datetime, end: datetime) -> timedelta:
        """How long between the two; negative where they overlap."""
        return max(start - self.ended_at, self.started_at - end)


Window = tuple[str, datetime, datetime]  # Holder in hexadecimal, from, to.


class Occupancy:
    """By holder, the spans that acts of a batch can meet."""

    def __init__(self) -> None:
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._taken: dict[UUID, tuple[str, Span]] = {}
        self._freed: list[tuple[str, Span]] = []

    @classmethod
    def read(cls, session: Session, windows: Iterable[Window]) -> "Occupancy":
        """One statement; a window of a holder is as wide as all that is asked of that holder."""
        found = cls()
        widest: dict[str, tuple[datetime, datetime]] = {}
        for holder, start, end in windows:
            first, last = widest.get(holder, (start, end))
            widest[holder] = min(first, start), max(last, end)
        if not widest:
            return found
        ordered = sorted(widest.items())
        parameters = {
            "holders": array_of(holder for holder, _ in ordered),
            "starts": array_of((start - LONGEST).isoformat() for _, (start, _) in ordered),
            "ends": array_of(end.isoformat() for _, (_, end) in ordered),
        }
        (rows,) = together(session, (_READ, parameters))
        for holder, started_at, ended_at, activity_id, behaviour, channel, place in rows:
            span = Span(
                started_at, ended_at, activity_id, behaviour, CHANNELS.index(channel), place
            )
            found._spans[holder].append(span)
        return found

    def overlapping(self, holder: str, start: datetime, end: datetime) -> list[Span]:
        """The holder's spans that share an instant with this one; those that only touch do not."""
        return [s for s in self._spans.get(holder, ()) if s.started_at < end and start < s.ended_at]

    def near(self, holder: str, start: datetime, end: datetime, within_s: int) -> list[Span]:
        """The spans that end or begin less than so many seconds away, overlapping ones too."""
        within = timedelta(seconds=within_s)
        return [s for s in self._spans.get(holder, ()) if s.gap(start, end) < within]

    def take(self, holder: str, span: Span) -> None:
        """The time is taken by an act that is verified or held."""
        self._spans[holder].append(span)
        self._taken[span.activity_id] = holder, span

    def lighter(self, holder: str, start: datetime, end: datetime, rank: int) -> Iterator[UUID]:
        """The acts that would give way to one of this rank."""
        for span in self.overlapping(holder, start, end):
            if span.rank > rank:
                yield span.activity_id

    def free(self, holder: str, activity_id: UUID) -> None:
        """The time of an act is free again; nothing for one that took none."""
        spans = self._spans[holder]
        for span in [span for span in spans if span.activity_id == activity_id]:
            spans.remove(span)
            if self._taken.pop(activity_id, None) is None:
                self._freed.append((holder, span))

    def forget(self, holders: set[str]) -> None:
        """As if nothing had been read or taken for these residents."""
        for holder in holders:
            self._spans.pop(holder, None)
        self._taken = {id_: one for id_, one in self._taken.items() if one[0] not in holders}
        self._freed = [one for one in self._freed if one[0] not in holders]

    def write(self, session: Session) -> None:
        """Write what was taken and freed."""
        if self._freed:
            together(session, freeing((h, s.started_at, s.activity_id) for h, s in self._freed))
        lines = [
            f"{holder}\t{s.started_at.isoformat()}\t{s.activity_id.hex}\t{s.ended_at.isoformat()}"
            f"\t{s.behaviour_code}\t{CHANNELS[s.rank]}\t{s.place or NULL}"
            for holder, s in sorted(self._taken.values())
        ]
        if lines:
            copy_lines(session, "occupied", _COLUMNS, lines)


def freeing(spans: Iterable[tuple[str, datetime, UUID]]) -> Statement:
    """Frees the time of acts, given as (holder, start, activity)."""
    holders, starts, ids = zip(*sorted(spans), strict=True)
    parameters = {
        "holders": array_of(holders),
        "starts": array_of(start.isoformat() for start in starts),
        "ids": array_of(id_.hex for id_ in ids),
    }
    return _FREE, parameters


_COLUMNS = (
    *("holder_id", "started_at", "activity_id", "ended_at", "behaviour_code", "channel", "place"),
)
_READ: LiteralString = """
    SELECT replace(o.holder_id::text, '-', ''), o.started_at, o.ended_at, o.activity_id,
        o.behaviour_code, o.channel, o.place
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(starts)s AS timestamptz[]),
        CAST(%(ends)s AS timestamptz[])) AS k (holder_id, first, last)
    JOIN occupied AS o
        ON o.holder_id = k.holder_id AND o.started_at BETWEEN k.first AND k.last
"""
_FREE: LiteralString = """
    DELETE FROM occupied AS o
    USING unnest(CAST(%(holders)s AS uuid[]), CAST(%(starts)s AS timestamptz[]),
        CAST(%(ids)s AS uuid[])) AS k (holder_id, started_at, activity_id)
    WHERE o.holder_id = k.holder_id AND o.started_at = k.started_at
        AND o.activity_id = k.activity_id
"""
