"""Jobs in processes that are killed: where a kill is to come, and where it came.

Run as a program it is the mother: she has all modules loaded and forks a child for each life, so
that a life costs no start-up. A child works the jobs in small batches, tells each phase it enters,
and waits at the point where it is to be killed, so that no phase is too short to be hit.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from ledgers import slices
from ledgers.log import sealing
from ledgers.log.tiles import LogFolder
from service.jobs import work
from service.services import Services
from service.settings import Settings

# Each phase's job, and how many points it has in a life at least: statements, commits, files opened
# or moved.
PHASES = {
    "sequencing": ("seal_log", 12),
    "reading": ("seal_log", 12),
    "files": ("seal_log", 20),
    "signing": ("seal_log", 4),  # The files are there, the checkpoint is not yet committed.
    "unpublished": ("seal_log", 8),  # It is committed, and not yet to be seen.
    "publishing": ("seal_log", 10),
    "lapsing": ("lapse_lots", 35),
    "holds": ("lapse_holds", 15),
    "vouchers": ("expire_vouchers", 20),
    "snapshots": ("snapshot_balances", 20),
    "folding": ("fold_system_accounts", 12),
}
BETWEEN = "between"
JOBS = sorted({job for job, _ in PHASES.values()})
# Small batches, of the job that is to be killed alone: the others have its backlog to work off.
LEAVES_MAX, ACCOUNTS_MAX, HOLDS_MAX, POSTINGS_MAX, ACCOUNTS_A_SLICE = 40, 8, 4, 20, 100
VOUCHERS_MAX = 3
LIFE_S = 60
ROUNDS_MAX = 20


@dataclass(frozen=True, slots=True)
class Life:
    """Work the jobs at ``now``, in an order drawn from ``seed``, to the ``nth`` point of a phase;
    the kill comes there (None), or so many seconds after it.
    """

    now: str
    seed: int
    phase: str
    nth: int
    later_s: float | None


def lives(count: int, source: random.Random, now: Callable[[], datetime]) -> Iterator[Life]:
    """Each phase in turn, at any of its points; first exactly there, next time some time later."""
    for number in range(count):
        turn, place = divmod(number, len(PHASES))
        phase, (_, points) = list(PHASES.items())[place]
        later = source.uniform(0, 0.004) if turn % 2 else None
        nth = source.randint(1, points)
        yield Life(now().isoformat(), source.getrandbits(30), phase, nth, later)


class Mother:
    """The driver's side."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TANHUI_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.killing"],
            cwd=Path(__file__).parents[2],
            env={**inherited, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )

    def live(self, life: Life) -> str:
        """Let a child live and kill it; answers the phase that it died in."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asdict(life)) + "\n")
        pid, phase, said = 0, BETWEEN, []
        for line in stdout:
            match line.split():
                case ["@begun", number]:
                    pid = int(number)
                case ["@here"]:
                    if life.later_s is not None:
                        stdin.write("\n")
                        time.sleep(life.later_s)
                    os.kill(pid, signal.SIGKILL)
                case ["@in", entered]:
                    phase = entered
                case ["@ended", status]:
                    assert int(status) == -signal.SIGKILL, f"{life} ended {status}: {''.join(said)}"
                    return phase
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


# --- The mother's and the children's side ---------------------------------------------------------


def _tell(line: str) -> None:
    os.write(1, f"@{line}\n".encode())


def _bear() -> None:
    for line in sys.stdin:
        if line.isspace():  # What would have let a child go on who did not come to read it.
            continue
        pid = os.fork()
        if pid == 0:
            _live(Life(**json.loads(line)))
        _, status = os.waitpid(pid, 0)
        _tell(f"ended {os.waitstatus_to_exitcode(status)}")


def _live(life: Life) -> None:
    signal.alarm(LIFE_S)
    _tell(f"begun {os.getpid()}")
    services = Services.connect(Settings.from_env())
    _Watch(life).over(services)
    jobs, now = list(JOBS), datetime.fromisoformat(life.now)
    random.Random(life.seed).shuffle(jobs)  # noqa: S311
    for _ in range(ROUNDS_MAX):
        for job in jobs:
            getattr(work, job)(services, now)
    raise SystemExit(f"{life.phase} has no point {life.nth}")


class _Watch:
    """Knows in which phase the child is, and stops it at its last point."""

    def __init__(self, life: Life) -> None:
        self._life, self._left, self._phase = life, life.nth, BETWEEN

    def over(self, services: Services) -> None:
        """Put small batches and marks around what the jobs call; what they do stays."""
        self._mark(sealing, "sequence", "sequencing", leaves_max=LEAVES_MAX)
        self._mark(sealing, "seal", "reading", leaves_max=LEAVES_MAX)
        self._mark(LogFolder, "append", "files", then="signing")
        self._mark(LogFolder, "publish", "publishing")
        self._mark(work, "lapse_due", "lapsing", limit=ACCOUNTS_MAX)
        self._mark(work, "lapse_due_holds", "holds", limit=HOLDS_MAX)
        self._mark(work, "expire_due", "vouchers", limit=VOUCHERS_MAX)
        self._mark(work, "take_slice", "snapshots")
        self._mark(work, "fold", "folding", postings_max=POSTINGS_MAX)
        if self._life.phase == "snapshots":
            slices.ACCOUNTS_A_SLICE = ACCOUNTS_A_SLICE
        engine = services.database.engine
        event.listen(engine, "before_cursor_execute", lambda *_: self._pass())
        event.listen(engine, "commit", lambda _: self._pass())
        event.listen(Session, "after_commit", lambda _: self._committed())
        sys.addaudithook(lambda name, _: self._pass() if name in {"open", "os.rename"} else None)

    def _mark(self, owner: Any, name: str, phase: str, *, then: str = "", **bounds: int) -> None:
        act = getattr(owner, name)
        if PHASES[phase][0] != PHASES[self._life.phase][0]:
            bounds = {}

        @wraps(act)
        def marked(*args: Any, **kwargs: Any) -> Any:
            self._enter(phase)
            answer = act(*args, **kwargs, **bounds)
            if then:
                self._enter(then)
            return answer

        setattr(owner, name, marked)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        _tell(f"in {phase}")

    def _committed(self) -> None:
        self._enter("unpublished" if self._phase == "signing" else BETWEEN)
        self._pass()

    def _pass(self) -> None:
        """A point: the last one of this life is told, and the child goes on when it is let."""
        if self._phase == self._life.phase:
            self._left -= 1
            if self._left == 0:
                _tell("here")
                os.read(0, 1)


if __name__ == "__main__":
    _bear()
