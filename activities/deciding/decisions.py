"""Decisions: an event against the rules, in the order of effect that ``activities.rules`` fixes.

Pure but for the state that is handed in: what the resident did before (``Around``), changed here as
acts are decided in the order in which they came. So however a stream is cut into batches, each
event is decided as it would be alone.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from activities.baselines import History, saved_quantity, whole_month
from activities.deciding.claims import Claims, Owner
from activities.deciding.devices import Devices
from activities.deciding.occupancy import LONGEST, Occupancy, Span
from activities.deciding.residents import Resident
from activities.deciding.tallies import Tallies
from activities.events import Event, act_fingerprint
from activities.methods import points_for, saved_mg
from activities.policies import DayPolicy, ScenePolicy
from activities.rules import CLOCK_TOLERANCE, Act, Sample, SharedDevice, Velocity

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
CAPPED = {"day": "daily_cap", "week": "weekly_cap", "month": "monthly_cap", "year": "yearly_cap"}
GRANTING = frozenset({"verified", *CAPPED.values()})
HOLDING = frozenset({"velocity", "shared_device", "sampled"})


@dataclass(slots=True)
class Item:
    """An event on its way through intake. ``code`` turns from "verified" at the first refusal.

    ``facts`` are what the decision knew besides the event, for the explanation; ``supersedes`` the
    acts of lighter channels that give way to this one.
    """

    event: Event
    key: str
    holder: str  # Ids in hexadecimal, instants and details written out: they are needed often.
    activity: str
    started: str
    ended: str
    details: str | None
    activity_id: UUID
    policy: ScenePolicy | None = None
    consented: bool = True
    day: date | None = None
    today: DayPolicy | None = None
    division_code: str | None = None
    code: str = "verified"
    fingerprint: str | None = None
    duplicate_of: UUID | None = None
    quantity: int = 0  # What is quantified: the event's, or what a baseline exceeds it by.
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    supersedes: set[UUID] = field(default_factory=set)
    month: date | None = None

    @property
    def verified(self) -> bool:
        return self.code in GRANTING

    @property
    def held(self) -> bool:
        return self.code in HOLDING

    @property
    def decision(self) -> str:
        return "verified" if self.verified else "held" if self.held else "rejected"

    def refuse(self, code: str) -> None:
        self.code = code

    def again(self) -> None:
        """Forget what was decided among others."""
        self.code, self.duplicate_of = "verified", None
        self.quantity = self.event.quantity
        self.saved_mg_co2e = self.points = self.trimmed_points = 0
        self.supersedes.clear()
        self.facts = {k: v for k, v in self.facts.items() if k in ("entered_by", "acted_by")}


@dataclass(slots=True)
class Around:
    """What a batch's residents did before and do in it, under their locks."""

    occupancy: Occupancy
    claims: Claims
    ranks: dict[UUID, int]  # Of the channels behind claims: the lower, the weightier.
    devices: Devices
    tallies: Tallies
    history: History

    def forget(self, holders: set[str]) -> None:
        """As if nothing had been read or decided about these residents."""
        self.occupancy.forget(holders)
        self.tallies.forget(holders)
        self.claims.forget(holders)


# --- One event alone: no state -------------------------------------------------------------------


def decide_alone(item: Item, home: Resident | None, received_at: datetime) -> None:
    """The first four steps; fills in day, town, policy of the day and fingerprint."""
    event, policy = item.event, item.policy
    if policy is None:
        return item.refuse("unknown_scene")
    if event.started_at < FIRST or event.ended_at > LAST:
        return item.refuse("bad_times")
    item.day = event.started_at.astimezone(policy.zone).date()
    item.today = policy.on(item.day)
    if home is None or home.programme_code != policy.programme_code:
        return item.refuse("unknown_resident")
    item.division_code = home.division_code
    if refusal := _refusal_alone(item, policy, item.today, received_at):
        return item.refuse(refusal)
    item.fingerprint = fingerprint_of(item, policy)
    item.quantity = event.quantity
    return None


