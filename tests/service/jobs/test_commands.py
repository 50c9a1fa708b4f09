"""``tanhui jobs`` as operators use it; runners are real processes, killed and stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from service.db import Database, owner_engine
from service.jobs.schedule import SCHEDULE
from tests.emptying import empty
from tests.service.commanding import in_process

TANHUI = Path(sys.executable).with_name("tanhui")
TICK = threading.Event()  # Never set: to wait on.


@pytest.fixture(scope="module")
def url(copied_database) -> Iterator[str]:
    with copied_database() as found:
        yield found


@pytest.fixture(scope="module")
def owner(url) -> Iterator[Engine]:
    engine = owner_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def database(url) -> Iterator[Database]:
    """Where no job has run yet."""
    empty(url, "job_run", "job_state", "job_lease")
    found = Database(url)
    yield found
    found.dispose()


@pytest.fixture
def environ(database, url, urls, tmp_path) -> dict[str, str]:
    clean = {name: v for name, v in os.environ.items() if not name.startswith("TANHUI_")}
    return clean | {
        "TANHUI_DATABASE_URL": url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }


@pytest.fixture
def run(environ):
    return in_process(environ, "jobs")


@pytest.fixture
def start(environ) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Runners; none outlives the test."""
    started = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [TANHUI, "jobs", "run"],
            env=environ | {"PGAPPNAME": f"runner {len(started)}"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(true: Callable[[], object], seconds: float = 30) -> float:
    """How long it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        TICK.wait(0.05)
    return time.monotonic() - began


def holder(database) -> str:
    """Process id of the runner that works, or ''."""
    query = text("SELECT runner FROM job_lease WHERE expires_at > clock_timestamp()")
    return (database.transact(lambda s: s.scalar(query)) or "::").split(":")[-2]


def has_asked(owner, application: str) -> bool:
    """Whether this runner has sent a statement, and has its answer."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = :name AND state = 'idle' AND query = 'COMMIT'"
    )
    with owner.connect() as connection:
        return bool(connection.scalar(query, {"name": application}))


def test_of_two_runners_one_works_and_the_other_takes_over(start, run, database, owner):
    """Within half a minute when it is killed, at once when it is stopped."""
    first = start()
    until(lambda: holder(database) == str(first.pid))
    second = start()
    until(lambda: has_asked(owner, "runner 1"))
    assert holder(database) == str(first.pid)

    first.kill()
    third = start()  # Has come up long before the term of the first is over.
    assert until(lambda: holder(database) not in ("", str(first.pid))) < 30
    works = holder(database)
    assert f":{works}:" in run("list").stdout.splitlines()[-1]

    stopped, other = (second, third) if works == str(second.pid) else (third, second)
    stopped.send_signal(signal.SIGTERM)
    out, _ = stopped.communicate(timeout=15)
    assert stopped.returncode == 0
    assert [line.split(" ", 3)[3] for line in out.splitlines()] == [
        "has the lease and works",
        "has given the lease back",
    ]
    until(lambda: holder(database) == str(other.pid), 8)


def test_list_names_every_job_and_how_it_last_ended(run):
    assert run("once", "forget_runs").returncode == 0

    lines = run("list").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines[1:-1]}
    assert list(rows) == [job.name for job in SCHEDULE]
    assert "hourly at :40 UTC" in rows["forget_runs"]
    assert "forgotten 0; nothing to do for 1 run" in rows["forget_runs"]
    assert "daily at 00:20 UTC" in rows["make_partitions"]
    told = json.loads(run("list", "--json").stdout)
    assert told["lease"] is None
    job = next(job for job in told["jobs"] if job["name"] == "forget_runs")
    assert (job["last"]["outcome"], job["last"]["counts"]) == ("done", {"forgotten": 0})
    assert job["idle_runs"] == 1


def test_once_says_in_a_line_what_it_did(run, owner):
    with owner.begin() as connection:
        connection.execute(text(f"DROP TABLE {last_partition(connection)}"))

    done = run("once", "make_partitions")
    assert re.fullmatch(r"make_partitions: made 1 \(\d+\.\d\d s\)\n", done.stdout)
    again = json.loads(run("once", "make_partitions", "--json").stdout)
    assert (again["outcome"], again["counts"], again["error"]) == ("done", {"made": 0}, None)


def last_partition(connection) -> str:
    query = "SELECT max(relname) FROM pg_class WHERE relname ~ '^activity_2[0-9_]+$'"
    return connection.scalar(text(query))


@pytest.fixture
def member_url(owner, url) -> Iterator[str]:
    """A user who may do what the service may, and does not own the schema."""
    name = f"member_{uuid4().hex[:8]}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'member'"))
        connection.execute(text(f"GRANT tanhui_service TO {name}"))
    member = make_url(url).set(username=name, password="member")
    yield member.render_as_string(hide_password=False)
    with owner.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


def test_once_that_fails_is_one_line_exit_1_and_recorded(run, owner, member_url):
    """The months' tables want the schema's owner."""
    with owner.begin() as connection:
        connection.execute(text(f"DROP TABLE {last_partition(connection)}"))

    for words in (("make_partitions",), ("make_partitions", "--json")):
        done = run("once", *words, TANHUI_DATABASE_URL=member_url)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("tanhui: make_partitions failed: InsufficientPrivilege: ")
    assert json.loads(done.stdout)["outcome"] == "failed"
    job = next(
        job
        for job in json.loads(run("list", "--json").stdout)["jobs"]
        if job["name"] == "make_partitions"
    )
    assert job["last"]["outcome"] == "failed"
    assert job["last"]["error"].startswith("InsufficientPrivilege: ")


def test_an_unknown_job_is_refused_with_the_names(run):
    done = run("once", "no_such_job")

    assert done.returncode == 2
    for job in SCHEDULE:
        assert repr(job.name) in done.stderr


def test_once_that_is_interrupted_is_recorded_as_abandoned(environ, owner, database):
    """It waits for a lock that the test holds."""
    with owner.connect() as connection:
        connection.execute(text("LOCK TABLE job_state IN ACCESS EXCLUSIVE MODE"))
        process = subprocess.Popen([TANHUI, "jobs", "once", "forget_runs"], env=environ)
        query = text("SELECT outcome FROM job_run")
        until(lambda: database.transact(lambda s: s.scalar(query)) == "running")
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        until(lambda: connection.scalar(waiting))
        process.send_signal(signal.SIGTERM)
        connection.rollback()
    process.wait(20)

    outcomes = database.transact(lambda s: s.scalars(query).all())
    assert (process.returncode, outcomes) in [(143, ["abandoned"]), (0, [])]
