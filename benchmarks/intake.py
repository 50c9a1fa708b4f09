"""Intake: generated events of 100,000 residents through ``record``, in batches of 5,000.

Prints events a second over the run, the last fifth against the first, and the importer's own
memory over a file of the same events. fsync is on; the server is the default one, in a folder of
its own. Usage: ``python -m benchmarks.intake [EVENTS]``.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Lock
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from activities.catalogue.models import Scene
from activities.events import Batch, Event
from activities.intake import record
from activities.participants import enrol
from benchmarks.machine import fresh_database, machine
from service import garbage
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME

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
    garbage.settle()  # As the service does at its start.
    print(machine())
    with fresh_database() as url:
        database = Database(url)
        events = generated(enrol_residents(database), count + count // 5)
        single = _feed(database, islice(events, count // 5), connections=1)
        both = _feed(database, events, connections=2)
        fifth = len(both) // 5
        first, last = _rate(both[: fifth + 1]), _rate(both[-fifth - 1 :])
        with database.engine.connect() as connection:
            transfers = connection.scalar(text("SELECT count(*) FROM transfer"))
        print(f"record: batches of {BATCH_EVENTS:,} events, {transfers:,} transfers in all")
        print(f"  one connection, {count // 5:,} events: {_rate(single):,.0f} events/s")
        print(
            f"  then two connections, {count:,} events: {_rate(both):,.0f} events/s (mark: 12,000)"
        )
        print(
            f"    first fifth {first:,.0f}/s, last fifth {last:,.0f}/s:"
            f" {100 * (first - last) / first:+.1f} % slower (mark: 20 %)"
        )
        _import(url, database, count)
        database.dispose()


def _feed(database: Database, events: Iterator[Event], *, connections: int) -> list[float]:
    """The instants at which batches were committed, the start first.

    Each connection sends one batch after the other, as so many partners would. Generating the
    events is counted too.
    """
    turn = Lock()
    committed = [time.perf_counter()]

    def send(_: int) -> None:
        while True:
            with turn:
                chunk = list(islice(events, BATCH_EVENTS))
            if not chunk:
                return
            batch = Batch(chunk, "benchmark", datetime.now(UTC))
            answers = database.transact(lambda session, batch=batch: record(session, batch))
            committed.append(time.perf_counter())
            assert all(answer.decision == "verified" for answer in answers)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, range(connections)))
    return committed


def _rate(committed: list[float]) -> float:
    """Events a second between the first and the last of these commits."""
    return (len(committed) - 1) * BATCH_EVENTS / (committed[-1] - committed[0])


def _import(url: str, database: Database, count: int) -> None:
    """The same number of rides from a file, by the command line in a process of its own."""
    holders = [uuid4() for _ in range(10_000)]
    now = datetime.now(UTC)

    def prepare(session: Session) -> None:
        demo = session.get_one(Scene, "demo.bike")
        columns = {c.key: getattr(demo, c.key) for c in Scene.__table__.columns}
        session.add(Scene(**{**columns, "code": "bench.bike", "feed_format": "native"}))
        enrol(session, DEMO_PROGRAMME, dict.fromkeys(holders, "310118001"), now=now)

    database.transact(prepare)
    with tempfile.TemporaryDirectory(prefix="tanhui-bench-") as folder:
        file = Path(folder) / "rides.csv"
        with file.open("w", encoding="utf-8") as out:
            out.write("event_id,holder_id,started_at,ended_at,quantity\n")
            for number in range(count):
                start = SPRING + timedelta(minutes=20 * (number // len(holders)))
                end = start + timedelta(minutes=9)
                holder = holders[number % len(holders)]
                out.write(f"r{number},{holder},{start.isoformat()},{end.isoformat()},1\n")
        environ = os.environ | {
            "TANHUI_DATABASE_URL": url,
            "TANHUI_REDIS_URL": "redis://127.0.0.1:1",  # Importing needs none.
            "TANHUI_VAR_DIR": folder,
        }
        tanhui = Path(sys.executable).with_name("tanhui")
        words = [tanhui, "import", file, "--scene", "bench.bike", "--json"]
        begun = time.perf_counter()
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
        took = time.perf_counter() - begun
        assert json.loads(done.stdout)["verified"] == count
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"tanhui import: {count:,} rows, {file.stat().st_size / 1e6:.0f} MB of CSV")
        print(f"  {count / took:,.0f} rows/s, at most {memory:.0f} MiB of memory (mark: 300)")


if __name__ == "__main__":
    main()
