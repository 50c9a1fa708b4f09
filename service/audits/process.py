"""A process of its own for audits: statements of theirs may last for as long as it takes, which a
job's may not (``service.jobs.bounds``).

It ends with the job runner that began it, however that ends. What it then leaves half-done, the
next one takes over (``service.audits.working``).
"""

import multiprocessing
import os
import signal
import threading

from service.audits.working import work_off
from service.services import Services
from service.settings import Settings

NAME = "tanhui-audit"
_SPAWN = multiprocessing.get_context("spawn")  # A copy of the runner's threads would do harm.


def begin(settings: Settings) -> bool:
    """Have one work off what waits, unless one of this process's is at it already."""
    if any(child.name == NAME for child in multiprocessing.active_children()):
        return False
    _SPAWN.Process(target=_work, args=(settings,), name=NAME, daemon=True).start()
    return True


def _work(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's, which ends us in turn.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    services = Services.connect(settings)
    try:
        work_off(services)
    finally:
        services.database.dispose()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