def _refusal_alone(
    item: Item,
    policy: ScenePolicy,
    today: DayPolicy,
    received_at: datetime,
) -> str | None:
    event = item.event
    if event.ended_at < event.started_at:
        return "bad_times"
    # The running day's own total ends at its midnight: of that it is the start that must be past.
    past = event.started_at if policy.claimed_by == "day" else event.ended_at
    if past > received_at + CLOCK_TOLERANCE:
        return "in_future"
    if not policy.timeline.open_at(event.started_at):
        return "scene_not_approved"
    if not item.consented:
        return "no_consent"
    method = today.method
    if method is None or today.mg_co2e_per_point is None:
        return "no_method"
    if method.net_of(event.details.material) is None:
        return "unknown_material"
    if method.form == "own_baseline":
        item.month = whole_month(event.started_at, event.ended_at, policy.zone)
        if item.month is None:
            return "bad_times"
    if today.no_overlap and event.ended_at - event.started_at > LONGEST:
        return "duration_out_of_range"
    if today.alone:
        act = Act(event, policy.base_unit, received_at)
        for rule in today.alone:
            if rule.fits(act) is False:
                return rule.code
    return None


def fingerprint_of(item: Item, policy: ScenePolicy) -> str:
    """What makes two reports the same act. A meter's month, or an object, is the same whoever
    reports it; a start or a day is one resident's.
    """
    event, who = item.event, item.holder
    if policy.claimed_by == "start":
        return act_fingerprint(policy.behaviour_code, who, event.started_at.timestamp())
    if policy.claimed_by == "day":
        return act_fingerprint(policy.behaviour_code, who, item.day)
    object_id = event.details.object_id
    whose = f"{policy.programme_code} {object_id}" if object_id else who
    when = item.month or item.day if policy.claimed_by == "month" or not object_id else "once"
    return act_fingerprint(policy.behaviour_code, whose, when)


# --- Among others --------------------------------------------------------------------------------


def decide_among(item: Item, around: Around) -> None:
    """Steps five to eight, for an item that nothing refused alone. State is changed only by an
    item that is verified or held: a refused one leaves no trace in it, but for the time of one that
    came too soon after another.
    """
    policy, today = item.policy, item.today
    assert policy is not None
    assert today is not None
    refusal = (
        _claimed(item, policy, around)
        or _in_time(item, policy, today, around)
        or _measured(item, policy, today, around)
    )
    if refusal:
        if refusal == "too_soon":  # It took place: of a trip in pieces the third is no new one.
            _take_time(item, policy, around)
        return item.refuse(refusal)
    item.code = _signal(item, today, around) or "verified"
    assert item.fingerprint is not None
    around.claims.give(item.fingerprint, Owner(item.holder, item.activity_id))
    around.ranks[item.activity_id] = policy.rank
    for activity_id in item.supersedes:
        around.occupancy.free(item.holder, activity_id)
    if today.no_overlap:
        _take_time(item, policy, around)
    return None


def _take_time(item: Item, policy: ScenePolicy, around: Around) -> None:
    event = item.event
    around.occupancy.take(
        item.holder,
        Span(
            event.started_at,
            event.ended_at,
            item.activity_id,
            policy.behaviour_code,
            policy.rank,
            event.details.place,
        ),
    )


def _claimed(item: Item, policy: ScenePolicy, around: Around) -> str | None:
    """Whether somebody has this very act. The same resident's lighter report gives way."""
    assert item.fingerprint is not None
    owner = around.claims.owner(item.fingerprint)
    if owner is None:
        return None
    rank = around.ranks.get(owner.activity_id, policy.rank)
    if owner.holder == item.holder and policy.rank < rank:
        item.supersedes.add(owner.activity_id)
        return None
    item.duplicate_of = owner.activity_id
    return "already_claimed"


