"""The decision over one event before anybody else's claims and caps: pure, no database."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from activities.events import Event, act_fingerprint
from activities.methods import saved_mg
from activities.policies import DayPolicy, ScenePolicy
from activities.rules import CLOCK_TOLERANCE


@dataclass(slots=True)
class Item:
    """An event on its way through intake. ``code`` turns from "verified" at the first refusal."""

    event: Event
    holder: str  # The holder's id in hexadecimal: it is written many times.
    activity_id: UUID
    policy: ScenePolicy | None = None
    day: date | None = None
    today: DayPolicy | None = None
    division_code: str | None = None
    code: str = "verified"
    fingerprint: str | None = None
    duplicate_of: UUID | None = None
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0

    @property
    def verified(self) -> bool:
        return self.code in GRANTING

    def refuse(self, code: str) -> None:
        self.code = code
        self.saved_mg_co2e = self.points = self.trimmed_points = 0


GRANTING = frozenset({"verified", "daily_cap"})


def decide(item: Item, home: tuple[str, str] | None, received_at: datetime) -> None:
    """Fill in the item's day, code, fingerprint and saved CO2e.

    ``home`` is the resident's (programme, town), None when unknown. Order of effect as
    ``activities.rules`` says.
    """
    event, policy = item.event, item.policy
    if policy is None:
        return item.refuse("unknown_scene")
    item.day = event.started_at.astimezone(policy.zone).date()
    item.today = policy.on(item.day)
    if home is None or home[0] != policy.programme_code:
        return item.refuse("unknown_resident")
    item.division_code = home[1]
    if refusal := _refusal(event, item.today, received_at):
        return item.refuse(refusal)
    assert item.today.method is not None
    when = item.day if policy.claimed_by == "day" else event.started_at.timestamp()
    item.fingerprint = act_fingerprint(policy.behaviour_code, item.holder, when)
    item.saved_mg_co2e = saved_mg(event.quantity, item.today.method.ug_co2e_per_unit)
    return None


def _refusal(event: Event, today: DayPolicy, received_at: datetime) -> str | None:
    """The first rule that refuses, by its code."""
    if event.ended_at < event.started_at:
        return "bad_times"
    # The running day's own total ends at its midnight: it is the start that must have happened.
    if event.started_at > received_at + CLOCK_TOLERANCE:
        return "in_future"
    if not today.approved:
        return "scene_not_approved"
    if today.method is None or today.tariff is None:
        return "no_method"
    if any(not (r.min <= event.quantity <= r.max) for r in today.quantity_ranges):
        return "quantity_out_of_range"
    if any(not (r.min_s <= event.duration_s <= r.max_s) for r in today.duration_ranges):
        return "duration_out_of_range"
    return None
