"""Overturning: whether a refused act can count after all, for how much, and that it takes its place
as if it had been verified at once: the act, its time and, of a meter, its month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from activities.baselines import (
    History,
    Month,
    ReadingRow,
    keep_readings,
    read_history,
    saved_quantity,
    whole_month,
)
from activities.changes.corrections import event_of, fingerprint
from activities.changes.late_grants import due
from activities.changes.regranting import Due, Standing
from activities.deciding.claims import Claims, Owner
from activities.deciding.occupancy import LONGEST, Occupancy, Span
from activities.deciding.residents import Resident
from activities.models import Activity
from activities.policies import DayPolicy, ScenePolicy, keep_policies, load_policies
from activities.reviewing.errors import ActTaken, NotOverturnable
from activities.rules import CLOCK_TOLERANCE

Scenes = Mapping[str, ScenePolicy]


def quantify(
    session: Session, standings: Sequence[Standing], homes: Mapping[str, Resident], *, now: datetime
) -> list[Due]:
    """What refused acts would count for, by the method of their day, before caps.

    Args:
        standings: acts that count for nothing, their residents locked.
        homes: the residents that take part, by holder in hexadecimal.

    Raises NotOverturnable: an act cannot be quantified; its scene, method or material is not known,
    its times are impossible, or its household's month saved nothing. A fixed number of statements.
    """
    if not standings:
        return []
    scenes = load_policies(session, {one.activity.scene_code for one in standings})
    acts = [_Act.of(one, scenes, homes, now) for one in standings]
    history = read_history(session, (one.meter for one in acts if one.meter))
    return [
        due(one.standing, one.today, one.today.id, quantity=_quantity(one, history)) for one in acts
    ]


def take(session: Session, overturned: Sequence[Due]) -> None:
    """They take their place: the act, its time and, of a meter, its month.

    Raises ActTaken: another activity has the act, or its time. A fixed number of statements; locks
    the acts' claims.
    """
    if not overturned:
        return
    scenes = load_policies(session, {one.standing.activity.scene_code for one in overturned})
    acts = [_Act.known(one.standing, scenes) for one in overturned]
    keep_policies(session, (one.today for one in acts))
    claims = Claims.take(session, ((one.fingerprint, one.owner) for one in acts))
    timed = [one.activity for one in acts if one.today.no_overlap]
    windows = ((one.holder_id.hex, one.started_at, one.ended_at) for one in timed)
    occupancy = Occupancy.read(session, windows)
    for one in acts:
        owner = claims.owner(one.fingerprint)
        if owner is not None and owner.activity_id != one.activity.id:
            raise ActTaken(one.activity.id, owner.activity_id)
        claims.give(one.fingerprint, one.owner)
        if one.today.no_overlap:
            _take_time(occupancy, one)
    claims.write(session)
    occupancy.write(session)
    readings = (
        ReadingRow(*one.meter, one.standing.state.quantity, one.activity.id.hex)
        for one in acts
        if one.meter
    )
    keep_readings(session, readings)


@dataclass(frozen=True, slots=True)
class _Act:
    """An act that could count: its scene, the policy of its day and, of a meter, whose month."""

    standing: Standing
    scene: ScenePolicy
    today: DayPolicy
    meter: Month | None

    @classmethod
    def of(
        cls, standing: Standing, scenes: Scenes, homes: Mapping[str, Resident], now: datetime
    ) -> "_Act":
        """Raises NotOverturnable for one that could not have happened."""
        activity = standing.activity
        scene = scenes.get(activity.scene_code)
        if scene is None or activity.day is None or activity.behaviour_code is None:
            raise NotOverturnable(activity.id, "unknown_scene")
        home = homes.get(activity.holder_id.hex)
        if home is None or home.programme_code != scene.programme_code:
            raise NotOverturnable(activity.id, "unknown_resident")
        if activity.division_code is None:  # It would count in no district.
            raise NotOverturnable(activity.id, "unknown_resident")
        if activity.ended_at < activity.started_at:
            raise NotOverturnable(activity.id, "bad_times")
        if activity.started_at > now + CLOCK_TOLERANCE:
            raise NotOverturnable(activity.id, "in_future")
        found = cls.known(standing, scenes)
        if found.today.no_overlap and activity.ended_at - activity.started_at > LONGEST:
            raise NotOverturnable(activity.id, "duration_out_of_range")
        return found

    @classmethod
    def known(cls, standing: Standing, scenes: Scenes) -> "_Act":
        activity = standing.activity
        scene = scenes[activity.scene_code]
        assert activity.day is not None
        today = scene.on(activity.day)
        meter = None
        if today.method is not None and today.method.form == "own_baseline":
            month = whole_month(activity.started_at, activity.ended_at, scene.zone)
            if month is None:
                raise NotOverturnable(activity.id, "bad_times")
            meter = activity.holder_id.hex, scene.behaviour_code, month
        return cls(standing, scene, today, meter)

    @property
    def activity(self) -> Activity:
        return self.standing.activity

    @property
    def owner(self) -> Owner:
        return Owner(self.activity.holder_id.hex, self.activity.id)

    @property
    def fingerprint(self) -> str:
        return fingerprint(replace(self.standing, policy=self.today), self.scene)


def _quantity(act: _Act, history: History) -> int:
    """What is quantified. A home's month by the baseline that was told with its refusal, or by what
    is known of the household now.
    """
    standing = act.standing
    if act.meter is None:
        return standing.state.quantity
    holder, behaviour, month = act.meter
    told = msgspec.json.decode(act.activity.facts or "{}").get("baseline", {})
    if "baseline" in told:
        saved = max(int(told["baseline"]) - standing.state.quantity, 0)
        code = None if saved else "no_saving"
    else:
        outcome = saved_quantity(
            history,
            programme_code=act.scene.programme_code,
            behaviour_code=behaviour,
            holder=holder,
            month=month,
            reading=standing.state.quantity,
        )
        saved, code = outcome.quantity, outcome.code
    if code is not None:
        raise NotOverturnable(act.activity.id, code)
    return saved


def _take_time(occupancy: Occupancy, act: _Act) -> None:
    activity, holder = act.activity, act.activity.holder_id.hex
    for met in occupancy.overlapping(holder, activity.started_at, activity.ended_at):
        raise ActTaken(activity.id, met.activity_id)
    span = Span(
        activity.started_at,
        activity.ended_at,
        activity.id,
        act.scene.behaviour_code,
        act.scene.rank,
        event_of(activity, activity.quantity).details.place,
    )
    occupancy.take(holder, span)
