"""Simulated residents: where they live, how they travel, what they sort, and who of them cheats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from service.simulation.city import BIKE, BUS, EBIKE, METRO, City
from service.simulation.labels import FRAUD, SHARED_DEVICE

CHEATS_PERMILLE = 50  # Far more than in life: each kind must be seen often in a month.
FARM_EVERY = 400  # Residents for each device farm,
FARM_ACCOUNTS = (12, 20)  # and the accounts on its one device.
SINGLE_CHEATS = tuple(kind for kind in FRAUD if kind != SHARED_DEVICE)


@dataclass(slots=True)
class Resident:
    """One account. ``commute`` is the ride to work, None for those who walk, drive or stay;
    ``steps`` a usual day's, 0 without the app, ``cadence`` steps a minute (the old walk slowly);
    ``cheat`` the kind of fraud, if any.

    ``reporter`` is whose word comes of the rides: the operator's, or the map app's where the
    resident pays without an account.
    """

    holder_id: UUID
    town: str
    work_district: str
    device: UUID
    commute: str | None
    commute_m: int
    reporter: str
    steps: int
    stride_mm: int
    cadence: int
    sorts_waste: bool
    bins: tuple[str, str]
    likes: float  # How often meals, coffees and shopping are reported, against the mean.
    meter: str | None
    persons: int
    usual_wh: int  # A month's electricity in spring.
    cheat: str | None = None
    offset: int = field(default=0)

    @property
    def district(self) -> str:
        return self.town[:6]


def population(city: City, count: int, seed: int, *, cheats: bool = True) -> list[Resident]:
    """``count`` residents of the city's towns, the same for the same seed.

    Neighbours in the list share a device now and then, as families do; every cheat's habits are
    such that the fraud has something to work on.
    """
    rng = Random(f"people {seed}")  # noqa: S311 - a simulation, no secret.
    people: list[Resident] = []
    towns = _weighted(rng, city.towns)
    while len(people) < count:
        family = rng.choices((1, 2, 3, 4), (820, 130, 47, 3))[0]
        device, town = _uuid(rng), towns[rng.randrange(len(towns))]
        for _ in range(min(family, count - len(people))):
            people.append(_resident(rng, city, device, town))
    if cheats:
        _cheats(rng, people)
        _farms(rng, people)
    return people


def _weighted(rng: Random, towns: Sequence[str]) -> list[str]:
    """Towns, the crowded ones many times."""
    return [town for town in towns for _ in range(1 + int(rng.paretovariate(1.3)))]


def _uuid(rng: Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)


def _resident(rng: Random, city: City, device: UUID, town: str) -> Resident:
    commute = rng.choices((METRO, BUS, BIKE, EBIKE, None), (34, 18, 11, 7, 30))[0]
    median = {METRO: 11_000, BUS: 5_000, BIKE: 2_000, EBIKE: 3_500, None: 4_000}[commute]
    longest = {METRO: 45_000, BUS: 18_000, BIKE: 7_000, EBIKE: 11_000, None: 9_000}[commute]
    strong = rng.random() < 0.05
    return Resident(
        holder_id=_uuid(rng),
        town=town,
        work_district=rng.choice(city.towns)[:6],
        device=device,
        commute=commute,
        commute_m=int(min(longest, max(900, median * rng.lognormvariate(0, 0.45)))),
        reporter="aggregator" if rng.random() < 0.2 else "operator",
        steps=0 if rng.random() < 0.3 else int((15_500 if strong else 6_500) * _near(rng, 0.25)),
        stride_mm=int(min(820, max(430, rng.gauss(670, 70)))),
        cadence=int(rng.gauss(70, 6) if rng.random() < 0.05 else rng.gauss(102, 8)),
        sorts_waste=rng.random() < 0.4,
        bins=(f"bin-{town}-{rng.randrange(6)}", f"cabinet-{town}-{rng.randrange(3)}"),
        likes=_near(rng, 0.6),
        meter=f"meter-{rng.getrandbits(40):010x}" if rng.random() < 0.12 else None,
        persons=rng.choices((1, 2, 3, 4, 5), (15, 30, 33, 14, 8))[0],
        usual_wh=int(170_000 * _near(rng, 0.4)),
    )


def _near(rng: Random, spread: float) -> float:
    return rng.lognormvariate(0, spread)


def _cheats(rng: Random, people: list[Resident]) -> None:
    """Spread the kinds evenly over the cheats, and give each what it needs."""
    chosen = rng.sample(range(len(people)), len(people) * CHEATS_PERMILLE // 1000)
    for place, index in enumerate(chosen):
        cheat = people[index]
        cheat.cheat = kind = SINGLE_CHEATS[place % len(SINGLE_CHEATS)]
        cheat.device = _uuid(rng)
        if kind == "teleport":
            cheat.commute, cheat.reporter = rng.choice((BIKE, EBIKE)), "aggregator"
            cheat.commute_m = rng.randrange(1_200, 5_000)
        elif kind == "split_trip":
            cheat.commute = rng.choice((BUS, BIKE, BIKE, EBIKE))
            cheat.commute_m = rng.randrange(3_500, 8_000)
        elif kind == "double_claim":
            cheat.commute, cheat.reporter = rng.choice((METRO, METRO, BUS, BIKE)), "operator"
            cheat.commute_m = rng.randrange(2_000, 7_000)
        elif kind == "step_shaker":
            cheat.steps = 5_000
        elif kind == "overweight":
            cheat.sorts_waste = True


def _farms(rng: Random, people: list[Resident]) -> None:
    """Accounts that exist only to be reported from one device."""
    honest = [person for person in people if person.cheat is None]
    for _ in range(max(1, len(people) // FARM_EVERY)):
        device = _uuid(rng)
        size = min(rng.randint(*FARM_ACCOUNTS), max(1, len(honest) // 8))
        for account in rng.sample(honest, size):
            honest.remove(account)
            account.cheat, account.device = SHARED_DEVICE, device
            account.steps = max(account.steps, 8_000)
