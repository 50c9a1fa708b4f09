"""Runners on a real database: one works, and whatever ends it, another goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, create_engine, select, text

from service.db import owner_engine
from service.jobs import runner
from service.jobs.models import JobRun, JobState
from service.jobs.records import begin, begun
from service.jobs.runner import Runner, Stop
from service.jobs.schedule import Daily, Every, Job
from service.language import Text
from service.services import Services
from tests.emptying import empty

LIMIT_S = 20
BREAK = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = :name AND pid <> pg_backend_pid()
""")
THEFT = text(
    "UPDATE job_lease SET runner = 'thief', expires_at = clock_timestamp() + interval '1 h'"
)
TICK = threading.Event()  # Never set: to wait on.


@pytest.fixture(scope="module")
def url(copied_database) -> Iterator[str]:
    """Of a database of these tests' own: the records of a runner are everybody's."""
    with copied_database() as found:
        yield found


@pytest.fixture
def owner(url) -> Iterator[Engine]:
    engine = owner_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def parts(services, url) -> Iterator[Services]:
    """Where no job has run yet."""
    empty(url, "job_run", "job_state", "job_lease")
    found = Services.connect(replace(services.settings, database_url=url))
    yield found
    found.database.dispose()


class Running(NamedTuple):
    runner: Runner
    stop: Stop
    thread: threading.Thread
    said: list[str]

    @property
    def works(self) -> bool:
        return bool(self.said) and self.said[-1].endswith("works")

    def end(self) -> None:
        self.stop.set()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()


@pytest.fixture
def start(parts) -> Iterator[Callable[..., Running]]:
    """Runners that stop with the test; their terms are short, so that tests are."""
    started = []

    def start(*schedule: Job, ttl_s: float = 2) -> Running:
        said: list[str] = []
        made = Runner(
            parts,
            schedule,
            say=said.append,
            ttl=timedelta(seconds=ttl_s),
            renew_s=0.1,
            poll_s=0.1,
        )
        stop = Stop()
        thread = threading.Thread(target=made.run, args=(stop,))
        thread.start()
        started.append(Running(made, stop, thread, said))
        return started[-1]

    yield start
    for each in started:
        each.end()


def until(true: Callable[[], object]) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=LIMIT_S)
    while not true():
        assert datetime.now(UTC) < deadline
        TICK.wait(0.02)


def a_job(work, *, name="a_job", every_s=1, **more) -> Job:
    return Job(name, Text("任务", "a job"), Every(every_s), work, **more)


def runs(parts, name="a_job") -> list[JobRun]:
    query = select(JobRun).where(JobRun.job == name).order_by(JobRun.id)
    return parts.database.transact(lambda s: s.scalars(query).all())


def state(parts, name="a_job") -> JobState | None:
    return parts.database.transact(lambda s: s.get(JobState, name))


def did(name: str = "did") -> Callable[[Services, datetime], dict[str, int]]:
    return lambda services, now: {name: 1}


@contextmanager
def frozen(running: Running) -> Iterator[None]:
    """As if the process were stopped, or cut off: it neither renews nor hears that it should."""
    original, cut_off = running.runner.lease.take, threading.Event()

    def take() -> bool:
        cut_off.wait(LIMIT_S)
        return original()

    running.runner.lease.take = take
    yield
    running.runner.lease.take = original
    cut_off.set()


def test_of_two_runners_one_works_and_a_stop_hands_over_at_once(parts, start):
    first = start(a_job(did()), ttl_s=600)
    until(lambda: first.works)
    second = start(a_job(did()), ttl_s=600)
    until(lambda: len(runs(parts)) >= 2)
    assert {run.runner for run in runs(parts)} == {first.runner.name}
    assert second.said == []

    first.end()

    assert first.said[-1].endswith("has given the lease back")
    until(lambda: second.works)  # Its predecessor's term had ten minutes to go.
    until(lambda: runs(parts)[-1].runner == second.runner.name)
    whose = [run.runner for run in runs(parts)]
    assert whose == sorted(whose, key=[first.runner.name, second.runner.name].index)


def test_a_runner_that_is_cut_off_starts_nothing_and_the_other_takes_over(parts, start):
    first = start(a_job(did()))
    until(lambda: runs(parts))
    second = start(a_job(did()))
    with frozen(first):
        until(lambda: second.works)
        assert not first.runner.lease.held  # Before the other had it, and with nobody telling it.
        until(lambda: len([r for r in runs(parts) if r.runner == second.runner.name]) >= 2)
    until(lambda: first.said[-1].endswith("has lost the lease and stands by"))
    whose = [run.runner for run in runs(parts)]
    assert whose == sorted(whose, key=[first.runner.name, second.runner.name].index)


