"""Sealing: leaves a second on one core, and what intake loses while a job seals what it posts.

(a) A million transfers wait; they are sequenced, sealed and published in the job's batches, with
this process and PostgreSQL's own bound to the same core. (b) Intake with one connection, in turns
with and without a sealing process beside it, on all cores.
Usage: ``python -m benchmarks.sealing [EVENTS]``.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from activities.events import Batch, Event
from activities.intake import record
from benchmarks.intake import BATCH_EVENTS, enrol_residents, generated
from benchmarks.machine import fresh_database, machine
from ledgers.log.sealing import publish, seal, sequence
from ledgers.log.tiles import LogFolder
from service import garbage
from service.db import Database

ORIGIN = "bench.example/log"
EVERY_S = 2  # As the schedule has it.
TURNS = 6


def run_job(database: Database, folder: LogFolder, key: Ed25519PrivateKey) -> list[float]:
    """Batches until nothing waits; leaves a second of each full one."""
    rates = []
    while True:
        begun = time.perf_counter()
        database.transact(lambda s: sequence(s, ORIGIN))
        leaves = database.transact(lambda s: seal(s, folder, key, ORIGIN, now=datetime.now(UTC)))
        database.transact(lambda s: publish(s, folder, ORIGIN))
        if leaves == 0:
            return rates
        if leaves > 40_000:
            rates.append(leaves / (time.perf_counter() - begun))


@contextmanager
def one_core(database: Database) -> Iterator[None]:
    """Bind this process and PostgreSQL's (its new connections too) to one core."""
    with database.engine.connect() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    postmaster = int(Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [os.getpid(), postmaster, *map(int, children)]
    before = os.sched_getaffinity(0)
    _bind(processes, {min(before)})
    database.dispose()
    try:
        yield
    finally:
        database.dispose()
        _bind(processes, before)


def _bind(processes: list[int], cores: set[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):  # A connection's, which has ended.
            os.sched_setaffinity(process, cores)


def feed(database: Database, events: Iterator[Event], count: int) -> float:
    """Events a second of intake with one connection."""
    begun = time.perf_counter()
    for _ in range(count // BATCH_EVENTS):
        batch = Batch(list(islice(events, BATCH_EVENTS)), "benchmark", datetime.now(UTC))
        database.transact(lambda session, batch=batch: record(session, batch))
    return count / (time.perf_counter() - begun)


@contextmanager
def sealer(url: str, folder: Path) -> Iterator[None]:
    """A process beside this one that seals every two seconds."""
    command = [sys.executable, "-m", "benchmarks.sealing", "--seal", url, str(folder)]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def seal_for_ever(url: str, folder: str) -> None:
    """The process of ``sealer``."""
    garbage.settle()
    database, key = Database(url), Ed25519PrivateKey.from_private_bytes(b"b" * 32)
    while True:
        begun = time.monotonic()
        run_job(database, LogFolder(Path(folder)), key)
        time.sleep(max(EVERY_S - (time.monotonic() - begun), 0))


def main() -> None:
    """Run and print."""
    if sys.argv[1:2] == ["--seal"]:
        seal_for_ever(*sys.argv[2:4])
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600_000
    print(machine())
    with fresh_database() as url, tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        database, key = Database(url), Ed25519PrivateKey.from_private_bytes(b"b" * 32)
        holders = enrol_residents(database)
        garbage.settle()
        events = generated(holders, 3 * count)
        feed(database, events, count)  # A million transfers and more.
        folder = Path(place) / "log"
        with one_core(database):
            rates = run_job(database, LogFolder(folder), key)
        print(f"sealing, client and server on one core, {len(rates)} batches of some 50,000:")
        print(f"  median {statistics.median(rates):,.0f} leaves/s (mark: 60,000),"
              f" the first, for new residents, {rates[0]:,.0f}")  # fmt: skip
        alone, beside = [], []
        for turn in range(TURNS):
            alone.append(feed(database, events, count // TURNS))
            run_job(database, LogFolder(folder), key)
            with sealer(url, folder):
                time.sleep(EVERY_S)  # It has started.
                beside.append(feed(database, events, count // TURNS))
            run_job(database, LogFolder(folder), key)
            print(f"  turn {turn + 1}: alone {alone[-1]:,.0f}, beside a sealer {beside[-1]:,.0f}")
        slower = 1 - statistics.median(beside) / statistics.median(alone)
        print(
            f"intake, one connection: {slower:+.1%} slower while its postings are sealed"
            " (mark: 25 %)"
        )
        database.dispose()


if __name__ == "__main__":
    main()
