"""A process that sums districts in children, each killed by SIGKILL at a statement or a commit.

``python -m tests.service.districts.folding URL SEED``: until nothing is left to sum; then says how
many children died.
"""

import os
import random
import signal
import sys

from sqlalchemy import event

from service.db import Database
from service.districts.rollups.summing import fold

LEAVES_MAX = 6
STATEMENTS_MAX = 45  # A batch has some fifteen statements, so that most children finish one or two.


def sum_until_killed(url: str, nth: int) -> None:
    """The child: dies at the ``nth`` statement or commit; ends where nothing is left before."""
    database, left = Database(url), nth

    def passed(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", passed)
    event.listen(database.engine, "commit", passed)
    while database.transact(lambda session: fold(session, leaves_max=LEAVES_MAX)):
        pass


def main() -> None:
    """The mother; she has no connection, so that a child inherits none."""
    url, source, died = sys.argv[1], random.Random(int(sys.argv[2])), 0  # noqa: S311
    while True:
        nth = source.randint(1, STATEMENTS_MAX)
        pid = os.fork()
        if pid == 0:
            sum_until_killed(url, nth)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        died += 1
    print(died)


if __name__ == "__main__":
    main()
