"""The days put together: what arrives at the doors, in the order in which it arrives.

Operators send a day's file in the small hours, map apps before or after them, an app each act
within hours: gathered here into a file for every four. The same plan gives the same stream to the
byte; memory holds a day and what is late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import NamedTuple

from activities.events import EVENTS_MAX, Event
from service.simulation.city import WALK, City, SceneFacts
from service.simulation.days import Day, Diary, honest_day
from service.simulation.faults import befall
from service.simulation.fraud import Sent, commit
from service.simulation.meters import readings
from service.simulation.people import Resident, population

_RAIN_PERCENT = (33, 36, 42, 43, 42, 52, 42, 42, 38, 26, 30, 29)  # Days with rain, by month.
_OPERATOR_AT = time(2, 30)
_MAP_AT = (time(0, 40), time(4, 10))  # Before the operators on one day in four.
_APP_EVERY_H = 4


class Labelled(NamedTuple):
    """An event and what it is. The label is for judging the rules by, never for them."""

    event: Event
    label: str | None


class Delivery(NamedTuple):
    """A file of one scene, at most EVENTS_MAX events; ``received_at`` is when it is sent."""

    received_at: datetime
    scene: str
    acts: list[Labelled]


@dataclass(frozen=True, slots=True)
class Plan:
    """``residents`` of ``city`` over ``days`` from ``first_day`` on. ``crime``: with fraud and
    operators' faults. Nothing arrives after ``late_until``, if there is such a day, but the last
    days' own files.
    """

    city: City
    residents: int
    days: int
    seed: int
    first_day: date
    crime: bool = True
    late_until: date | None = None

    def people(self) -> list[Resident]:
        return population(self.city, self.residents, self.seed, cheats=self.crime)


def simulate(plan: Plan, people: Sequence[Resident]) -> Iterator[Delivery]:
    """The stream of a plan's deliveries, by arrival. ``people`` are the plan's own."""
    rain = Random(f"weather {plan.seed}")  # noqa: S311 - a simulation, no secret.
    waiting: dict[tuple[datetime, str], list[Labelled]] = {}
    scenes = {scene.code: scene for scene in plan.city.scenes.values()}
    for number in range(plan.days):
        day = _day(plan, number, rain)
        rng = Random(f"day {plan.seed} {number}")  # noqa: S311 - a simulation, no secret.
        sent = _sent(plan, people, day, rng)
        if plan.crime:
            sent = befall(rng, plan.city, sent, today=day.date, late_until=plan.late_until)
        map_at = _MAP_AT[rng.random() > 0.25]
        for each in sent:
            at = _arrives_at(each, scenes[each.event.scene], day, plan.city, map_at)
            acts = waiting.setdefault((at, each.event.scene), [])
            acts.append(Labelled(each.event, each.label))
        yield from _due(waiting, day.ends_at)
    yield from _due(waiting, None)


def _day(plan: Plan, number: int, rain: Random) -> Day:
    today = plan.first_day + timedelta(days=number)
    starts_at, ends_at = (
        datetime.combine(day, time(), plan.city.zone) for day in (today, today + timedelta(days=1))
    )
    rains = rain.random() * 100 < _RAIN_PERCENT[today.month - 1]
    return Day(today, starts_at, ends_at, today.weekday() < 5, rains)


def _sent(plan: Plan, people: Sequence[Resident], day: Day, rng: Random) -> list[Sent]:
    sent: list[Sent] = []
    for who in people:
        events = honest_day(rng, plan.city, who, day)
        if who.cheat is not None:
            sent += commit(Diary(rng, plan.city, who, day, events))
        else:
            sent += [Sent(event) for event in events]
        sent += [Sent(event) for event in readings(plan.city, who, day, plan.seed)]
    return sent


def _arrives_at(each: Sent, scene: SceneFacts, day: Day, city: City, map_at: time) -> datetime:
    """When the door sees it: the next night, or for an app the end of the four hours."""
    late = timedelta(days=each.late_days)
    if scene.channel == "app" and scene.behaviour != WALK:
        hour = (each.event.ended_at - day.starts_at) // timedelta(hours=_APP_EVERY_H) + 1
        return day.starts_at + timedelta(hours=_APP_EVERY_H * hour) + late
    tomorrow = day.date + timedelta(days=1)
    at = map_at if scene.channel == "aggregator" else _OPERATOR_AT
    if scene.channel == "app":
        at = time(0, 30)
    arrives_at = datetime.combine(tomorrow, at, city.zone)
    if each.event.ended_at > arrives_at:  # A ride into the small hours waits a night.
        arrives_at += timedelta(days=1)
    return arrives_at + late


def _due(
    waiting: dict[tuple[datetime, str], list[Labelled]], until: datetime | None
) -> Iterator[Delivery]:
    """What arrives up to an instant, taken out; a sender's file is in the order of its acts."""
    due = sorted(key for key in waiting if until is None or key[0] <= until)
    for received_at, scene in due:
        acts = waiting.pop((received_at, scene))
        acts.sort(key=lambda act: act.event.started_at)
        for start in range(0, len(acts), EVENTS_MAX):
            yield Delivery(received_at, scene, acts[start : start + EVENTS_MAX])
