"""How the jobs stand, for the command line and the operator's API; reads only."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.jobs import records
from service.jobs.lease import LEASE
from service.jobs.models import JobLease, JobRun, JobState
from service.jobs.schedule import Job


@dataclass(frozen=True, slots=True)
class Standing:
    """One job: when it runs next, since when it is running, and how it last ended."""

    job: Job
    next_run_at: datetime
    running_since: datetime | None
    state: JobState | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Who works, None for nobody, and how each job of the schedule stands."""

    lease: JobLease | None
    standings: list[Standing]


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Runs, newest first, and the cursor of the next page."""

    runs: list[JobRun]
    next_before: UUID | None


def overview(session: Session, schedule: tuple[Job, ...], *, now: datetime) -> Overview:
    """Three reads of small tables. The lease's term is the database's (``service.jobs.lease``)."""
    lease = session.scalar(
        select(JobLease).where(JobLease.name == LEASE, JobLease.expires_at > func.clock_timestamp())
    )
    started = (
        select(JobRun.job, func.min(JobRun.started_at))
        .where(JobRun.outcome == "running")
        .group_by(JobRun.job)
    )
    running = dict(session.execute(started).all())
    states = records.states(session)
    return Overview(lease, [_standing(job, states, running, now) for job in schedule])


def _standing(
    job: Job, states: dict[str, JobState], running: dict[str, datetime], now: datetime
) -> Standing:
    state, since = states.get(job.name), running.get(job.name)
    started_at = since or (state.last_started_at if state else None)
    return Standing(job, job.due_at(started_at, now), since, state)


def page_of_runs(session: Session, job: Job, *, before: UUID | None, limit: int) -> RunsPage:
    """At most ``limit`` runs of a job, older than the one of id ``before``; no idle ones."""
    query = select(JobRun).where(JobRun.job == job.name).order_by(JobRun.id.desc())
    if before is not None:
        query = query.where(JobRun.id < before)
    runs = list(session.scalars(query.limit(limit + 1)))
    return RunsPage(runs[:limit], runs[limit - 1].id if len(runs) > limit else None)
