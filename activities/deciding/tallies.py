"""Caps: what a resident was granted in a day, week, month or year, and what is left of it.

Whoever grants or takes back holds the resident's lock (``activities.deciding.residents``), so what
is read here stays true until the commit. A total does not depend on the order in which acts arrive:
a cap on points grants what is left of it, a cap on acts what an act adds to the points of the best.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import LiteralString

from sqlalchemy.orm import Session

from activities.policies import ALL, CapOfDay
from ledgers.bulk import Statement, array_of, together

# Holder in hexadecimal, behaviour or ``*``, period and its first day. No class: made in a third of
# the time, and an act has several.
TallyKey = tuple[str, str, str, date]


@dataclass(slots=True)
class Tally:
    """What stands in one tally, and what this transaction adds to it."""

    acts: int = 0  # Of a day's tally.
    points: int = 0
    counted: list[int] = field(default_factory=list)  # The acts that count, by points.
    added_acts: int = 0
    added_mg: int = 0
    added_points: int = 0
    touched: bool = False

    def left(self, cap: CapOfDay, points: int) -> int:
        """How many of an act's points the cap lets through."""
        if cap.points is not None:
            return min(points, max(cap.points - self.points, 0))
        if cap.acts is None or len(self.counted) < cap.acts:
            return points
        return max(points - self.counted[-cap.acts], 0)


@dataclass(slots=True)
class Granted:
    """An act's points after its caps; ``by`` is the cap that left the least, None without one."""

    points: int
    trimmed: int
    by: CapOfDay | None
    left_before: list[tuple[CapOfDay, int]]  # By cap: the points that it let through.


class Tallies:
    """Tallies of some residents, changed here first and written at the end."""

    def __init__(self, found: dict[TallyKey, Tally]) -> None:
        self._found = found

    @classmethod
    def read(cls, session: Session, keys: Iterable[TallyKey]) -> "Tallies":
        """Two statements at most, however many; their holders are locked by the caller."""
        wanted = sorted(set(keys))
        found = {key: Tally() for key in wanted}
        days = [key for key in wanted if key[2] == "day"]
        periods = [key for key in wanted if key[2] != "day"]
        statements: list[Statement] = []
        for keys_of, statement in ((days, _READ_DAYS), (periods, _READ_PERIODS)):
            if keys_of:
                statements.append((statement, _columns(keys_of)))
        for cursor in together(session, *statements) if statements else []:
            for holder, behaviour, per, starts_on, acts, points, counted in cursor:
                tally = found[holder, behaviour, per, starts_on]
                tally.acts, tally.points, tally.counted = acts, points, counted
        return cls(found)

    def acts(self, holder: str, day: date) -> int:
        """How many acts of a day were granted, of all behaviours; where a cap counts them."""
        return self._found[holder, ALL, "day", day].acts

    def grant(
        self,
        holder: str,
        behaviour_code: str,
        day: date,
        caps: Sequence[CapOfDay],
        *,
        saved_mg_co2e: int,
        points: int,
    ) -> Granted:
        """Count an act; answers what of its points the caps leave."""
        lets_through = []
        left, by, counting = points, None, {}
        for cap in caps:
            key = holder, cap.behaviour_code, cap.per, cap.starts_on
            tally = self._found[key]
            through = tally.left(cap, points)
            lets_through.append((cap, through))
            if through < left:
                left, by = through, cap
            if cap.acts is not None:
                counting[key] = tally
        for tally in counting.values():
            insort(tally.counted, points)
        self._add(holder, behaviour_code, day, caps, 1, saved_mg_co2e, left)
        return Granted(left, points - left, by, lets_through)

    def release(
        self,
        holder: str,
        behaviour_code: str,
        day: date,
        caps: Sequence[CapOfDay],
        *,
        saved_mg_co2e: int,
        points: int,
        before_caps: int,
    ) -> None:
        """Take an act back that was granted ``points`` of its ``before_caps``."""
        counting = {
            (holder, cap.behaviour_code, cap.per, cap.starts_on)
            for cap in caps
            if cap.acts is not None
        }
        for key in counting:
            if before_caps in (counted := self._found[key].counted):
                counted.remove(before_caps)
        self._add(holder, behaviour_code, day, caps, -1, -saved_mg_co2e, -points)

    def forget(self, holders: set[str]) -> None:
        """As if nothing had been read or counted for these residents."""
        for key in [key for key in self._found if key[0] in holders]:
            del self._found[key]

    def write(self, session: Session) -> None:
        """Write what changed; two statements at most."""
        changed = {k: t for k, t in sorted(self._found.items()) if t.touched}
        days = {key: tally for key, tally in changed.items() if key[2] == "day"}
        periods = {key: tally for key, tally in changed.items() if key[2] != "day"}
        statements: list[Statement] = []
        for rows, statement in ((days, _WRITE_DAYS), (periods, _WRITE_PERIODS)):
            if rows:
                counted = (
                    f'"{{{",".join(map(str, t.counted[-_KEPT:]))}}}"' if t.counted else '"{}"'
                    for t in rows.values()
                )
                parameters = {
                    **_columns(rows),
                    "acts": array_of(t.added_acts for t in rows.values()),
                    "mg": array_of(t.added_mg for t in rows.values()),
                    "points": array_of(t.added_points for t in rows.values()),
                    "counted": array_of(counted),
                }
                statements.append((statement, parameters))
        if statements:
            together(session, *statements)

    def _add(
        self,
        holder: str,
        behaviour_code: str,
        day: date,
        caps: Sequence[CapOfDay],
        acts: int,
        mg: int,
        points: int,
    ) -> None:
        for key in keys_of(holder, behaviour_code, day, caps):
            tally = self._found[key]
            tally.acts += acts
            tally.points += points
            tally.added_acts += acts
            tally.added_mg += mg
            tally.added_points += points
            tally.touched = True


