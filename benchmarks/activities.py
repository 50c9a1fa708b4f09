"""Activities: simulated mixed behaviours under the full rule set, as partners' batches of NDJSON.

The events are generated ahead into files, in the order in which they would arrive. Two processes,
as the service has two workers, each take a file through the core of the partners' door: read and
check its lines, ``receive``, write the answers; all but HTTP and the signature. The files of the
app's scenes, which have no partner, go to ``record``. Prints events a second, the last fifth
against the first, and then `tanhui import` of one scene's file on a terminal, with its progress bar
and its memory. fsync is on; the server is the default one, in a folder of its own.
Usage: ``python -m benchmarks.activities [EVENTS]``.
"""

import json
import multiprocessing
import os
import pty
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text

from activities.catalogue.loading import load
from activities.events import Answer, Batch, Event
from activities.intake import record
from benchmarks.detection import PROGRAMME, room_for
from benchmarks.machine import fresh_database, machine
from service import garbage
from service.db import Database
from service.feeds.answers import body_of
from service.feeds.batches import Sent, get_feed, receive
from service.feeds.bodies import lines_of
from service.identity.keyring import Keyring
from service.simulation.city import METRO, City, read_city
from service.simulation.files import line
from service.simulation.people import Resident
from service.simulation.recording import check, settle
from service.simulation.stream import Plan, simulate

