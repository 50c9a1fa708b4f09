"""``tanhui jobs run`` beside a server (``service.jobs.beside``): ends with it, however it ends."""

import os
import signal
import sys
import threading

from service.cli import main


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent never writes to, and that ends when it dies."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv[1:] = ["jobs", "run"]
    main()
