"""Who may work, what ran, and how each job stands: the program's own small tables."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class JobLease(Base):
    """The one row of a name says which runner works, until when by the database's clock."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    runner: Mapped[str]
    acquired_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class JobRun(Base):
    """A run in progress, or one that did something, failed or was abandoned; idle ones go."""

    __tablename__ = "job_run"
    __table_args__ = (
        CheckConstraint("outcome IN ('running', 'done', 'failed', 'abandoned')", name="outcome"),
        CheckConstraint("(ended_at IS NULL) = (outcome = 'running')", name="ended"),
        CheckConstraint("(error IS NOT NULL) = (outcome = 'failed')", name="error"),
        Index("ix_job_run_job_id", "job", "id"),
        Index("ix_job_run_running", "id", postgresql_where=text("outcome = 'running'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job: Mapped[str]
    runner: Mapped[str]
    by_hand: Mapped[bool]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    error: Mapped[str | None]
    outcome: Mapped[str]


class JobState(Base):
    """How a job's last run ended, idle or not, and how many idle ones there were since a row."""

    __tablename__ = "job_state"

    job: Mapped[str] = mapped_column(primary_key=True)
    last_started_at: Mapped[datetime]
    last_ended_at: Mapped[datetime]
    last_outcome: Mapped[str]
    last_counts: Mapped[dict[str, int]] = mapped_column(JSONB)
    last_error: Mapped[str | None]
    idle_runs: Mapped[int]
