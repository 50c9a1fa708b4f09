"""What goes wrong at operators: files that come weeks late, files sent twice, wrong units.

A fault befalls a part of one scene's file of one day, and only honest acts that no fraud refers
to, so that every event has one label at most.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from activities.events import QUANTITY_MAX, Event
from service.simulation import labels
from service.simulation.city import ORDERS, City, SceneFacts
from service.simulation.days import replaced
from service.simulation.fraud import Sent

_LATE_PERMILLE, _TWICE_PERMILLE, _UNITS_PERMILLE = 40, 40, 25  # Of the files.
A_LITTLE_LATE = (3, 20)  # Days; where operators may report by the month, this is in time,
TOO_LATE = (50, 70)  # and this is not.


def befall(
    rng: Random, city: City, sent: Sequence[Sent], *, today: date, late_until: date | None
) -> list[Sent]:
    """The day's events with the faults of its files; none is late beyond ``late_until``."""
    changed = list(sent)
    files: dict[str, list[int]] = {}
    for place, each in enumerate(changed):
        if each.label is None and not each.bound:
            files.setdefault(each.event.scene, []).append(place)
    for scene in sorted(city.scenes.values()):
        places = files.get(scene.code, [])
        if scene.channel not in ("operator", "aggregator") or not places:
            continue
        drawn = rng.randrange(1000)
        struck = rng.sample(places, max(1, int(len(places) * rng.uniform(0.1, 0.6))))
        if drawn < _LATE_PERMILLE:
            days = rng.randint(*rng.choice((A_LITTLE_LATE, TOO_LATE, TOO_LATE)))
            if late_until is None or today + timedelta(days=days + 2) <= late_until:
                for place in struck:
                    changed[place] = changed[place]._replace(label=labels.LATE_FILE, late_days=days)
        elif drawn < _LATE_PERMILLE + _TWICE_PERMILLE:
            later = rng.choice((0, 1))
            changed += [
                Sent(changed[place].event, labels.DUPLICATE, late_days=later) for place in struck
            ]
        elif drawn < _LATE_PERMILLE + _TWICE_PERMILLE + _UNITS_PERMILLE:
            for place in struck:
                if (event := _other_unit(rng, scene, changed[place].event)) is not None:
                    changed[place] = Sent(event, labels.UNIT_MISTAKE)
    return changed


def _other_unit(rng: Random, scene: SceneFacts, event: Event) -> Event | None:
    """A figure in kilometres or kilograms where metres or grams belong, or a thousand times it."""
    if scene.behaviour in ORDERS:
        return None  # They have no unit to mistake.
    if event.details.distance_m is not None:
        return replaced(event, details={"distance_m": event.details.distance_m // 1000})
    if scene.base_unit == "g" and rng.random() < 0.5:
        return replaced(event, quantity=min(QUANTITY_MAX, event.quantity * 1000))
    return replaced(event, quantity=event.quantity // 1000)
