"""Monthly electricity: what a household's meter showed, and what the household declared."""

from datetime import datetime, time, timedelta
from random import Random
from typing import NamedTuple

from activities.events import Details, Event
from service.simulation.city import ELECTRICITY, City
from service.simulation.days import Day, new_id
from service.simulation.people import Resident

READ_ON_DAY = 3  # Of the month after.
# A month's use against an April's: cooling in July and August, heating in January.
_SEASONS = (1.5, 1.35, 1.1, 1.0, 1.0, 1.25, 1.8, 1.9, 1.4, 1.0, 1.05, 1.3)


class Declared(NamedTuple):
    """A household as its resident declared it."""

    persons: int
    solar: bool
    tier: int


def household(who: Resident) -> Declared | None:
    """One in eight of those with a meter forgot to declare; some have solar roofs or are of the
    tariff's top tier. Nothing of it is fraud: no baseline, no saving.
    """
    drawn = who.holder_id.int % 100
    if who.meter is None or drawn < 12:
        return None
    return Declared(who.persons, solar=drawn < 15, tier=3 if drawn < 19 else 1)


def readings(city: City, who: Resident, day: Day, seed: int) -> list[Event]:
    """On READ_ON_DAY the reading of the month before, if the resident's meter is reported."""
    scene = city.scene(ELECTRICITY, "operator", "app")
    if scene is None or who.meter is None or who.cheat or day.date.day != READ_ON_DAY:
        return []
    ends_on = day.date.replace(day=1)
    starts_on = (ends_on - timedelta(days=1)).replace(day=1)
    rng = Random(f"meter {seed} {who.meter} {starts_on}")  # noqa: S311 - a simulation, no secret.
    used = who.usual_wh * _SEASONS[starts_on.month - 1] * rng.lognormvariate(0, 0.15)
    return [
        Event(
            new_id(rng),
            scene.code,
            who.holder_id,
            datetime.combine(starts_on, time(), city.zone),
            datetime.combine(ends_on, time(), city.zone),
            int(used),
            Details(object_id=who.meter, place=who.district),
        )
    ]