def _in_time(item: Item, policy: ScenePolicy, today: DayPolicy, around: Around) -> str | None:
    """Overlap, interval and place, against the resident's other acts."""
    if not today.no_overlap:
        return None
    start, end = item.event.started_at, item.event.ended_at
    met = around.occupancy.overlapping(item.holder, start, end)
    weighty = [span for span in met if span.rank <= policy.rank]
    if weighty:
        same = [span for span in weighty if span.behaviour_code == policy.behaviour_code]
        other = (same or weighty)[0]
        item.duplicate_of = other.activity_id
        item.facts["overlaps"] = _seen(other)
        return "already_claimed" if same else "overlaps"
    item.supersedes |= {span.activity_id for span in met}
    if today.min_interval_s:
        for span in around.occupancy.near(item.holder, start, end, today.min_interval_s):
            if span.behaviour_code == policy.behaviour_code and span not in met:
                item.facts["near"] = _seen(span)
                return "too_soon"
    place = item.event.details.place
    for rule in today.place_jumps if place else ():
        assert place is not None
        for span in around.occupancy.near(item.holder, start, end, rule.seconds):
            if span.place and span not in met and span.place[: rule.digits] != place[: rule.digits]:
                item.facts["elsewhere"] = _seen(span)
                return "place_jump"
    return None


def _seen(span: Span) -> dict[str, Any]:
    return {
        "activity_id": span.activity_id,
        "behaviour": span.behaviour_code,
        "started_at": span.started_at,
        "ended_at": span.ended_at,
        "place": span.place,
    }


def _measured(item: Item, policy: ScenePolicy, today: DayPolicy, around: Around) -> str | None:
    """Quantified; a household's month by its own baseline."""
    method = today.method
    assert method is not None
    if method.form == "own_baseline":
        assert item.month is not None
        outcome = saved_quantity(
            around.history,
            programme_code=policy.programme_code,
            behaviour_code=policy.behaviour_code,
            holder=item.holder,
            month=item.month,
            reading=item.event.quantity,
            base_unit=policy.base_unit,
            activity_id=item.activity_id,
            supersedes=item.supersedes,
        )
        item.facts["baseline"] = outcome.facts
        if outcome.duplicate_of is not None:  # Another meter's, or told without one.
            item.duplicate_of = outcome.duplicate_of
            return outcome.code
        # Whatever it came to, the month is told: a second, lower reading of it shall earn nothing.
        assert item.fingerprint is not None
        around.claims.give(item.fingerprint, Owner(item.holder, item.activity_id))
        around.ranks[item.activity_id] = policy.rank
        if outcome.code:
            return outcome.code
        item.quantity = outcome.quantity
    net = method.net_of(item.event.details.material)
    assert net is not None
    item.saved_mg_co2e = saved_mg(item.quantity, net)
    assert today.mg_co2e_per_point is not None
    item.points = points_for(item.saved_mg_co2e, today.mg_co2e_per_point)
    return None


def _signal(item: Item, today: DayPolicy, around: Around) -> str | None:
    """The first signal that holds the act for review."""
    for rule in today.signals:
        if isinstance(rule, Velocity):
            assert item.day is not None
            acts = around.tallies.acts(item.holder, item.day)
            item.facts["acts_today"] = acts
            if acts >= rule.acts_a_day:
                return "velocity"
        elif isinstance(rule, SharedDevice):
            if (device := item.event.details.device) is not None:
                assert item.day is not None
                holders = around.devices.add(device.hex, item.holder, item.day)
                item.facts["holders_of_device"] = holders
                if holders > rule.holders:
                    return "shared_device"
        elif isinstance(rule, Sample) and sample_of(item.activity_id) < rule.permille:
            return "sampled"
    return None


def sample_of(activity_id: UUID) -> int:
    """From 0 to 999 by the activity's id: below ``permille`` it is drawn. The id is made here when
    the event comes in, so that no sender can choose it, and stays, so that anybody can check.
    """
    return (activity_id.int & 0xFFFFFFFF) % 1000
