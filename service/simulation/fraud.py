"""What cheats make of a day. Each function takes the honest events and answers what is sent, each
with its label; what the cheat really did keeps none.

A few of each kind are too clever for any rule that looks at one resident's acts (a forged ride at
a bicycle's speed, steps with a likely stride): they are labelled all the same, and are missed.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

from activities.events import Event
from service.simulation import labels
from service.simulation.city import BIKE, BUS, EBIKE, KITCHEN_WASTE, METRO, RECYCLABLES, RIDES, WALK
from service.simulation.days import Diary, deliver, new_id, replaced


class Sent(NamedTuple):
    """An event on its way to the door. ``late_days`` after its usual hour; ``bound``: a fraud
    refers to it, so no operator's fault may befall it.
    """

    event: Event
    label: str | None = None
    late_days: int = 0
    bound: bool = False


def commit(diary: Diary) -> list[Sent]:
    """What a cheat's day looks like; about every second day a cheat is honest."""
    kind = diary.who.cheat
    assert kind is not None
    if kind != labels.SHARED_DEVICE and diary.rng.random() < 0.4:
        return [Sent(event) for event in diary.events]
    return _FRAUDS[kind](diary)


def _bound(event: Event) -> Sent:
    return Sent(event, bound=True)


def _behaviours(diary: Diary, *behaviours: str) -> set[str]:
    """Codes of the scenes that report one of the behaviours."""
    return {s.code for s in diary.city.scenes.values() if s.behaviour in behaviours}


def _replay(diary: Diary) -> list[Sent]:
    """One to three of the day's acts sent again under new ids, half of them moved by seconds, some
    in a later file.
    """
    rng = diary.rng
    days_totals = _behaviours(diary, WALK)
    sent = [_bound(event) for event in diary.events]
    for event in rng.sample(diary.events, min(len(diary.events), rng.randint(1, 3))):
        shift = timedelta(seconds=rng.randrange(1, 40) if rng.random() < 0.5 else 0)
        if event.scene in days_totals:
            shift = timedelta()
        again = replaced(
            event,
            event_id=new_id(rng),
            started_at=event.started_at + shift,
            ended_at=event.ended_at + shift,
        )
        sent.append(Sent(again, labels.REPLAY, late_days=rng.choice((0, 0, 1))))
    return sent


def _teleport(diary: Diary) -> list[Sent]:
    """Rides at a speed that their vehicle does not do, or in another city minutes after a real one.

    The speeds are those of cars, trains and typing errors; one in fifty is a careful forger's.
    """
    rng = diary.rng
    sent = [_bound(event) for event in diary.events]
    rides = [e for e in diary.events if e.scene in _behaviours(diary, BIKE, EBIKE)]
    forger = replace(diary, events=[])
    mode = diary.who.commute or BIKE
    if rides and rng.random() < 0.5:
        start = max(e.ended_at for e in diary.events if e.scene in _behaviours(diary, *RIDES))
        start += timedelta(seconds=rng.randrange(180, 1_200))
        forger.ride(mode, start, rng.randrange(1_000, 5_000), rng.choice(diary.city.elsewhere))
    else:
        kmh = min(400.0, max(rng.uniform(28, 45), rng.lognormvariate(4.5, 0.5)))
        if rng.random() < 0.02:
            kmh = rng.uniform(14, 24)
        start = max([e.ended_at for e in rides], default=diary.at(12)) + timedelta(minutes=45)
        start = max(start, diary.at(20.5, 30))
        scene = diary.city.scene(mode, "aggregator", "app", "operator")
        if scene is not None:
            seconds = rng.randrange(240, 1_500)
            distance_m = int(kmh * seconds / 3.6)
            forger.report_ride(scene, start, seconds, distance_m, diary.who.district)
    return sent + [Sent(event, labels.TELEPORT) for event in forger.events]


def _shake(diary: Diary) -> list[Sent]:
    """A cradle that swings the phone on the spot, a program that counts steps by the thousand; one
    in fifty such programs gets pace and stride right.
    """
    rng = diary.rng
    walks = _behaviours(diary, WALK)
    sent = [Sent(event) for event in diary.events if event.scene not in walks]
    for walk in diary.events:
        if walk.scene not in walks:
            continue
        steps, kind = rng.randrange(12_000, 60_000), rng.random()
        cadence, stride_mm = rng.uniform(85, 170), 60 * rng.lognormvariate(0, 0.6)
        if kind < 0.4:
            cadence, stride_mm = 310 * rng.lognormvariate(0, 0.25), rng.uniform(0, 800)
        elif kind < 0.42:
            steps, cadence, stride_mm = 14_000, rng.uniform(95, 115), rng.uniform(600, 740)
        details = {
            "active_s": min(86_400, int(steps * 60 / cadence)),
            "distance_m": int(steps * stride_mm / 1000),
        }
        sent.append(Sent(replaced(walk, quantity=steps, details=details), labels.STEP_SHAKER))
    return sent