WORKERS = 2  # As the service has.
DAYS = 28
EVENTS_A_DAY = 2.3  # Of a resident, about.
FIRST_DAY = date(2026, 3, 2)
SEED = 11
IMPORT_DAYS = 5  # All fresh enough, whenever this is run.
IMPORT_RIDES = 6  # Of a rider in these days, about.
RATE_MARK, SLOWER_MARK, IMPORT_MARK, MEMORY_MARK = 12_000, 15, 10_000, 300
# Nobody is looked up: the events name their holders.
_KEYRING = Keyring.from_text(f"k1:{'0' * 64},index:{'0' * 64}")
_decode = msgspec.json.Decoder(Event).decode


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    garbage.settle()  # As the service does at its start.
    print(machine())
    city = read_city(PROGRAMME)
    residents = max(100, int(count / DAYS / EVENTS_A_DAY))
    plan = Plan(city, residents, DAYS + 14, SEED, FIRST_DAY, crime=False)
    people = plan.people()
    with (
        fresh_database() as url,
        tempfile.TemporaryDirectory(prefix="tanhui-bench-") as made,
    ):
        folder = Path(made)
        database = Database(url)
        room_for(url, FIRST_DAY)
        database.transact(lambda session: load(session, now=datetime.now(UTC)))
        check(database, plan)
        settle(database, plan, people)
        batches = _written(plan, people, folder, count)
        _record(url, database, batches)
        _import(url, database, city, folder, max(count // 4, 1_000))
        database.dispose()


class Task(NamedTuple):
    """A file, the instant of its arrival, and its scene if it comes by the partners' door."""

    number: int
    path: Path
    arrived: float
    scene: str | None


def _written(plan: Plan, people: list[Resident], folder: Path, count: int) -> list[Task]:
    """A file for each delivery, as large or small as a partner would send it, with the instant of
    its arrival, in that order.
    """
    partners = {s.code for s in plan.city.scenes.values() if s.channel != "app"}
    batches: list[Task] = []
    events = 0
    for received_at, scene, acts in simulate(plan, people):
        chunk = acts[: count - events]
        by_partner = scene in partners
        path = folder / f"{len(batches):06}.ndjson"
        path.write_bytes(
            b"".join(
                line(event) if by_partner else msgspec.json.encode(event) + b"\n"
                for event, _ in chunk
            )
        )
        arrived = received_at.timestamp()
        batches.append(Task(len(batches), path, arrived, scene if by_partner else None))
        events += len(chunk)
        if events >= count:
            break
    return batches


class Done(msgspec.Struct, array_like=True):
    """What a worker says of one batch."""

    number: int
    events: int
    committed_at: float
    codes: dict[str, int]


def _work(url: str, batches: Any, results: Any) -> None:
    """Batches from a queue to the database, until there is a None."""
    garbage.settle()
    database = Database(url)
    database.transact(lambda session: session.execute(text("SELECT 1")))
    results.put(None)  # Ready.
    while (task := batches.get()) is not None:
        answers = _by_partner(database, task) if task.scene else _by_app(database, task)
        codes = dict(Counter(answer.code for answer in answers))
        results.put(Done(task.number, len(answers), time.monotonic(), codes))
    results.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    database.dispose()


def _by_partner(database: Database, task: Task) -> list[Answer]:
    """As the view does it."""
    body = task.path.read_bytes()
    received_at = datetime.fromtimestamp(task.arrived, UTC)
    sent = Sent(str(task.number), 1, body, lines_of(body), received_at)
    receipt = database.transact(
        lambda session: receive(session, get_feed(session, _KEYRING, task.scene), sent)
    )
    body_of(receipt, "zh-CN")
    assert not receipt.unreadable
    return [answer for _, _, answer in receipt.outcomes]


def _by_app(database: Database, task: Task) -> list[Answer]:
    events = [_decode(row) for row in task.path.read_bytes().splitlines()]
    batch = Batch(events, "app", datetime.fromtimestamp(task.arrived, UTC))
    return database.transact(lambda session: record(session, batch))


def _record(url: str, database: Database, batches: list[Task]) -> None:
    processes = multiprocessing.get_context("spawn")
    tasks: Any = processes.Queue()
    results: Any = processes.Queue()
    workers = [processes.Process(target=_work, args=(url, tasks, results)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert results.get() is None
    begun = time.monotonic()
    for task in batches:
        tasks.put(task)
    for _ in workers:
        tasks.put(None)
    done: list[Done] = []
    memory: list[float] = []
    while len(memory) < WORKERS:
        said = results.get()
        (done if isinstance(said, Done) else memory).append(said)
    for worker in workers:
        worker.join()
    _told(begun, done, memory, database)


def _told(begun: float, done: list[Done], memory: list[float], database: Database) -> None:
    done.sort(key=lambda each: each.committed_at)
    events = sum(each.events for each in done)
    codes = Counter()
    for each in done:
        codes.update(each.codes)
    with database.engine.connect() as connection:
        transfers = connection.scalar(text("SELECT count(*) FROM transfer"))
    rate = events / (done[-1].committed_at - begun)
    first, last = _rates(begun, done)
    print(f"record: {events:,} events in {len(done):,} batches, {transfers:,} transfers in all")
    print("  " + ", ".join(f"{number:,} {code}" for code, number in codes.most_common()))
    print(f"  {WORKERS} processes: {rate:,.0f} events/s (mark: {RATE_MARK:,})")
    print(
        f"    first fifth {first:,.0f}/s, last fifth {last:,.0f}/s:"
        f" {100 * (first - last) / first:+.1f} % slower (mark: {SLOWER_MARK} %)"
    )
    print(f"    at most {max(memory):.0f} MiB of memory in a process")


def _rates(begun: float, done: list[Done]) -> tuple[float, float]:
    """Events a second of the first fifth of the events, and of the last."""
    events = sum(each.events for each in done)
    marks = [(begun, 0)]
    for each in done:
        marks.append((each.committed_at, marks[-1][1] + each.events))
    fifth = next(mark for mark in marks if mark[1] >= events / 5)
    rest = next(mark for mark in marks if mark[1] >= events * 4 / 5)
    first = fifth[1] / (fifth[0] - begun)
    last = (events - rest[1]) / max(marks[-1][0] - rest[0], 1e-9)
    return first, last


def _import(url: str, database: Database, city: City, folder: Path, count: int) -> None:
    """`tanhui import` of metro rides of the last days, with its progress bar on a terminal."""
    scene = city.scene(METRO, "operator")
    assert scene is not None
    first_day = datetime.now(city.zone).date() - timedelta(days=IMPORT_DAYS)
    plan = Plan(city, max(100, count), IMPORT_DAYS, SEED + 1, first_day, crime=False)
    riders = [who for who in plan.people() if who.commute == METRO and who.reporter == "operator"]
    riders = riders[: max(50, count // IMPORT_RIDES)]
    settle(database, plan, riders)
    file = folder / "rides.ndjson"
    rows = 0
    with file.open("wb") as out:
        for delivery in simulate(plan, riders):
            if delivery.scene == scene.code:
                chunk = delivery.acts[: count - rows]
                out.write(b"".join(line(act.event) for act in chunk))
                rows += len(chunk)
    environ = os.environ | {
        "TANHUI_DATABASE_URL": url,
        "TANHUI_REDIS_URL": "redis://127.0.0.1:1",  # Importing needs none.
        "TANHUI_VAR_DIR": str(folder),
    }
    tanhui = Path(sys.executable).with_name("tanhui")
    words = [tanhui, "import", file, "--scene", scene.code, "--json"]
    begun = time.perf_counter()
    done, memory_kib = _on_terminal(words, environ)
    took = time.perf_counter() - begun
    verified = json.loads(done)["verified"]
    assert verified > 0.95 * rows, done
    megabytes = file.stat().st_size / 1e6
    print(f"tanhui import: {rows:,} rows ({verified:,} verified), {megabytes:.0f} MB of NDJSON")
    print(f"  {rows / took:,.0f} rows/s with its start and its bar (mark: {IMPORT_MARK:,})")
    print(f"  at most {memory_kib / 1024:.0f} MiB of memory (mark: {MEMORY_MARK})")


def _on_terminal(words: list[Any], environ: dict[str, str]) -> tuple[str, int]:
    """What a command prints, and its peak memory in KiB; its standard error is a terminal, and so
    has a progress bar.
    """
    ours, its = pty.openpty()
    seen: list[bytes] = []
    peak_kib = [0]

    def drain() -> None:
        with suppress(OSError):  # The terminal's other end is closed, or the process gone.
            while chunk := os.read(ours, 65_536):
                seen.append(chunk[:200])
                peak_kib.append(_peak_kib(run.pid))

    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=its, text=True) as run:
        os.close(its)
        reader = threading.Thread(target=drain, daemon=True)
        reader.start()
        assert run.stdout is not None
        out = run.stdout.read()
    reader.join()
    os.close(ours)
    assert run.returncode == 0, b"".join(seen).decode()
    assert b"%" in b"".join(seen), "no progress bar was drawn"
    return out, max(peak_kib)


def _peak_kib(pid: int) -> int:
    """The most memory that a process had; what ``wait4`` tells counts this one's, before it became
    that.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM"))


if __name__ == "__main__":
    main()