def keys_of(holder: str, behaviour_code: str, day: date, caps: Iterable[CapOfDay]) -> set[TallyKey]:
    """The tallies in which an act counts: its behaviour's day always, and those of its caps."""
    found = {(holder, cap.behaviour_code, cap.per, cap.starts_on) for cap in caps}
    found.add((holder, behaviour_code, "day", day))
    return found


def _columns(keys: Iterable[TallyKey]) -> dict[str, object]:
    holders, behaviours, periods, days = zip(*keys, strict=True)
    return {
        "holders": array_of(holders),
        "behaviours": array_of(behaviours),
        "periods": array_of(periods),
        "days": array_of(days),
    }


_KEPT = 100  # As many acts as a cap may count.
_DAYS: LiteralString = """
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(days)s AS date[])) AS k (holder_id, behaviour_code, day)
"""
_READ_DAYS: LiteralString = f"""
    SELECT replace(t.holder_id::text, '-', ''), t.behaviour_code, 'day', t.day,
        t.activities, t.points, t.counted_points
    {_DAYS} JOIN tally AS t USING (holder_id, behaviour_code, day)
"""
_READ_PERIODS: LiteralString = """
    SELECT replace(t.holder_id::text, '-', ''), t.behaviour_code, t.period, t.starts_on,
        0, t.points, t.counted_points
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(periods)s AS text[]), CAST(%(days)s AS date[]))
        AS k (holder_id, behaviour_code, period, starts_on)
    JOIN period_tally AS t USING (holder_id, behaviour_code, period, starts_on)
"""
_WRITE_DAYS: LiteralString = """
    INSERT INTO tally AS t (holder_id, behaviour_code, day, activities, saved_mg_co2e, points,
        counted_points)
    SELECT h, b, d, n, mg, p, CAST(c AS bigint[])
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(days)s AS date[]), CAST(%(acts)s AS bigint[]), CAST(%(mg)s AS bigint[]),
        CAST(%(points)s AS bigint[]), CAST(%(counted)s AS text[])) AS a (h, b, d, n, mg, p, c)
    ON CONFLICT (holder_id, behaviour_code, day) DO UPDATE
    SET activities = t.activities + excluded.activities,
        saved_mg_co2e = t.saved_mg_co2e + excluded.saved_mg_co2e,
        points = t.points + excluded.points, counted_points = excluded.counted_points
"""
_WRITE_PERIODS: LiteralString = """
    INSERT INTO period_tally AS t (holder_id, behaviour_code, period, starts_on, points,
        counted_points)
    SELECT h, b, per, d, p, CAST(c AS bigint[])
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(behaviours)s AS text[]),
        CAST(%(periods)s AS text[]), CAST(%(days)s AS date[]), CAST(%(acts)s AS bigint[]),
        CAST(%(mg)s AS bigint[]), CAST(%(points)s AS bigint[]), CAST(%(counted)s AS text[]))
        AS a (h, b, per, d, n, mg, p, c)
    ON CONFLICT (holder_id, behaviour_code, period, starts_on) DO UPDATE
    SET points = t.points + excluded.points, counted_points = excluded.counted_points
"""
