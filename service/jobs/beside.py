"""A job runner beside the server of the default set-up: its child, kept alive while it serves.

A runner that ends is started again, at once and then after a delay that doubles up to a minute.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# -P: a folder named "service" where the operator happens to be is not ours.
COMMAND = (sys.executable, "-P", "-m", "service.jobs")
STOP_S = 15
DELAY_FIRST_S, DELAY_MAX_S = 1.0, 60.0


@contextmanager
def runner(environ: Mapping[str, str], say: Callable[[str], None]) -> Iterator[None]:
    """Have one run meanwhile, by the settings of ``environ``; ``say`` gets a line if it ends."""
    child = _Child(environ, say)
    child.start()
    try:
        yield
    finally:
        child.stop()


class _Child:
    def __init__(self, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._environ, self._say = environ, say
        self._stopping = threading.Event()
        self._starting = threading.Lock()  # So that none is started behind a stop.
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._popen()
        self._keeper.start()

    def stop(self) -> None:
        with self._starting:
            self._stopping.set()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._keeper.join()
        self._close()

    def _popen(self) -> None:
        self._since = time.monotonic()
        self._process = subprocess.Popen(
            COMMAND,
            env=self._environ,
            stdin=subprocess.PIPE,  # Never written to: it ends with us, and the child with it.
            start_new_session=True,  # Ctrl-C is for the server, which stops it in its turn.
        )

    def _keep(self) -> None:
        delay_s = DELAY_FIRST_S
        while True:
            status = self._process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - self._since > DELAY_MAX_S:
                delay_s = DELAY_FIRST_S
            self._say(f"the job runner ended ({status}); starting it again in {delay_s:g} s")
            if self._stopping.wait(delay_s):
                return
            delay_s = min(2 * delay_s, DELAY_MAX_S)
            with self._starting:
                if self._stopping.is_set():
                    return
                self._close()
                self._popen()

    def _close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
