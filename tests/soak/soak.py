"""What the tests do for seconds, done for minutes: named by ``make soak``, collected by nothing."""

import random
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings

from ledgers.partitions import ensure_partitions
from service.db import owner_engine
from tests.ledgers.storm import Jobs, Storm, unretried
from tests.ledgers.test_ledger_model import START, Ledger
from tests.service.test_killed_jobs import KILLS, kill_and_check

EXAMPLES = 2_000
MONTHS, STEPS = 6, 20


def test_the_ledger_does_what_the_model_does(fresh_database, owner):
    with owner.begin() as connection:
        for years in range(5):
            ensure_partitions(connection, now=START + timedelta(days=365 * years))

    class OnThisDatabase(Ledger):
        database = fresh_database

    TestCase = OnThisDatabase.TestCase  # noqa: N806 - hypothesis' own name.
    TestCase.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    TestCase().runTest()


def test_storms(copied_database, seconds, tmp_path):
    """Of another seed each, which a failure shows."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        seed = random.SystemRandom().randrange(2**32)
        print(f"storm of seed {seed}")
        with copied_database() as url:
            storm_for_some_months(url, seed, tmp_path / f"log-{seed}")


def storm_for_some_months(url, seed: int, folder) -> None:
    with unretried(url) as database, unretried(url) as beside, ExitStack() as ended:
        owner = owner_engine(url)
        ended.callback(owner.dispose)
        storm = Storm(database, owner, residents=3 + seed % 4, seed=seed)
        jobs = Jobs(beside, folder)
        for _ in range(MONTHS):
            storm.blow(steps=STEPS, beside=jobs.all)
            assert storm.drifts(jobs.folder) == []
        jobs.finish(storm.now + timedelta(days=40))
        assert storm.drifts(jobs.folder) == []


@pytest.mark.parametrize("seed", range(500 // KILLS))
def test_killed_five_hundred_times(fresh_database_url, urls, owner, tmp_path, seed):
    environ = {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path),
    }
    kill_and_check(environ, owner, kills=KILLS, seed=seed)
