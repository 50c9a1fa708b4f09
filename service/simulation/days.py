"""One honest day of one resident: where they ride, walk, sort and order.

Possible extremes are part of it: a fast cyclist, a runner, a family's moving boxes, a bus change
within a minute. Without them a rule's precision would mean nothing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import msgspec

from activities.events import Details, Event
from service.simulation.city import (
    BIKE,
    BUS,
    CLEAN_PLATE,
    EBIKE,
    KITCHEN_WASTE,
    METRO,
    ORDERS,
    OWN_BAG,
    OWN_CUP,
    RECYCLABLES,
    WALK,
    City,
    SceneFacts,
)
from service.simulation.labels import SHARED_DEVICE
from service.simulation.people import Resident

CARRIED_MAX_G = 150_000  # What a person can bring, with a hand cart.


class Day(NamedTuple):
    """A day of the city: its midnights, whether people work, whether it rains."""

    date: date
    starts_at: datetime
    ends_at: datetime
    works: bool
    rains: bool


class Vehicle(NamedTuple):
    """Moving speed in km/h, with its spread and bounds; the seconds spent waiting before."""

    mean: float
    spread: float
    least: float
    most: float
    wait_s: tuple[int, int]


VEHICLES = {
    METRO: Vehicle(36, 4, 26, 52, (150, 420)),
    BUS: Vehicle(19, 4, 8, 40, (0, 240)),
    BIKE: Vehicle(13, 2.3, 5.5, 24, (10, 60)),
    EBIKE: Vehicle(18, 2.6, 8, 25, (10, 50)),
}
_FAST = {METRO: (52, 75), BUS: (40, 55), BIKE: (24, 28), EBIKE: (25, 31)}  # One ride in 150.
_IN_RAIN = {METRO: 1.05, BUS: 1.0, BIKE: 0.3, EBIKE: 0.4}  # How many of the rides are made.
# Grams by material: the usual delivery. Others are taken as mixed.
_USUAL_G = {"clothes": 2_500, "glass": 2_000, "aluminium": 300, "board": 2_500, "paper": 3_000}


@dataclass(slots=True)
class Diary:
    """What a resident did on a day, as senders saw it, in the order in which it was done."""

    rng: Random
    city: City
    who: Resident
    day: Day
    events: list[Event] = field(default_factory=list)

    def at(self, hour: float, spread_min: float = 0) -> datetime:
        """An instant of the day, about that hour."""
        minutes = 60 * hour + (self.rng.gauss(0, spread_min) if spread_min else 0)
        whole = int(min(max(minutes, 5), 23 * 60 + 30) * 60)
        return self.day.starts_at + timedelta(seconds=whole)

    def report(
        self, scene: SceneFacts, start: datetime, seconds: int, quantity: int, **details: Any
    ) -> Event:
        """Add an event under a new id; an app adds its device."""
        if scene.channel in ("app", "aggregator"):
            details["device"] = self.who.device
        if scene.channel == "app":
            details["attested"] = True
        event = Event(
            new_id(self.rng), scene.code, self.who.holder_id, start,
            start + timedelta(seconds=seconds), quantity, Details(**details),
        )  # fmt: skip
        self.events.append(event)
        return event

    def ride(
        self, mode: str, start: datetime, distance_m: int, place: str, *, kmh: float | None = None
    ) -> datetime:
        """Report a ride where the resident's reporter has a scene; answers when it ended."""
        channels = ("operator", "aggregator", "app")
        if self.who.reporter == "aggregator":
            channels = ("aggregator", "app", "operator")
        scene = self.city.scene(mode, *channels)
        seconds = ride_seconds(self.rng, mode, distance_m, kmh)
        if scene is not None:
            self.report_ride(scene, start, seconds, distance_m, place)
        return start + timedelta(seconds=seconds)

    def report_ride(
        self, scene: SceneFacts, start: datetime, seconds: int, distance_m: int, place: str
    ) -> Event:
        details: dict[str, Any] = {"place": place}
        if scene.behaviour in (BIKE, EBIKE):
            details["object_id"] = f"v{self.rng.getrandbits(28):07x}"
        if scene.base_unit == "m":
            return self.report(scene, start, seconds, distance_m, **details)
        return self.report(scene, start, seconds, 1, distance_m=distance_m, **details)


def new_id(rng: Random) -> str:
    """A sender's id of an event: nothing about it tells what the event is."""
    return f"{rng.getrandbits(64):016x}"