def test_a_lease_taken_behind_its_back_stops_new_runs(parts, start):
    """Its own clock says it holds the lease; the database is asked before each run."""
    first = start(a_job(did()), ttl_s=600)
    until(lambda: runs(parts))
    parts.database.transact(lambda s: s.execute(THEFT))
    count = len(runs(parts))

    until(lambda: first.said[-1].endswith("has lost the lease and stands by"))

    assert len(runs(parts)) - count <= 1  # One may have begun just before.


def test_a_failing_job_is_recorded_and_run_again_at_its_next_time(parts, start, caplog):
    calls = []

    def work(services: Services, now: datetime) -> dict[str, int]:
        calls.append(now)
        if len(calls) < 3:
            raise ValueError("no such thing\nat postgresql://me:hush@host/")
        return {"did": 1}

    running = start(a_job(work), a_job(did(), name="other"))

    until(lambda: len(runs(parts)) >= 3 and runs(parts)[2].ended_at)
    outcomes = [(run.outcome, run.error) for run in runs(parts)[:3]]
    assert outcomes == [("failed", "ValueError: no such thing")] * 2 + [("done", None)]
    assert calls[1] - calls[0] >= timedelta(seconds=0.9)
    assert all(run.ended_at >= run.started_at for run in runs(parts)[:3])
    assert runs(parts, "other")[0].outcome == "done"
    assert running.works
    told = [record.message for record in caplog.records if "a_job failed" in record.message]
    assert told == ["jobs: a_job failed: ValueError: no such thing"]


def test_not_even_an_exit_ends_the_runner(parts, start):
    def work(services: Services, now: datetime) -> dict[str, int]:
        raise SystemExit(3)

    running = start(a_job(work))

    until(lambda: len(runs(parts)) >= 2)
    assert {(run.outcome, run.error) for run in runs(parts)[:1]} == {("failed", "SystemExit: 3")}
    assert running.works


def test_a_job_that_does_not_say_what_it_did_has_failed(parts, start):
    start(a_job(lambda services, now: None))

    until(lambda: runs(parts) and runs(parts)[0].ended_at)
    assert runs(parts)[0].outcome == "failed"


def test_a_job_runs_once_at_a_time(parts, start):
    inside, seen, go = [], [], threading.Event()

    def work(services: Services, now: datetime) -> dict[str, int]:
        inside.append(now)
        seen.append(len(inside))
        go.wait(LIMIT_S)
        inside.remove(now)
        return {"did": 1}

    start(a_job(work), a_job(did(), name="other"))
    until(lambda: len(runs(parts, "other")) >= 3)
    assert len(runs(parts)) == 1
    go.set()

    until(lambda: len(runs(parts)) >= 2)
    assert set(seen) == {1}


def test_a_run_that_takes_too_long_fails_at_its_next_statement(parts, start):
    def work(services: Services, now: datetime) -> dict[str, int]:
        while True:
            services.database.transact(lambda s: s.execute(text("SELECT pg_sleep(0.05)")))

    start(a_job(work, timeout_s=1))

    until(lambda: runs(parts) and runs(parts)[0].outcome != "running")
    assert runs(parts)[0].error == "RunTooLong: not done in 1 s"


def test_runs_of_a_killed_runner_are_abandoned_and_begun_again_at_once(parts, start):
    """Though its time of day is long past: what was begun is brought to an end."""
    late = datetime.now(UTC) - timedelta(hours=2)
    job = Job("a_job", Text("任务", "a job"), Daily(late.hour, late.minute), did(), grace_s=1)
    left = begun("a_job", "killed", by_hand=False, now=late)
    parts.database.transact(lambda s: begin(s, left, lease=None))

    start(job)

    until(lambda: len(runs(parts)) == 2 and runs(parts)[1].ended_at)
    assert [run.outcome for run in runs(parts)] == ["abandoned", "done"]


def test_what_came_due_while_nobody_worked_is_caught_up(parts, start):
    late = datetime.now(UTC) - timedelta(hours=2)

    def daily(name: str, grace_s: int) -> Job:
        return Job(name, Text("任务", name), Daily(late.hour, late.minute), did(), grace_s=grace_s)

    start(daily("within", 3 * 3600), daily("beyond", 3600), a_job(did(), name="other"))

    until(lambda: runs(parts, "within") and len(runs(parts, "other")) >= 2)
    assert len(runs(parts, "within")) == 1
    assert runs(parts, "beyond") == []


