"""Recomputing: a factor was found wrong, and what a period was granted by it is put right.

Acts are quantified anew under the method and tariff that are in force for their day by now; the
rules are those under which they were decided, and nobody's decision is touched. The difference is
booked beside what was granted; where points were spent by now a debt remains.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.changes.adjusting import Key
from activities.changes.corrections import Cause, adjust_all, changed, event_of, quantity_saved
from activities.changes.kept import policy_of
from activities.changes.regranting import EARLIEST, Due, Standing, as_it_is, read_standing, regrant
from activities.deciding.residents import gone, lock_residents
from activities.errors import UnknownBehaviour, UnknownProgramme
from activities.methods import points_for, saved_mg
from activities.policies import DayPolicy, ScenePolicy, keep_policies, load_policies
from ledgers.errors import SecondPersonNeeded
from ledgers.ids import uuid7_floor

ACTS_MAX = 1_000  # A batch is one transaction, some tenths of a second.
START: Key = (UUID(int=0), UUID(int=0))

_OF_PERIOD = """
    FROM activity WHERE scene_code = ANY(CAST(:scenes AS text[])) AND id >= :since
      AND day BETWEEN :first AND :last
"""
_COUNT = text(f"SELECT count(*) {_OF_PERIOD}")
_NEXT = text(f"""
    SELECT holder_id, id {_OF_PERIOD} AND (holder_id, id) > (:holder, :id)
    ORDER BY holder_id, id LIMIT :limit
""")


class Period(NamedTuple):
    """Acts of a programme from a day to a day, both included; of one behaviour, or None for all."""

    programme_code: str
    behaviour_code: str | None
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a batch came to: how many acts were looked at, how many changed, by how much (with its
    sign); how many no method fits any more, which stay as they are. ``after`` is where to go on.
    """

    activities: int
    changed: int
    saved_mg_co2e: int
    points: int
    without_method: int
    after: Key


def count_of(session: Session, period: Period) -> int:
    """How many acts there are to look at. Raises UnknownProgramme, UnknownBehaviour."""
    parameters = _parameters(period, _scenes(session, period))
    count: int = session.execute(_COUNT, parameters).scalar_one()
    return count


def recompute(
    session: Session,
    period: Period,
    cause: Cause,
    *,
    now: datetime,
    after: Key = START,
    limit: int = ACTS_MAX,
) -> Recomputed:
    """Put right the next ``limit`` acts of a period after ``after``.

    Args:
        cause: who found it, who else approved it, and why; its ``id`` is of this run.
        after: of the batch before; a period is done when fewer than ``limit`` were looked at.

    What the caps leave is found anew, in the order in which the acts were recorded. An act that
    comes out as it stands is not touched: so it is safe to kill and to repeat. What somebody did
    who has closed the account stays as it stood then.

    Raises:
        UnknownProgramme, UnknownBehaviour: the period names what does not exist.
        SecondPersonNeeded: nobody else approved it.

    Some statements, however many acts. Locks the residents, then their accounts.
    """
    if cause.approved_by is None or cause.approved_by == cause.actor:
        raise SecondPersonNeeded(cause.actor)
    scenes = _scenes(session, period)
    parameters = _parameters(period, scenes) | {"holder": after[0], "id": after[1]}
    rows = session.execute(_NEXT, parameters | {"limit": limit}).all()
    keys: list[Key] = [(row[0], row[1]) for row in rows]
    if not keys:
        return Recomputed(0, 0, 0, 0, 0, after)
    holders = [holder.hex for holder, _ in keys]
    closed = gone(session, holders, lock_residents(session, holders))
    policies = _Policies(scenes)
    due: list[Due] = []
    without_method = 0
    for standing in read_standing(session, [key for key in keys if key[0] not in closed]).values():
        if not standing.verified or standing.policy is None:
            continue
        before, one = as_it_is(standing), _due(standing, policies.of(standing))
        if one is None:
            without_method += 1
        elif (one.saved_mg_co2e, one.points) != (before.saved_mg_co2e, before.points):
            due.append(one)
    wanted = {one.standing.activity.id for one in due}
    changes = [
        changed(one, cause, "recomputed" if one.due.standing.activity.id in wanted else None)
        for one in regrant(session, [], due)
    ]
    keep_policies(session, policies.compiled.values())
    written = adjust_all(session, changes, now=now).values()
    return Recomputed(
        activities=len(keys),
        changed=len(written),
        saved_mg_co2e=sum(one.saved_mg_co2e for one in written),
        points=sum(one.points for one in written),
        without_method=without_method,
        after=keys[-1],
    )


class _Policies:
    """The policies by which acts are quantified now: their own rules, today's method and tariff."""

    def __init__(self, scenes: Mapping[str, ScenePolicy]) -> None:
        self._scenes = scenes
        self.compiled: dict[tuple[UUID, str, date], DayPolicy] = {}

    def of(self, standing: Standing) -> DayPolicy:
        activity, kept = standing.activity, standing.policy
        assert kept is not None
        assert activity.day is not None
        key = kept.id, activity.scene_code, activity.day
        if key not in self.compiled:
            scene = self._scenes[activity.scene_code]
            today = scene.on(activity.day)
            content = today.content | {"rules": kept.content["rules"]}
            self.compiled[key] = policy_of(content, scene.behaviour_code, activity.day)
        return self.compiled[key]


def _scenes(session: Session, period: Period) -> dict[str, ScenePolicy]:
    """The scenes of a period by code."""
    found = [
        scene
        for scene in load_policies(session, ()).values()
        if scene.programme_code == period.programme_code
    ]
    if not found:
        raise UnknownProgramme(period.programme_code)
    wanted = {
        scene.scene_code: scene
        for scene in found
        if period.behaviour_code in (None, scene.behaviour_code)
    }
    if not wanted:
        assert period.behaviour_code is not None
        raise UnknownBehaviour(period.behaviour_code)
    return wanted


def _parameters(period: Period, scenes: Collection[str]) -> dict[str, object]:
    midnight = datetime.combine(period.first, time(), UTC)
    return {
        "scenes": list(scenes),
        "first": period.first,
        "last": period.last,
        "since": uuid7_floor(midnight - EARLIEST),
    }


def _due(standing: Standing, policy: DayPolicy) -> Due | None:
    """What an act counts for by a policy; None where its method does not fit the act any more."""
    method, per_point, kept = policy.method, policy.mg_co2e_per_point, standing.policy
    if method is None or per_point is None:
        return None
    assert kept is not None
    assert kept.method is not None, "it was verified by it"
    if (method.form == "own_baseline") != (kept.method.form == "own_baseline"):
        return None
    quantity = standing.state.quantity
    net = method.net_of(event_of(standing.activity, quantity).details.material)
    if net is None:
        return None
    mg = saved_mg(quantity_saved(standing, quantity), net)
    return Due(
        standing,
        quantity,
        mg,
        points_for(mg, per_point),
        standing.caps_of(policy),
        method.code,
        method.version,
        policy.id,
    )
