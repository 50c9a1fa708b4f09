"""What 0005 left for later: validate its constraints and index postings by time, beside traffic.

Each statement is a transaction of its own and may be repeated: run it again if it was interrupted.
"""

from alembic import op

revision = "0007_ledger_validated"
down_revision = "0006_jobs"

BY_TIME = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_posting_recorded_at_id ON posting (recorded_at, id)"
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE account VALIDATE CONSTRAINT ck_account_held")
        op.execute("ALTER TABLE account VALIDATE CONSTRAINT ck_account_debt")
        op.execute("ALTER TABLE posting VALIDATE CONSTRAINT ck_posting_second_person")
        op.execute(BY_TIME)


def downgrade() -> None:
    op.execute("DROP INDEX ix_posting_recorded_at_id")