def ride_seconds(rng: Random, mode: str, distance_m: int, kmh: float | None = None) -> int:
    """How long a ride takes, waiting and, seldom, a stop on the way included."""
    vehicle = VEHICLES[mode]
    if kmh is None:
        if rng.random() < 1 / 150:
            kmh = rng.uniform(*_FAST[mode])
        else:
            kmh = min(vehicle.most, max(vehicle.least, rng.gauss(vehicle.mean, vehicle.spread)))
    seconds = distance_m * 3.6 / kmh + rng.uniform(*vehicle.wait_s)
    if mode in (BIKE, EBIKE) and rng.random() < 0.01:
        seconds += rng.uniform(60, 600)  # A stop at the baker's.
    return max(60, int(seconds))


def honest_day(rng: Random, city: City, who: Resident, day: Day) -> list[Event]:
    """The resident's events of the day; rides never overlap, as one person takes them."""
    diary = Diary(rng, city, who, day)
    _travel(diary)
    _walk(diary)
    if who.sorts_waste:
        _sort_waste(diary)
    _orders(diary)
    return diary.events


def _travel(diary: Diary) -> None:
    """To work and back on working days, with a bicycle to the station now and then; errands."""
    rng, who, day = diary.rng, diary.who, diary.day
    free_at = diary.at(5)
    if day.works and who.commute and rng.random() < 0.92 * _goes(who.commute, day):
        free_at = _commute(diary, diary.at(7.9, 35), who.district)
        back_at = max(diary.at(18.2, 60), free_at + timedelta(hours=3))
        free_at = _commute(diary, back_at, who.work_district)
    trips = rng.choices((0, 1, 2), (88, 11, 1) if day.works else (50, 38, 12))[0]
    for _ in range(trips):
        start = free_at + timedelta(seconds=rng.randrange(1_800, 9_000))
        start = max(start, diary.at(19.5 if day.works else 10, 40))
        mode = rng.choices((METRO, BUS, BIKE, EBIKE), (30, 25, 30, 15))[0]
        if start > diary.at(23) or rng.random() > _goes(mode, day):
            break
        distance_m = _errand_m(rng, mode, day)
        if mode == BIKE and rng.random() < 0.002:  # A second bicycle, for a child or a friend.
            diary.ride(
                mode, start + timedelta(seconds=rng.randrange(20, 90)), distance_m, who.district
            )
        free_at = diary.ride(mode, start, distance_m, who.district)
        if mode == BUS and rng.random() < 0.25:  # Changing lines, at the same stop or the next.
            change_s = rng.lognormvariate(5.8, 0.6)
            start = free_at + timedelta(seconds=int(max(45, change_s)))
            free_at = diary.ride(BUS, start, _errand_m(rng, BUS, day), who.district)


def _goes(mode: str, day: Day) -> float:
    return _IN_RAIN[mode] if day.rains else 1.0


def _commute(diary: Diary, start: datetime, place: str) -> datetime:
    rng, who = diary.rng, diary.who
    assert who.commute is not None
    if who.commute == METRO and rng.random() < 0.18 * _goes(BIKE, diary.day):
        station_m = rng.randrange(500, 2_500)
        start = diary.ride(BIKE, start, station_m, place)
        # Two operators' clocks: seldom the second ride seems to begin before the first has ended.
        start += timedelta(seconds=int(rng.uniform(25, 240) + rng.gauss(0, 12)))
    distance_m = int(who.commute_m * rng.uniform(0.97, 1.04))
    if who.commute == BIKE and rng.random() < 0.004:  # A flat tyre: the next bicycle.
        start = diary.ride(BIKE, start, rng.randrange(150, 500), place)
        start += timedelta(seconds=rng.randrange(40, 400))
    return diary.ride(who.commute, start, distance_m, place)


def _errand_m(rng: Random, mode: str, day: Day) -> int:
    if mode == BIKE and not day.works and rng.random() < 0.03:
        return rng.randrange(12_000, 30_000)  # Along the river, for pleasure.
    median = {METRO: 9_000, BUS: 4_000, BIKE: 1_500, EBIKE: 2_800}[mode]
    most = {METRO: 60_000, BUS: 20_000, BIKE: 9_000, EBIKE: 12_000}[mode]
    return int(min(most, max(600, median * rng.lognormvariate(0, 0.5))))


