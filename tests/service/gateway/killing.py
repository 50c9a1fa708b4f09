"""Redemptions in processes that are killed: at each statement, commit and question to the gateway.

Run as a program it is the mother: she has all modules loaded and forks a child for each life, so
that a life costs no start-up. A child sends one request to the application in it, and waits at the
point where it is to be killed, so that no step is too short to be hit.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from psycopg import Cursor
from sqlalchemy import event
from sqlalchemy.orm import Session

from service.app import create_app
from service.gateway.asking import HttpGateway
from service.settings import Settings

LIFE_S = 60
NEVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Life:
    """Send this, to the ``nth`` point; the kill comes there (None), or so many seconds after."""

    url: str
    body: dict[str, str]
    token: str
    nth: int = NEVER
    later_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How many points were passed, and what was answered; None: it was killed before."""

    points: int
    status: int | None


class Mother:
    """The driver's side."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TANHUI_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.gateway.killing"],
            cwd=Path(__file__).parents[3],
            env={**inherited, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )

    def live(self, life: Life) -> Ended:
        """Let a child live, and kill it where it waits."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asdict(life)) + "\n")
        pid, points, answered, said = 0, 0, None, []
        for line in stdout:
            match line.split():
                case ["@begun", number]:
                    pid = int(number)
                case ["@here"]:
                    points = life.nth
                    if life.later_s is not None:
                        stdin.write("\n")
                        time.sleep(life.later_s)
                    os.kill(pid, signal.SIGKILL)
                case ["@answered", status, passed]:
                    answered, points = int(status), int(passed)
                case ["@ended", status]:
                    assert int(status) in (0, -signal.SIGKILL), f"{life} {status}: {''.join(said)}"
                    return Ended(points, answered)
                case _:
                    said.append(line)
        raise AssertionError("".join(said))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(LIFE_S)
        self._process.stdout.close()


@contextmanager
def mother(environ: Mapping[str, str]) -> Iterator[Mother]:
    found = Mother(environ)
    try:
        yield found
    finally:
        found.close()


def nths(count: int, points: int, source: random.Random) -> list[int]:
    """So many points of a redemption, spread over all of it."""
    return [1 + (points * n + source.randrange(points)) // count for n in range(count)]


# --- The mother's and the children's side ---------------------------------------------------------


def _tell(line: str) -> None:
    os.write(1, f"@{line}\n".encode())


def _bear() -> None:
    app = create_app(Settings.from_env())  # Nobody is contacted yet.
    for line in sys.stdin:
        if line.isspace():  # What would have let a child go on who did not come to read it.
            continue
        pid = os.fork()
        if pid == 0:
            _live(app, Life(**json.loads(line)))
        _, status = os.waitpid(pid, 0)
        _tell(f"ended {os.waitstatus_to_exitcode(status)}")


def _live(app: Any, life: Life) -> None:
    signal.alarm(LIFE_S)
    _tell(f"begun {os.getpid()}")
    watch = _Watch(life)
    watch.over(app.extensions["tanhui"].database.engine)
    headers = {"Authorization": f"Bearer {life.token}"}
    answer = app.test_client().put(life.url, json=life.body, headers=headers)
    _tell(f"answered {answer.status_code} {watch.passed}")
    os._exit(0)


class _Watch:
    """Counts the points, and stops the child at its last one."""

    def __init__(self, life: Life) -> None:
        self._life, self.passed = life, 0

    def over(self, engine: Any) -> None:
        """Before each statement, around each commit and each question to the gateway."""
        self._mark(Cursor, "execute")
        self._mark(HttpGateway, "_ask", after=True)
        event.listen(engine, "commit", lambda _: self._pass())
        event.listen(Session, "after_commit", lambda _: self._pass())

    def _mark(self, owner: Any, name: str, *, after: bool = False) -> None:
        act = getattr(owner, name)

        @wraps(act)
        def marked(*args: Any, **kwargs: Any) -> Any:
            self._pass()
            answer = act(*args, **kwargs)
            if after:
                self._pass()
            return answer

        setattr(owner, name, marked)

    def _pass(self) -> None:
        self.passed += 1
        if self.passed == self._life.nth:
            _tell("here")
            os.read(0, 1)


if __name__ == "__main__":
    _bear()
