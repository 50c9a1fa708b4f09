"""Regranting: acts leave their tallies and count anew, and so do those that a cap had trimmed.

When an act is withdrawn, changed or quantified anew, what it held of a cap may be somebody's: of
the same resident's acts in the same tallies those that were trimmed are counted anew with it, in
the order in which all were recorded. So a total under a cap is what it would have been, had the act
been told rightly at once. An act that was not trimmed keeps what it has.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from activities.changes.adjusting import Key, State, activities_of, adjustments_of, after
from activities.changes.kept import contents_of, policy_of
from activities.deciding.tallies import Granted, Tallies, TallyKey, keys_of
from activities.models import Activity, Adjustment
from activities.policies import ALL, CapOfDay, DayPolicy, load_policies
from ledgers.bulk import array_of, together
from ledgers.ids import uuid7_floor

# An act is recorded after it began: but days are those of any zone, and senders' clocks differ.
EARLIEST = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Standing:
    """An activity as it stands and the policy that decided it: None for an unknown scene."""

    activity: Activity
    adjustments: Sequence[Adjustment]
    state: State
    policy: DayPolicy | None
    policy_id: UUID | None  # None where it was decided before policies were kept.

    @property
    def verified(self) -> bool:
        return self.state.decision == "verified"

    @property
    def caps(self) -> list[CapOfDay] | None:
        """The caps in whose tallies it counts; None when it is in none at all."""
        return self.caps_of(self.policy) if self.policy else None

    def caps_of(self, policy: DayPolicy) -> list[CapOfDay] | None:
        """The same by another policy. Before policies were kept there was a tally only where a
        behaviour had a cap on the points of a day.
        """
        if self.policy_id is not None:
            return policy.caps
        daily = [
            cap
            for cap in policy.caps
            if cap.per == "day" and cap.behaviour_code != ALL and cap.points is not None
        ]
        return daily or None


class Due(NamedTuple):
    """What an act shall count for: mg of CO2e, points before caps, the caps; and from what."""

    standing: Standing
    quantity: int
    saved_mg_co2e: int
    points: int
    caps: list[CapOfDay] | None
    method_code: str | None
    method_version: int | None
    policy_id: UUID | None


class Counted(NamedTuple):
    """What came of it; ``by`` is the cap that left the least, None where nothing was trimmed."""

    due: Due
    points: int
    trimmed_points: int
    by: CapOfDay | None


def read_standing(session: Session, keys: Collection[Key]) -> dict[UUID, Standing]:
    """Activities with all that became of them and what decided them, by id.

    Given as (holder, activity), their holders locked; unknown ones are not in it. Some statements,
    however many.
    """
    if not keys:
        return {}
    activities = activities_of(session, keys)
    adjustments = adjustments_of(session, keys)
    states = {id_: after(one, adjustments.get(id_, ())) for id_, one in activities.items()}
    policy_ids = {id_: states[id_].policy_id or one.policy_id for id_, one in activities.items()}
    contents = contents_of(session, (id_ for id_ in policy_ids.values() if id_))
    scenes = load_policies(session, {one.scene_code for one in activities.values()})
    compiled: dict[tuple[UUID, str, date], DayPolicy] = {}
    found = {}
    for id_, activity in activities.items():
        behaviour, day, policy_id = activity.behaviour_code, activity.day, policy_ids[id_]
        policy = None
        if behaviour is not None and day is not None and policy_id is not None:
            which = policy_id, behaviour, day
            if which not in compiled:
                compiled[which] = policy_of(contents[policy_id], behaviour, day)
            policy = compiled[which]
        elif day is not None and (scene := scenes.get(activity.scene_code)) is not None:
            policy = scene.on(day)
        before = adjustments.get(id_, ())
        found[id_] = Standing(activity, before, states[id_], policy, policy_id)
    return found


def regrant(session: Session, gone: Iterable[Standing], due: Collection[Due]) -> list[Counted]:
    """Take verified acts out of their tallies and count those that are ``due``.

    Args:
        gone: acts that count no more.
        due: acts that shall count for something else than they do, or for the first time.

    Returns:
        What the due ones come to, and after them those that were trimmed and come to something
        else now. Writes tallies and nothing else; the residents are locked by the caller.
    """
    leaving = {
        one.activity.id: one
        for one in [*gone, *(one.standing for one in due if one.standing.verified)]
    }
    wanted = {one.standing.activity.id for one in due}
    trimmed = _trimmed(session, leaving.values())
    again = [as_it_is(trimmed[id_]) for id_ in trimmed.keys() - leaving.keys() - wanted]
    counting = sorted([*due, *again], key=lambda one: one.standing.activity.id)
    keys = {key for one in leaving.values() for key in _keys(one.activity, one.caps)}
    keys |= {key for one in counting for key in _keys(one.standing.activity, one.caps)}
    tallies = Tallies.read(session, keys)
    for standing in [*leaving.values(), *(one.standing for one in again)]:
        _release(standing, tallies)
    counted = [_count(one, tallies) for one in counting]
    tallies.write(session)
    asked = [one for one in counted if one.due.standing.activity.id in wanted]
    others = [one for one in counted if one.due.standing.activity.id not in wanted]
    return asked + [one for one in others if _differs(one)]


def as_it_is(standing: Standing) -> Due:
    """What a verified act counts for by now, to be counted anew."""
    state = standing.state
    before_caps = state.points + state.trimmed_points
    return Due(
        standing,
        state.quantity,
        state.saved_mg_co2e,
        before_caps,
        standing.caps,
        state.method_code,
        state.method_version,
        state.policy_id,
    )


def _differs(counted: Counted) -> bool:
    return counted.points != counted.due.standing.state.points


def _keys(activity: Activity, caps: list[CapOfDay] | None) -> set[TallyKey]:
    if caps is None:
        return set()
    assert activity.behaviour_code is not None
    assert activity.day is not None
    return keys_of(activity.holder_id.hex, activity.behaviour_code, activity.day, caps)


def _release(standing: Standing, tallies: Tallies) -> None:
    activity, state = standing.activity, standing.state
    if standing.caps is None:
        return
    assert activity.behaviour_code is not None
    assert activity.day is not None
    tallies.release(
        activity.holder_id.hex,
        activity.behaviour_code,
        activity.day,
        standing.caps,
        saved_mg_co2e=state.saved_mg_co2e,
        points=state.points,
        before_caps=state.points + state.trimmed_points,
    )


def _count(due: Due, tallies: Tallies) -> Counted:
    activity = due.standing.activity
    if due.caps is None:
        return Counted(due, due.points, 0, None)
    assert activity.behaviour_code is not None
    assert activity.day is not None
    granted: Granted = tallies.grant(
        activity.holder_id.hex,
        activity.behaviour_code,
        activity.day,
        due.caps,
        saved_mg_co2e=due.saved_mg_co2e,
        points=due.points,
    )
    return Counted(due, granted.points, granted.trimmed, granted.by)


def _trimmed(session: Session, leaving: Iterable[Standing]) -> dict[UUID, Standing]:
    """The verified acts that a cap trimmed, in the tallies which these leave."""
    tallies = {key for one in leaving for key in _capped(one)}
    if not tallies:
        return {}
    windows: dict[str, tuple[date, date]] = {}
    for holder, _, per, starts_on in tallies:
        first, last = windows.get(holder, (starts_on, starts_on))
        windows[holder] = min(first, starts_on), max(last, _last_day(per, starts_on))
    ordered = sorted(windows.items())
    earliest = min(first for first, _ in windows.values())
    parameters = {
        "holders": array_of(holder for holder, _ in ordered),
        "firsts": array_of(first for _, (first, _) in ordered),
        "lasts": array_of(last for _, (_, last) in ordered),
        "since": uuid7_floor(datetime.fromisoformat(f"{earliest}T00:00:00+00:00") - EARLIEST),
    }
    (rows,) = together(session, (_TRIMMED, parameters))
    found = read_standing(session, rows.fetchall())
    return {
        id_: one
        for id_, one in found.items()
        if one.verified and one.state.trimmed_points and not tallies.isdisjoint(_capped(one))
    }


def _capped(standing: Standing) -> set[TallyKey]:
    """The tallies that limit the act's points."""
    caps = [cap for cap in standing.caps or () if cap.points is not None or cap.acts is not None]
    holder = standing.activity.holder_id.hex
    return {(holder, cap.behaviour_code, cap.per, cap.starts_on) for cap in caps}


def _last_day(per: str, first: date) -> date:
    """The last day of a day, ISO week, month or year that begins on a day."""
    if per == "week":
        return first + timedelta(days=6)
    if per == "month":
        return date(first.year + first.month // 12, first.month % 12 + 1, 1) - timedelta(days=1)
    if per == "year":
        return date(first.year, 12, 31)
    return first


# Trimmed at first, or when something became of them.
_TRIMMED: LiteralString = """
    WITH k AS (
        SELECT * FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(firsts)s AS date[]),
            CAST(%(lasts)s AS date[])) AS k (holder_id, first, last))
    SELECT a.holder_id, a.id FROM k JOIN activity AS a ON a.holder_id = k.holder_id
        AND a.id >= %(since)s AND a.day BETWEEN k.first AND k.last
    WHERE a.trimmed_points > 0
    UNION
    SELECT d.holder_id, d.activity_id FROM k JOIN adjustment AS d ON d.holder_id = k.holder_id
        AND d.day BETWEEN k.first AND k.last
    WHERE d.trimmed_points > 0
"""
