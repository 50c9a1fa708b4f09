"""kill -9 of the roll-ups' job at any statement, two of them at once: each leaf counts once."""

import subprocess
import sys
from pathlib import Path

from service.districts.rollups.audit import drifts
from service.districts.rollups.rebuilding import forget
from tests.service.districts.worlds import World, fold_all, kept, seal


def test_killed_at_any_point_and_run_twice_at_once_each_leaf_counts_once(
    fresh_database, fresh_database_url
):
    World(fresh_database, 9).live(70)
    while seal(fresh_database):
        pass
    command = [sys.executable, "-m", "tests.service.districts.folding", fresh_database_url]
    runs = [
        subprocess.Popen(
            [*command, str(seed)], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True
        )
        for seed in (1, 2)
    ]
    died = [int(run.communicate(timeout=120)[0]) for run in runs]

    assert sum(died) >= 12, died
    found = kept(fresh_database)
    with fresh_database.snapshot() as session:
        assert list(drifts(session)) == []
    fresh_database.transact(forget)
    fold_all(fresh_database)
    assert kept(fresh_database) == found
