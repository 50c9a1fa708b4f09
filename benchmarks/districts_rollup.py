"""Roll-ups of districts: a backlog of activities added up by the job, against a plain GROUP BY.

Generated walks and rides of 100,000 residents are recorded and given their place in the log; then
the job's batches are timed, and, in the same run, one statement that only groups the same rows by
town, day and behaviour and keeps nothing. Then a twentieth of the activities get a spend, and who
spent is counted as a month's report does it (``rollups.spenders``).
Usage: ``python -m benchmarks.districts_rollup [EVENTS]``.
"""

import os
import statistics
import sys
import time
from datetime import UTC, date, datetime
from itertools import islice

from sqlalchemy import text

from activities.events import Batch
from activities.intake import record
from benchmarks.intake import BATCH_EVENTS, enrol_residents, generated
from benchmarks.machine import cpu_s, fresh_database, machine
from ledgers.log.sealing import sequence
from service import garbage
from service.db import Database
from service.districts.rollups.spenders import spenders
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
SPENDS = text("""
    INSERT INTO transfer (holder_id, id, posting_id, position, unit, debit_account_id,
                          credit_account_id, amount, kind, reference, occurred_at)
    SELECT t.holder_id, uuidv7(), uuidv7(), 0, t.unit, t.credit_account_id, a.id, 1, 'spend',
           uuidv7(), t.occurred_at
    FROM transfer AS t, (SELECT min(id::text)::uuid AS id FROM account
                         WHERE kind = 'redeemed' AND unit = 'point') AS a
    WHERE t.unit = 'point' AND get_byte(uuid_send(t.id), 15) < 256 / 20
""")
APRIL, MAY = date(2016, 4, 1), date(2016, 5, 1)


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


def spent(database: Database) -> str:
    """What counting those who spent costs."""
    with database.engine.begin() as connection:
        spends = connection.execute(SPENDS).rowcount
    begun, cpu = time.perf_counter(), cpu_s(database)
    found = database.transact(lambda session: spenders(session, ["310118"], APRIL, MAY))
    seconds, cpu = time.perf_counter() - begun, cpu_s(database) - cpu
    residents = found["*", "spent_points"]
    return f"{residents:,} who spent, of {spends:,} spends: {seconds:.2f} s, {cpu:.2f} s of CPU"


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(machine())
    garbage.settle()
    with fresh_database() as url:
        database = Database(url)
        post(database, count)
        load = os.getloadavg()[0]
        cpu = cpu_s(database)
        seconds = roll_up(database)
        summed_cpu = cpu_s(database) - cpu
        cpu = cpu_s(database)
        grouped = statistics.median(plain(database) for _ in range(3))
        grouped_cpu = (cpu_s(database) - cpu) / 3
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
        print(
            f"  CPU: {summed_cpu:.1f} s, {count / summed_cpu:,.0f} activities a second of it;"
            f" {summed_cpu / grouped_cpu:.1f} times the GROUP BY's"
        )
        print(f"  {spent(database)}")
        database.dispose()


if __name__ == "__main__":
    main()
