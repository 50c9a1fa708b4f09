"""The job runner that ``tanhui serve`` of the default set-up has beside it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from service import embedded
from service.jobs import beside

TANHUI = Path(sys.executable).with_name("tanhui")
WORKS, GAVE_BACK = "has the lease and works", "has given the lease back"
TICK = threading.Event()  # Never set: to wait on.


def until(true: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        TICK.wait(0.05)


class Served:
    """A running ``tanhui serve`` with servers of its own; what it and its child say."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("TANHUI_")} | {
            "TANHUI_VAR_DIR": str(folder / "var"),
            "TANHUI_PORT": str(self.port),
            "TANHUI_WORKERS": "1",
        }
        self.said = folder / "said"
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [TANHUI, "serve"],
                env=self.environ, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def lines(self, ending: str) -> list[str]:
        assert self.process.poll() is None, self.said.read_text(encoding="utf-8")
        return self.all_lines(ending)

    def all_lines(self, ending: str) -> list[str]:
        lines = self.said.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.endswith(ending)]

    def runner_pid(self) -> int:
        """Of the last runner that said it works."""
        return int(self.lines(WORKS)[-1].split()[2].split(":")[-2])


@pytest.fixture
def served(tmp_path) -> Iterator[Served]:
    made, var_dir = Served(tmp_path), tmp_path / "var"
    yield made
    if made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
    made.process.wait()
    with embedded.postgres(var_dir), embedded.redis(var_dir):
        pass  # Whoever leaves last stops them.
    shutil.rmtree(embedded.fallback(var_dir), ignore_errors=True)


def test_it_works_beside_the_server_and_stops_with_it(served):
    until(lambda: served.lines(WORKS) and served.lines("(Ctrl-C stops)"))

    served.process.send_signal(signal.SIGINT)

    assert served.process.wait(40) == 0
    assert len(served.all_lines(GAVE_BACK)) == 1


def test_it_ends_with_a_server_that_is_killed(served):
    until(lambda: served.lines(WORKS))

    os.killpg(served.process.pid, signal.SIGKILL)  # The runner is in a session of its own.
    served.process.wait()

    until(lambda: served.all_lines(GAVE_BACK))


def test_when_it_dies_it_is_said_and_started_again(fresh_database_url, urls, owner, tmp_path):
    environ = dict(os.environ) | {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path),
        "PGAPPNAME": "a runner",
    }
    holder = text("SELECT runner FROM job_lease")
    others = text(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'a runner' AND query = 'COMMIT'"
    )

    def scalar(query: TextClause) -> Any:
        with owner.connect() as connection:
            return connection.scalar(query)

    said: list[str] = []
    with beside.runner(environ, said.append):
        until(lambda: scalar(holder))
        os.kill(int(scalar(holder).split(":")[-2]), signal.SIGKILL)
        until(lambda: said)
        until(lambda: scalar(others) is None)
        until(lambda: scalar(others))  # It asks for the lease, which has its time to run out.
    assert said == ["the job runner ended (-9); starting it again in 1 s"]
    until(lambda: scalar(others) is None)
