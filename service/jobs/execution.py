"""One run of a job: begun in the records, worked within its bounds, ended in the records."""

import os
import secrets
import socket
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import make_url
from sqlalchemy.orm import Session

from service.admin.log import Act, Actor, record
from service.db import Database
from service.jobs import records
from service.jobs.bounds import Bounds
from service.jobs.records import Begun, Ended
from service.jobs.schedule import Job
from service.services import Services

BOOKS_TIMEOUT_MS = 5_000
# A peer that is gone without a word is noticed within some ten seconds; no matter on a socket file.
_DEAD_PEER = {
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}


class Execution:
    """What a process needs to run jobs. Work and records have connections of their own."""

    def __init__(self, services: Services, *, by_hand: bool) -> None:
        assert services.settings.database_url
        url = make_url(services.settings.database_url)
        url = url.set(query=_DEAD_PEER | dict(url.query))
        plain = url.render_as_string(hide_password=False)
        self.runner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.by_hand = by_hand
        self.books = Database(plain, statement_timeout_ms=BOOKS_TIMEOUT_MS)
        self.services = replace(services, database=Database(plain))
        self.bounds = Bounds(self.services.database.engine)

    def begun(self, job: Job) -> Begun:
        """A run of this job as of now, not yet written down."""
        return records.begun(job.name, self.runner, by_hand=self.by_hand, now=datetime.now(UTC))

    def work(self, job: Job, run: Begun) -> Ended:
        """Do it. Whatever it raises is how the run ended."""
        try:
            with self.bounds.within(job.timeout_s):
                did = job.work(self.services, run.started_at)
                counts = {name: int(count) for name, count in did.items()}
        except BaseException as error:
            if self.by_hand and not isinstance(error, Exception):
                raise  # Ctrl-C or SIGTERM, which come to a command's only thread.
            return Ended(datetime.now(UTC), "failed", {}, records.reason(error))
        return Ended(datetime.now(UTC), "done", counts)

    def end(self, run: Begun, ended: Ended) -> None:
        """Write down how it ended."""
        self.books.transact(lambda session: records.end(session, run, ended))

    def dispose(self) -> None:
        """Close the connections."""
        self.books.dispose()
        self.services.database.dispose()


def once(services: Services, job: Job, *, who: Actor) -> tuple[Begun, Ended]:
    """Run a job now, whoever has the lease; what interrupts it leaves it abandoned.

    That ``who`` began it is in the admin log; how it went is in the job's runs.
    """
    execution = Execution(services, by_hand=True)
    try:
        run = execution.begun(job)

        def begin(session: Session) -> None:
            records.begin(session, run, lease=None)
            about, after = Act("job.run", "job", job.name), {"run_id": run.id}
            record(session, who, about, before=None, after=after, now=run.started_at)

        execution.books.transact(begin)
        try:
            ended = execution.work(job, run)
        except BaseException:  # Ctrl-C, SIGTERM.
            execution.end(run, Ended(datetime.now(UTC), "abandoned", {}))
            raise
        execution.end(run, ended)
        return run, ended
    finally:
        execution.dispose()