def _walk(diary: Diary) -> None:
    """The day's total of the step counter: some run, a few walk all day."""
    scene, rng, who = diary.city.scene(WALK, "app", "operator"), diary.rng, diary.who
    if scene is None or not who.steps or rng.random() < 0.06:
        return
    steps = int(who.steps * rng.lognormvariate(0, 0.4) * (0.75 if diary.day.rains else 1.0))
    steps = min(steps, 48_000) + 40
    cadence = max(40.0, rng.gauss(who.cadence, 6))
    stride_mm = who.stride_mm * rng.uniform(0.93, 1.07)
    if rng.random() < 0.03:  # Runs, most of the day's steps.
        cadence, stride_mm = rng.uniform(140, 185), rng.uniform(850, 1_250)
    if rng.random() < 0.004:  # On a treadmill, or with a pram: half of the distance is not seen.
        stride_mm *= rng.uniform(0.45, 0.8)
    seconds = int((diary.day.ends_at - diary.day.starts_at).total_seconds())
    diary.report(
        scene, diary.day.starts_at, seconds, steps,
        active_s=max(20, int(steps * 60 / cadence)), distance_m=int(steps * stride_mm / 1000),
        place=who.district,
    )  # fmt: skip


def _sort_waste(diary: Diary) -> None:
    """Kitchen waste in the two hours the bins are open, morning or evening; recyclables seldom."""
    rng, who = diary.rng, diary.who
    if (scene := diary.city.scene(KITCHEN_WASTE, "operator", "app")) and rng.random() < 0.55:
        hour = rng.uniform(7, 9) if rng.random() < 0.4 else rng.uniform(18.5, 20.5)
        grams = 900 * who.persons**0.7 * rng.lognormvariate(0, 0.55)
        deliver(diary, scene, diary.at(hour), int(min(max(grams, 60), CARRIED_MAX_G)), who.bins[0])
    if (scene := diary.city.scene(RECYCLABLES, "operator", "app")) and rng.random() < 0.07:
        start = diary.at(rng.uniform(8, 20))
        for _ in range(rng.choices((1, 2, 3), (70, 22, 8))[0]):
            material = rng.choice(scene.materials) if scene.materials else None
            usual = _USUAL_G.get(material or "", 1_500)
            grams = usual * rng.lognormvariate(0, 0.8) * (8 if rng.random() < 0.02 else 1)
            weight_g = int(min(max(grams, 60), CARRIED_MAX_G))
            deliver(diary, scene, start, weight_g, who.bins[1], material)
            start += timedelta(seconds=rng.randrange(25, 120))  # The next flap of the cabinet.


def deliver(
    diary: Diary,
    scene: SceneFacts,
    start: datetime,
    weight_g: int,
    bin_id: str,
    material: str | None = None,
) -> Event:
    """Report what a bin weighed."""
    seconds = int(diary.rng.uniform(8, 25))
    if material is None and scene.materials:
        material = diary.rng.choice(scene.materials)
    return diary.report(
        scene, start, seconds, weight_g,
        object_id=bin_id, place=diary.who.district, material=material,
    )  # fmt: skip


_LIKELY = {CLEAN_PLATE: 0.1, OWN_CUP: 0.07, OWN_BAG: 0.09}
_HOURS = {CLEAN_PLATE: (12.2, 30), OWN_CUP: (9.2, 90), OWN_BAG: (17.5, 150)}


def _orders(diary: Diary) -> None:
    """Meals, coffees and shopping, by the order's number; a meal has a photo."""
    rng = diary.rng
    for behaviour in ORDERS:
        by_app = diary.who.reporter == "aggregator" or diary.who.cheat == SHARED_DEVICE
        channels = ("app", "operator") if by_app else ("operator", "app")
        scene = diary.city.scene(behaviour, *channels)
        if scene is None or rng.random() > _LIKELY[behaviour] * diary.who.likes:
            continue
        photo = {"photo_sha256": f"{rng.getrandbits(256):064x}"} if behaviour == CLEAN_PLATE else {}
        diary.report(
            scene, diary.at(*_HOURS[behaviour]), 0, 1,
            object_id=f"order-{rng.getrandbits(48):012x}", place=diary.who.district, **photo,
        )  # fmt: skip


def replaced(event: Event, **changes: Any) -> Event:
    """The event with other values; ``details`` in it replaces some of its details."""
    if details := changes.pop("details", None):
        changes["details"] = msgspec.structs.replace(event.details, **details)
    return msgspec.structs.replace(event, **changes)