def test_a_stop_lets_a_short_run_end(parts, start):
    began, go = threading.Event(), threading.Event()

    def work(services: Services, now: datetime) -> dict[str, int]:
        began.set()
        go.wait(LIMIT_S)
        return {"did": 1}

    running = start(a_job(work))
    assert began.wait(LIMIT_S)
    running.stop.set()
    threading.Timer(0.3, go.set).start()
    running.end()

    assert [run.outcome for run in runs(parts)] == ["done"]


def test_a_stop_cancels_a_long_run_and_hands_over(parts, start, monkeypatch):
    monkeypatch.setattr(runner, "FINISH_S", 0.2)
    began = threading.Event()

    def work(services: Services, now: datetime) -> dict[str, int]:
        began.set()
        services.database.transact(lambda s: s.execute(text("SELECT pg_sleep(25)")))
        return {"did": 1}

    running = start(a_job(work, every_s=60), ttl_s=600)
    assert began.wait(LIMIT_S)
    other = start(a_job(did(), every_s=60), ttl_s=600)
    running.end()

    until(lambda: other.works)
    until(lambda: len(runs(parts)) == 2 and runs(parts)[1].ended_at)
    assert [run.outcome for run in runs(parts)] == ["abandoned", "done"]


def test_a_stop_does_not_wait_for_a_run_that_cannot_be_cancelled(parts, start, monkeypatch):
    monkeypatch.setattr(runner, "FINISH_S", 0.2)
    monkeypatch.setattr(runner, "CANCELLED_S", 0.2)
    began, go = threading.Event(), threading.Event()

    def work(services: Services, now: datetime) -> dict[str, int]:
        began.set()
        go.wait(LIMIT_S)
        return {"did": 1}

    running = start(a_job(work))
    assert began.wait(LIMIT_S)
    running.end()

    assert [run.outcome for run in runs(parts)] == ["abandoned"]
    go.set()
    until(lambda: runs(parts)[0].outcome == "done")  # Told as it ended after all.


def test_connections_that_break_are_survived(parts, start, owner):
    """All of them at once, in the middle of a run, too."""
    began = threading.Event()

    def slow(services: Services, now: datetime) -> dict[str, int]:
        began.set()
        services.database.transact(lambda s: s.execute(text("SELECT pg_sleep(0.3)")))
        return {"did": 1}

    running = start(a_job(slow), a_job(did(), name="other"))
    assert began.wait(LIMIT_S)
    with owner.connect() as connection:
        connection.execute(BREAK, {"name": owner.url.database})
    for name in ("a_job", "other"):
        count = len(runs(parts, name))
        until(lambda n=name, c=count: len([r for r in runs(parts, n) if r.ended_at]) >= c + 2)
    assert running.works
    until(lambda: "running" not in {run.outcome for run in runs(parts)[:-1]})
    assert runs(parts)[-2].outcome == "done"


def test_a_database_that_is_away_is_waited_for(parts, start, urls, caplog):
    """Nobody may connect: one line, no end, and work again when it is back."""
    running = start(a_job(did()), ttl_s=1)
    until(lambda: runs(parts))
    name = parts.database.engine.url.database
    server = create_engine(urls["server"], isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        connection.execute(BREAK, {"name": name})
        until(lambda: running.said[-1].endswith("has lost the lease and stands by"))
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    server.dispose()

    until(lambda: running.works)
    count = len(runs(parts))
    until(lambda: len(runs(parts)) >= count + 2)
    away_lines = [r.message for r in caplog.records if "does not answer" in r.message]
    assert len(away_lines) == 1


def test_idle_runs_leave_a_count(parts, start):
    start(a_job(lambda services, now: {"did": 0}))

    until(lambda: (found := state(parts)) and found.idle_runs >= 2)
    assert [run for run in runs(parts) if run.outcome != "running"] == []


def test_one_row_is_the_lease(parts, start):
    running = start(a_job(did()))
    until(lambda: running.works)

    query = text("SELECT name, runner FROM job_lease")
    rows = parts.database.transact(lambda s: s.execute(query).all())
    assert [tuple(row) for row in rows] == [("jobs", running.runner.name)]
