"""What 0008 left for later: an index of closed accounts, room for the residents' locks, and tallies
of what was verified before each verified act had one.

Each statement is a transaction of its own and may be repeated: run it again if it was interrupted.
"""

from alembic import op

revision = "0009_activities_completed"
down_revision = "0008_activities_in_full"

CLOSED = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_account_closed ON account (holder_id)"
    " WHERE closed_at IS NOT NULL"
)
# The release before wrote tallies where a daily cap was; theirs stay.
TALLIES = """
    INSERT INTO tally (holder_id, behaviour_code, day, activities, saved_mg_co2e, points)
    SELECT holder_id, behaviour_code, day, count(*), sum(saved_mg_co2e), sum(points)
    FROM activity WHERE decision = 'verified'
    GROUP BY holder_id, behaviour_code, day
    ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(CLOSED)
        op.execute("ALTER TABLE participant SET (fillfactor = 70)")
        op.execute(TALLIES)


def downgrade() -> None:
    op.execute("DROP INDEX ix_account_closed")
    op.execute("ALTER TABLE participant RESET (fillfactor)")
