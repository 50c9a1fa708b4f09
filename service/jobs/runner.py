"""A runner: works the schedule while it holds the lease, stands by while another does.

Kept true here: no run begins without the lease; an error of a job or an absent database ends
nothing; a stop hands over at once. A run in progress when the lease is lost goes on, which does no
harm: each job is safe to run twice.
"""

import logging
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.jobs import records
from service.jobs.execution import Execution
from service.jobs.lease import LEASE, TTL, Lease
from service.jobs.models import JobState
from service.jobs.records import Begun, Ended
from service.jobs.schedule import SCHEDULE, Job
from service.services import Services

log = logging.getLogger(__name__)
THREADS = 4
RETRY_S = 1  # While the database is away.
FINISH_S, CANCELLED_S = 5, 3  # A stop waits so long for runs, and again once they are cancelled.
BY_HAND_SLACK_S = 300


class Stop:
    """An event that a signal's handler may set: ``threading.Event.set`` could deadlock there."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def set(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._write, b".")

    def wait(self, seconds: float) -> bool:
        """Whether it is set, within so many seconds."""
        return bool(select.select([self._read], [], [], seconds)[0])


class Runner:
    """``run`` is the whole of it. ``say`` gets a line when the lease comes and when it goes."""

    def __init__(
        self,
        services: Services,
        schedule: tuple[Job, ...] = SCHEDULE,
        *,
        say: Callable[[str], None],
        ttl: timedelta = TTL,
        renew_s: float = 4,
        poll_s: float = 3,
        lease: str = LEASE,
    ) -> None:
        assert renew_s < ttl.total_seconds()
        self.schedule = schedule
        self._execution = Execution(services, by_hand=False)
        self.name = self._execution.runner
        self.lease = Lease(self._execution.books, self.name, ttl=ttl, name=lease)
        self._say_to, self._renew_s, self._poll_s = say, renew_s, poll_s
        self._running: dict[str, Begun] = {}
        self._changed = threading.Condition()  # Guards _running.
        self._failing: set[str] = set()
        self._leading = self._away = self._closing = self._gone = False
        self._behind = False  # A time may have passed unseen, or a run have ended unwritten.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # The records tell what ran.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(THREADS)}
        )
        for job in schedule:
            self._scheduler.add_job(
                self._fire,
                job.trigger,
                (job,),
                id=job.name,
                max_instances=1,
                coalesce=True,
                misfire_grace_time=job.grace_s,
            )

    def run(self, stop: Stop) -> None:
        """Work, or stand by, until told to stop; then finish or abandon, and hand over."""
        self._scheduler.start(paused=True)
        try:
            while not stop.wait(self._keep()):
                pass
        finally:
            self._leave()

    def _keep(self) -> float:
        """Take or renew the lease, and act on it; returns the seconds until the next time."""
        try:
            if self.lease.take() and (self._behind or not self._leading):
                self._lead()
        except SQLAlchemyError as error:
            self._behind = True
            if not self._away:
                why = records.reason(error)
                log.warning("jobs: the database does not answer, trying on (%s)", why)
            self._away = True
        else:
            self._away = False
        if self._leading and not self.lease.held:
            self._leading = False
            self._scheduler.pause()
            self._say("has lost the lease and stands by")
        if self._away:
            return min(RETRY_S, self._poll_s)
        return self._renew_s if self._leading else self._poll_s

    def _lead(self) -> None:
        """Begin, or catch up: what others left half-done, and what came due meanwhile."""
        self._behind = False  # First, so that what goes wrong from here on is not forgotten.
        now = datetime.now(UTC)  # Before looking at what is running: see abandon_lost.
        with self._changed:
            in_progress: list[UUID] = [run.id for run in self._running.values()]
        longest_s = max((job.timeout_s for job in self.schedule), default=0) + BY_HAND_SLACK_S

        def look(session: Session) -> dict[str, JobState]:
            records.abandon_lost(
                session,
                runner=self.name,
                in_progress=in_progress,
                now=now,
                by_hand_before=now - timedelta(seconds=longest_s),
            )
            return records.states(session)

        states = self._execution.books.transact(look)
        for job in self.schedule:
            state = states.get(job.name)
            due = job.due_at(state.last_started_at if state else None, now)
            if state and state.last_outcome == "abandoned":
                due = now
            self._scheduler.modify_job(job.name, next_run_time=due)
        if not self._leading:
            self._leading = True
            self._scheduler.resume()
            self._say("has the lease and works")

    def _fire(self, job: Job) -> None:
        with self._changed:
            if job.name in self._running or self._closing or not self.lease.held:
                return
            run = self._running[job.name] = self._execution.begun(job)
        try:
            if self._begin(run):
                self._end(run, self._execution.work(job, run))
        except SQLAlchemyError:  # Whatever was not written is set right by the next _lead.
            self._behind = True
        finally:
            with self._changed:
                del self._running[job.name]
                self._changed.notify_all()
            if self._gone:
                self._execution.dispose()

    def _begin(self, run: Begun) -> bool:
        """Asks the database, too: what this process believes of the lease could be out of date."""
        books, lease = self._execution.books, self.lease.name
        if books.transact(lambda session: records.begin(session, run, lease=lease)):
            return True
        self.lease.lost()
        return False

    def _end(self, run: Begun, ended: Ended) -> None:
        if ended.outcome == "failed":
            if self._execution.bounds.stopped:
                ended = Ended(ended.ended_at, "abandoned", {})
            elif run.job not in self._failing:  # One line, not one every two seconds.
                self._failing.add(run.job)
                log.warning("jobs: %s failed: %s", run.job, ended.error)
        else:
            self._failing.discard(run.job)
        self._execution.end(run, ended)

    def _leave(self) -> None:
        """Bounded: what neither finishes nor lets itself be cancelled is abandoned."""
        with self._changed:
            self._closing = True
        self._scheduler.shutdown(wait=False)
        if not self._all_ended(FINISH_S):
            self._execution.bounds.stop()
            self._all_ended(CANCELLED_S)
        with self._changed:
            left = list(self._running.values())
        with suppress(SQLAlchemyError):
            for run in left:
                self._execution.end(run, Ended(datetime.now(UTC), "abandoned", {}))
            self.lease.release()
        self._gone = True
        self._execution.dispose()
        if self._leading:
            self._say("has given the lease back")

    def _all_ended(self, within_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, within_s)

    def _say(self, what: str) -> None:
        with suppress(OSError):  # Nobody reads it: no reason not to hand over.
            self._say_to(f"job runner {self.name} {what}")
