"""Batches at once over the same residents, on real commits: as if one had come after the other."""

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from random import Random

import pytest
from sqlalchemy import select

from activities.changes.adjusting import current
from activities.events import Batch
from activities.intake import record
from activities.models import Activity, Occupied, Tally
from tests.catalogues import NOW, a_programme, an_act
from tests.makers import balance

RULES = (
    {"kind": "no_overlap"},
    {"kind": "velocity", "acts_a_day": 9},
    {"kind": "cap", "per": "day", "points": 40},
    {"kind": "cap", "per": "week", "acts": 8},
)
THREADS, RESIDENTS = 8, 6


@pytest.fixture
def city(database):
    def made(session):
        trial = a_programme(session)
        trial.behaviour("ride", rules=RULES)
        scenes = [trial.scene("ride", channel) for channel in ("operator", "aggregator", "app")]
        return scenes, [trial.resident() for _ in range(RESIDENTS)]

    return database.transact(made)


@pytest.mark.parametrize("seed", range(3))
def test_residents_of_many_batches_at_once_keep_every_rule(database, city, seed):
    scenes, residents = city
    source = Random(seed)  # noqa: S311 - events, no secrets.
    batches = [
        [
            an_act(
                source.choice(scenes),
                source.choice(residents),
                source.randrange(0, 20 * 60, 5),
                minutes=source.choice([5, 15, 40]),
                quantity=source.randrange(1, 12),
            )
            for _ in range(12)
        ]
        for _ in range(3 * THREADS)
    ]

    def send(events):
        return database.transact(lambda s: record(s, Batch(events, "test", NOW)))

    with ThreadPoolExecutor(THREADS) as pool:
        answers = [answer for found in pool.map(send, batches) for answer in found]

    assert all(answer.written for answer in answers)
    with database.snapshot() as session:
        for holder in residents:
            _keeps_every_rule(session, holder)


def _keeps_every_rule(session, holder):
    rows = session.scalars(select(Activity).where(Activity.holder_id == holder)).all()
    states = current(session, [(row.holder_id, row.id) for row in rows])
    counted = [row for row in rows if states[row.id].decision in ("verified", "held")]
    for one, other in combinations(counted, 2):
        assert one.ended_at <= other.started_at or other.ended_at <= one.started_at
    taken = session.scalars(select(Occupied.activity_id).where(Occupied.holder_id == holder))
    assert set(taken) == {row.id for row in counted}
    points = sum(states[row.id].points for row in rows)
    assert points <= 40
    assert balance(session, holder) == points
    tallies = {
        tally.behaviour_code: tally
        for tally in session.scalars(select(Tally).where(Tally.holder_id == holder))
    }
    verified = [row for row in rows if states[row.id].decision == "verified"]
    (of_rides,) = [tally for code, tally in tallies.items() if code != "*"]
    assert (of_rides.points, of_rides.activities) == (points, len(verified))
    assert tallies["*"].activities == len(verified) <= 9
