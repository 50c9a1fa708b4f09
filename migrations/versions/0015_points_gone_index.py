"""What residents' points went for can be found by resident and time, without what they earned.

Who spent in a month is counted for each report of a district; without this the month's transfers
are all read, and nearly all of them are earnings. Made partition by partition beside traffic: the
parent's index is good once each partition's is part of it. Each statement is a transaction of its
own; run it again if it was interrupted, and it goes on where it stopped.
"""

from alembic import op
from sqlalchemy import text

revision = "0015_points_gone_index"
down_revision = "0014_consent_texts"

NAME = "ix_transfer_points_gone"
ON = "USING btree (holder_id, occurred_at) WHERE unit = 'point' AND kind <> 'earn'"
WITHOUT = f"""
    SELECT p.inhrelid::regclass::text FROM pg_inherits AS p
    WHERE p.inhparent = 'transfer'::regclass AND NOT EXISTS (
        SELECT FROM pg_inherits AS i JOIN pg_index AS x ON x.indexrelid = i.inhrelid
        WHERE i.inhparent = '{NAME}'::regclass AND x.indrelid = p.inhrelid)
    ORDER BY 1
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(f"CREATE INDEX IF NOT EXISTS {NAME} ON ONLY transfer {ON}")
        for partition in op.get_bind().scalars(text(WITHOUT)).all():
            own = f"{partition}_points_gone"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {own}")
            op.execute(f"CREATE INDEX CONCURRENTLY {own} ON {partition} {ON}")
            op.execute(f"ALTER INDEX {NAME} ATTACH PARTITION {own}")


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
