"""Outside ids of residents."""

from alembic import op

revision = "0004_identity"
down_revision = "0003_rewards"

TABLES = """
CREATE TABLE subject (
    subject TEXT NOT NULL,
    source TEXT NOT NULL,
    holder_id UUID NOT NULL,
    CONSTRAINT pk_subject PRIMARY KEY (subject, source)
);
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON subject TO tanhui_service;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE subject")