def _farm(diary: Diary) -> list[Sent]:
    """Of an account in a farm: all that its one device reports. It rides nowhere."""
    return [
        Sent(event, labels.SHARED_DEVICE)
        for event in diary.events
        if event.details.device is not None and event.scene not in _behaviours(diary, *RIDES)
    ]


def _split(diary: Diary) -> list[Sent]:
    """The day's long rides cut in two to four pieces, seconds apart; the first piece was ridden.

    One gap in fifty is long enough for a change of vehicles.
    """
    cut = _behaviours(diary, BUS, BIKE, EBIKE)
    sent: list[Sent] = []
    for event in diary.events:
        if event.scene in cut and event.duration_s >= 540:
            sent += _pieces(diary.rng, event)
        else:
            sent.append(Sent(event))
    return sent


def _pieces(rng: Random, event: Event) -> Iterator[Sent]:
    """Together, with the gaps, they take the time of the whole."""
    count = rng.choices((2, 3, 4), (60, 25, 15))[0]
    gaps_s = [
        rng.randrange(3, 40) if rng.random() < 0.98 else rng.randrange(90, 150)
        for _ in range(count - 1)
    ]
    length = timedelta(seconds=(event.duration_s - sum(gaps_s)) // count)
    start = event.started_at
    for piece in range(count):
        changes: dict[str, Any] = {
            "event_id": new_id(rng), "started_at": start, "ended_at": start + length,
        }  # fmt: skip
        if event.details.distance_m is None:
            changes["quantity"] = event.quantity // count
        else:
            changes["details"] = {"distance_m": event.details.distance_m // count}
        label = labels.SPLIT_TRIP if piece else None
        yield Sent(replaced(event, **changes), label, bound=True)
        if piece < count - 1:
            start += length + timedelta(seconds=gaps_s[piece])


def _claim_twice(diary: Diary) -> list[Sent]:
    """Rides that the operator reports are reported by a map app too, as its clock and track say.

    The label is the map's: the operator's word weighs more, whichever comes first.
    """
    rng, sent = diary.rng, []
    mapped = {
        operator.code: aggregator
        for mode in (METRO, BUS, BIKE, EBIKE)
        if (operator := diary.city.scene(mode, "operator"))
        and (aggregator := diary.city.scene(mode, "aggregator", "app"))
    }
    forger = replace(diary, events=[])
    for event in diary.events:
        scene = mapped.get(event.scene)
        sent.append(Sent(event, bound=scene is not None))
        if scene is None:
            continue
        start = event.started_at + timedelta(seconds=rng.randrange(-60, 60))
        seconds = max(60, event.duration_s + rng.randrange(-60, 60))
        metres = event.quantity if event.details.distance_m is None else event.details.distance_m
        metres = int(metres * rng.uniform(0.94, 1.06))
        place = event.details.place or diary.who.district
        forger.report_ride(scene, start, seconds, metres, place)
    return sent + [Sent(event, labels.DOUBLE_CLAIM) for event in forger.events]


def _overweigh(diary: Diary) -> list[Sent]:
    """A stone on the scales, or a full bin's weight typed in: more than a person can bring."""
    rng = diary.rng
    sent = [Sent(event) for event in diary.events]
    forger = replace(diary, events=[])
    kitchen = diary.city.scene(KITCHEN_WASTE, "operator", "app")
    cabinet = diary.city.scene(RECYCLABLES, "operator", "app")
    if kitchen and rng.random() < 0.7:
        weight_g = int(min(900_000, max(13_000, 70_000 * rng.lognormvariate(0, 0.6))))
        deliver(forger, kitchen, diary.at(rng.uniform(21, 23)), weight_g, diary.who.bins[0])
    elif cabinet:
        weight_g = int(min(3_000_000, max(70_000, 350_000 * rng.lognormvariate(0, 0.6))))
        deliver(forger, cabinet, diary.at(rng.uniform(21, 23)), weight_g, diary.who.bins[1])
    return sent + [Sent(event, labels.OVERWEIGHT) for event in forger.events]


_FRAUDS: dict[str, Callable[[Diary], list[Sent]]] = {
    labels.REPLAY: _replay,
    labels.TELEPORT: _teleport,
    labels.STEP_SHAKER: _shake,
    labels.SHARED_DEVICE: _farm,
    labels.SPLIT_TRIP: _split,
    labels.DOUBLE_CLAIM: _claim_twice,
    labels.OVERWEIGHT: _overweigh,
}
