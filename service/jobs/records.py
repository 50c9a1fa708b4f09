"""What is written down about runs.

Kept true here: a run has a row while it lasts, and keeps it if it did something, failed or was
abandoned; a run that found nothing to do leaves only a count. So what runs every two seconds floods
nothing, and a killed runner's runs can be told.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CursorResult, case, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from ledgers.ids import uuid7_floor, uuid7s
from service.jobs.models import JobRun, JobState

Counts = dict[str, int]  # What a run did, by name; all zero: there was nothing to do.
KEPT = timedelta(days=90)
KEPT_RUNS_MAX = 50_000  # Of one job: a busy one, every two seconds, fills that in a day.
FORGET_BATCH = 5_000
REASON_MAX_LENGTH = 300
_CREDENTIALS = re.compile(
    r"(://[^\s/:@]*):[^\s/]*@|\b(password|passwd|secret|token)\s*=\s*\S+", re.I
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that has its row."""

    id: UUID
    job: str
    runner: str
    by_hand: bool
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: ``outcome`` is done, failed (then ``error`` says why) or abandoned."""

    ended_at: datetime
    outcome: str
    counts: Counts
    error: str | None = None

    @property
    def idle(self) -> bool:
        """There was nothing to do."""
        return self.outcome == "done" and not any(self.counts.values())


def begun(job: str, runner: str, *, by_hand: bool, now: datetime) -> Begun:
    """A run that starts now; its id rises with time."""
    return Begun(UUID(uuid7s(1, now)[0]), job, runner, by_hand, now)


_LEASE_IS_MINE = """
    SELECT true FROM job_lease
    WHERE name = :lease AND runner = :runner AND expires_at > clock_timestamp()
"""


def begin(session: Session, run: Begun, *, lease: str | None) -> bool:
    """Write the run's row; False, and no row, when its runner does not hold ``lease`` (if any)."""
    facts = {"lease": lease, "runner": run.runner}
    if lease is not None and session.scalar(text(_LEASE_IS_MINE), facts) is None:
        return False
    session.execute(
        insert(JobRun).values(
            id=run.id,
            job=run.job,
            runner=run.runner,
            by_hand=run.by_hand,
            started_at=run.started_at,
            counts={},
            outcome="running",
        )
    )
    return True


def end(session: Session, run: Begun, ended: Ended) -> None:
    """Write how the run ended; an idle one is only counted. Repeating it changes no row again."""
    mine = JobRun.id == run.id
    if ended.idle:
        session.execute(delete(JobRun).where(mine))
    else:
        session.execute(
            update(JobRun)
            .where(mine)
            .values(
                ended_at=ended.ended_at,
                outcome=ended.outcome,
                counts=ended.counts,
                error=ended.error,
            )
        )
    _remember(session, run.job, run.started_at, ended)


def _remember(session: Session, job: str, started_at: datetime, ended: Ended) -> None:
    new = upsert(JobState).values(
        job=job,
        last_started_at=started_at,
        last_ended_at=ended.ended_at,
        last_outcome=ended.outcome,
        last_counts=ended.counts,
        last_error=ended.error,
        idle_runs=int(ended.idle),
    )
    values = {
        name: new.excluded[name]
        for name in JobState.__table__.columns.keys()  # noqa: SIM118 - no mapping.
        if name not in ("job", "idle_runs")
    }
    idle_runs = case((new.excluded.idle_runs == 0, 0), else_=JobState.idle_runs + 1)
    session.execute(
        new.on_conflict_do_update(
            index_elements=[JobState.job],
            set_=values | {"idle_runs": idle_runs},
            where=JobState.last_started_at <= new.excluded.last_started_at,
        )
    )


def abandon_lost(
    session: Session,
    *,
    runner: str,
    in_progress: Collection[UUID],
    now: datetime,
    by_hand_before: datetime,
) -> int:
    """Mark runs abandoned that nobody can be working on; how many there were.

    For the holder of the lease alone: a run of another runner is lost, as is one of its own that is
    neither ``in_progress`` nor begun since ``now``. One by hand may be anybody's, and is lost when
    begun before ``by_hand_before``. Should a lost one end after all, its end is written.
    """
    lost = session.scalars(
        select(JobRun)
        .where(JobRun.outcome == "running", JobRun.id.not_in(in_progress))
        .where(
            case(
                (JobRun.by_hand, JobRun.started_at < by_hand_before),
                (JobRun.runner == runner, JobRun.started_at < now),
                else_=True,
            )
        )
        .order_by(JobRun.id)
        .with_for_update()
    ).all()
    for row in lost:
        run = Begun(row.id, row.job, row.runner, row.by_hand, row.started_at)
        end(session, run, Ended(now, "abandoned", {}))
    return len(lost)


def states(session: Session) -> dict[str, JobState]:
    """How each job stands, by name; a job that never ended a run is missing."""
    return {state.job: state for state in session.scalars(select(JobState))}


def forget(session: Session, *, now: datetime) -> int:
    """Delete a batch of rows older than KEPT, or beyond the newest KEPT_RUNS_MAX of their job."""
    forgotten = 0
    for job in session.scalars(select(JobState.job)).all():
        of_job = select(JobRun.id).where(JobRun.job == job)
        newest = of_job.order_by(JobRun.id.desc()).offset(KEPT_RUNS_MAX).limit(1)
        floor = max(uuid7_floor(now - KEPT), session.scalar(newest) or UUID(int=0))
        batch = of_job.where(JobRun.id <= floor, JobRun.outcome != "running").limit(FORGET_BATCH)
        done = session.execute(delete(JobRun).where(JobRun.id.in_(batch)))
        assert isinstance(done, CursorResult)
        forgotten += done.rowcount
    return forgotten


def reason(error: BaseException) -> str:
    """An error as one line, type and message, without a statement's values or credentials."""
    if isinstance(error, StatementError) and error.orig is not None:
        error = error.orig  # SQLAlchemy's own text quotes the statement's values.
    first = next(iter(str(error).splitlines()), "")  # PostgreSQL's next line quotes a row.
    told = _CREDENTIALS.sub(lambda found: f"{found[1] or found[2]}…", first)
    return f"{type(error).__name__}: {told}"[:REASON_MAX_LENGTH].removesuffix(": ")
