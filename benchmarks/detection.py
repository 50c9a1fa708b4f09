"""Detection: the labelled simulation through the real intake, seeds 1 to 5, each in a database of
its own.

Prints recall and precision of each kind of fraud and their means over the seeds, what became of
operators' faults, and lists what was missed and what was wrongly flagged. What counts as flagged,
recall and precision is defined in ``service/simulation/judging.py``; what is simulated, and what
of it is assumption, in docs/simulation.md. The rules are the bundled catalogue's, as loaded.
Usage: ``python -m benchmarks.detection [RESIDENTS [DAYS]]``.
"""

import sys
import time
from datetime import UTC, date, datetime

from activities.catalogue.loading import load
from benchmarks.machine import fresh_database, machine
from ledgers.partitions import ensure_partitions
from service.db import Database, owner_engine
from service.simulation.city import read_city
from service.simulation.judging import Judge, Judgement
from service.simulation.printed import (
    alarm_lines,
    faults_lines,
    kinds_table,
    mean_of,
    missed_lines,
    share,
)
from service.simulation.recording import amend, check, record_all, settle
from service.simulation.stream import Plan, simulate

SEEDS = (1, 2, 3, 4, 5)
PROGRAMME = "sh-2026"
FIRST_DAY = date(2026, 3, 2)  # Fixed: the figures are the same whenever this is run.
RECALL_MARK, PRECISION_MARK = 0.95, 0.98


def room_for(url: str, first_day: date) -> None:
    """Months for what is simulated as having arrived in the past."""
    engine = owner_engine(url)
    with engine.begin() as connection:
        begins = datetime(first_day.year, first_day.month, 1, tzinfo=UTC)
        ensure_partitions(connection, now=begins)
    engine.dispose()


def judged(plan: Plan) -> Judgement:
    """One plan, from an empty database to the judgement."""
    with fresh_database() as url:
        room_for(url, plan.first_day)
        database = Database(url)
        database.transact(lambda session: load(session, now=datetime.now(UTC)))
        people, judge = plan.people(), Judge.of(plan.city)
        check(database, plan)
        settle(database, plan, people)
        record_all(database, simulate(plan, people), judge, lambda _: None)
        amend(database, people, judge)
        database.dispose()
    return judge.judge()


def main() -> None:
    """Run and print."""
    residents = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 28
    print(machine())
    city = read_city(PROGRAMME)
    runs = []
    for seed in SEEDS:
        begun = time.perf_counter()
        found = judged(Plan(city, residents, days, seed, FIRST_DAY))
        took = time.perf_counter() - begun
        runs.append(found)
        print(
            f"seed {seed}: {found.events:,} events of {residents:,} residents in {days} days,"
            f" recall {share(found.recall)}, precision {share(found.precision)} ({took:.0f} s)"
        )
    print(kinds_table(runs))
    for lines in (faults_lines(runs), missed_lines(runs), alarm_lines(runs)):
        print("\n".join(lines))
    alarms = sum(run.false_alarms_in_10_000 for run in runs) / len(runs)
    print(f"mean of {len(runs)} seeds:")
    print(f"  recall {share(mean_of(run.recall for run in runs))} (mark: {RECALL_MARK})")
    print(f"  precision {share(mean_of(run.precision for run in runs))} (mark: {PRECISION_MARK})")
    print(f"  {alarms:.1f} false alarms in 10,000 honest events")


if __name__ == "__main__":
    main()
