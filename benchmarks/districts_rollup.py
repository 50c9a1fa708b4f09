"""Roll-ups of districts: a backlog of activities added up by the job, against a plain GROUP BY.

Generated walks and rides of 100,000 residents are recorded and given their place in the log; then
the job's batches are timed, and, in the same run, one statement that only groups the same rows by
town, day and behaviour and keeps nothing.
Usage: ``python -m benchmarks.districts_rollup [EVENTS]``.
"""

import os
import statistics
import sys
import time
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import text

from activities.events import Batch
from activities.intake import record
from benchmarks.intake import BATCH_EVENTS, enrol_residents, generated
from benchmarks.machine import fresh_database, machine
from ledgers.log.sealing import sequence
from service import garbage
from service.db import Database
from service.districts.rollups.summing import fold

ORIGIN = "bench.example/log"
# What the roll-ups' sums of towns are, read from the same rows, without what keeps them up to date.
PLAIN = text("""
    SELECT a.division_code, a.day, a.behaviour_code, count(DISTINCT a.id),
           sum(t.amount) FILTER (WHERE t.unit = 'mg_co2e'),
           sum(t.amount) FILTER (WHERE t.unit = 'point'), count(DISTINCT a.holder_id)
    FROM transfer AS t JOIN activity AS a ON a.holder_id = t.holder_id AND a.id = t.reference
    GROUP BY a.division_code, a.day, a.behaviour_code
""")


def post(database: Database, count: int) -> None:
    """So many activities, and a place in the log for each of their transfers."""
    events = generated(enrol_residents(database), count)
    while chunk := list(islice(events, BATCH_EVENTS)):
        batch = Batch(chunk, "benchmark", datetime.now(UTC))
        database.transact(lambda session, batch=batch: record(session, batch))
    while database.transact(lambda session: sequence(session, ORIGIN)):
        pass


def roll_up(database: Database) -> list[float]:
    """The job's batches until nothing waits: seconds of each."""
    seconds = []
    while True:
        begun = time.perf_counter()
        if not database.transact(fold):
            return seconds
        seconds.append(time.perf_counter() - begun)


def plain(database: Database) -> float:
    """Seconds of the statement."""
    begun = time.perf_counter()
    with database.snapshot(unhurried=True) as session:
        rows = session.execute(PLAIN).all()
    assert rows
    return time.perf_counter() - begun


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(machine())
    garbage.settle()
    with fresh_database() as url:
        database = Database(url)
        post(database, count)
        load = os.getloadavg()[0]
        seconds = roll_up(database)
        grouped = statistics.median(plain(database) for _ in range(3))
        with database.engine.connect() as connection:
            activities = connection.scalar(
                text("SELECT sum(activities) FROM district_day WHERE length(division_code) = 9")
            )
        assert activities == count
        tenth = max(len(seconds) // 10, 1)
        first, last = (statistics.mean(part) for part in (seconds[:tenth], seconds[-tenth:]))
        print(f"a backlog of {count:,} activities in {len(seconds)} batches:")
        print(
            f"  {count / sum(seconds):,.0f} activities/s (mark: 12,000), the longest batch"
            f" {max(seconds):.1f} s, the last tenth {last / first:.1f} times the first;"
            f" load before {load:.1f}"
        )
        print(
            f"  {sum(seconds) / grouped:.1f} times a plain GROUP BY of the same rows"
            f" ({count / grouped:,.0f} activities/s)"
        )
        database.dispose()


if __name__ == "__main__":
    main()
