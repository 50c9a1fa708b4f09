"""Background work: the runners' lease, runs, and how each job stands."""

from alembic import op

revision = "0006_jobs"
down_revision = "0005_ledger_in_full"

TABLES = """
CREATE TABLE job_lease (
    name TEXT NOT NULL,
    runner TEXT NOT NULL,
    acquired_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_job_lease PRIMARY KEY (name)
);
CREATE TABLE job_run (
    id UUID NOT NULL,
    job TEXT NOT NULL,
    runner TEXT NOT NULL,
    by_hand BOOLEAN NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    counts JSONB NOT NULL,
    error TEXT,
    outcome TEXT NOT NULL,
    CONSTRAINT pk_job_run PRIMARY KEY (id),
    CONSTRAINT ck_job_run_outcome CHECK (outcome IN ('running', 'done', 'failed', 'abandoned')),
    CONSTRAINT ck_job_run_ended CHECK ((ended_at IS NULL) = (outcome = 'running')),
    CONSTRAINT ck_job_run_error CHECK ((error IS NOT NULL) = (outcome = 'failed'))
);
CREATE INDEX ix_job_run_job_id ON job_run (job, id);
CREATE INDEX ix_job_run_running ON job_run (id) WHERE outcome = 'running';
CREATE TABLE job_state (
    job TEXT NOT NULL,
    last_started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_outcome TEXT NOT NULL,
    last_counts JSONB NOT NULL,
    last_error TEXT,
    idle_runs BIGINT NOT NULL,
    CONSTRAINT pk_job_state PRIMARY KEY (job)
);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON job_lease, job_run TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON job_state TO tanhui_service;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE job_lease, job_run, job_state")
