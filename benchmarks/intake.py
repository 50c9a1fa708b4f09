"""Intake: generated events of 100,000 residents through ``record``, in batches of 5,000.

Prints events a second over the run, the last fifth against the first, and the importer's own
memory over a file of the same events. fsync is on; the server is the default one, in a folder of
its own. Usage: ``python -m benchmarks.intake [EVENTS]``.
"""

import gc
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import median
from uuid import UUID, uuid4

from sqlalchemy import text

from activities.catalogue.loading import load
from activities.events import Batch, Event
from activities.intake import record
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from service.db import Database
from service.demo import DEMO_PROGRAMME

RESIDENTS = 100_000
BATCH_EVENTS = 5_000
SPRING = datetime(2016, 4, 1, tzinfo=UTC) - timedelta(hours=8)  # Midnight in Shanghai.


def enrol_residents(database: Database) -> list[UUID]:
    """A programme with RESIDENTS residents in the towns of 青浦区."""
    now = datetime.now(UTC)
    database.transact(lambda session: load(session, now=now))
    holders = [uuid4() for _ in range(RESIDENTS)]
    for start in range(0, RESIDENTS, 10_000):
        towns = dict.fromkeys(holders[start : start + 10_000], "310118001")
        database.transact(
            lambda session, towns=towns: enrol(session, DEMO_PROGRAMME, towns, now=now)
        )
    return holders


def generated(holders: list[UUID], count: int) -> Iterator[Event]:
    """Half days of steps (with a cap on points), half bicycle rides: two transfers each.

    Residents come in random order, days in theirs, as daily feeds bring them; no act comes twice.
    """
    source = random.Random(7)
    for number in range(count):
        holder = holders[number // 2 % len(holders)]
        day = SPRING + timedelta(days=number // 2 // len(holders))
        if number % 2:
            start = day + timedelta(seconds=source.randrange(18 * 3600))
            end = start + timedelta(seconds=source.randrange(120, 3600))
            yield Event(f"ride-{number}", "demo.bike", holder, start, end, 1)
        else:
            steps = source.randrange(50, 20_000)
            end = day + timedelta(days=1)
            yield Event(f"walk-{number}", "demo.walking", holder, day, end, steps)


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    gc.freeze()  # As the service does at its start.
    print(machine())
    with fresh_database() as url:
        database = Database(url)
        rates = _timed(database, generated(enrol_residents(database), count))
        fifth = max(len(rates) // 5, 1)
        first, last = median(rates[:fifth]), median(rates[-fifth:])
        total = count / sum(BATCH_EVENTS / rate for rate in rates)
        with database.engine.connect() as connection:
            transfers = connection.scalar(text("SELECT count(*) FROM transfer"))
        print(f"record: {count:,} events ({transfers:,} transfers) in batches of {BATCH_EVENTS:,}")
        print(f"  {total:,.0f} events/s (mark: 12,000)")
        print(
            f"  first fifth {first:,.0f}/s, last fifth {last:,.0f}/s:"
            f" {100 * (first - last) / first:+.1f} % slower (mark: 20 %)"
        )
        database.dispose()


def _timed(database: Database, events: Iterator[Event]) -> list[float]:
    """Events a second of each batch; generating them is not counted, committing is."""
    rates = []
    while chunk := list(islice(events, BATCH_EVENTS)):
        batch = Batch(chunk, "benchmark", datetime.now(UTC))
        begun = time.perf_counter()
        answers = database.transact(lambda session, batch=batch: record(session, batch))
        rates.append(len(answers) / (time.perf_counter() - begun))
        assert all(answer.decision == "verified" for answer in answers)
    return rates


if __name__ == "__main__":
    main()
