"""The texts that residents agree to when they consent to a scene.

Only a new table: the release before knows nothing of it. What it loaded stays without texts until
the catalogue is loaded again.
"""

from alembic import op

revision = "0014_consent_texts"
down_revision = "0013_districts"

TEXTS = """
CREATE TABLE consent_text (
    scene_code TEXT NOT NULL,
    version INTEGER NOT NULL,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    CONSTRAINT pk_consent_text PRIMARY KEY (scene_code, version),
    CONSTRAINT fk_consent_text_scene_code FOREIGN KEY (scene_code) REFERENCES scene (code),
    CONSTRAINT ck_consent_text_version CHECK (version >= 1),
    CONSTRAINT ck_consent_text_texts CHECK (text_zh <> '' AND text_en <> '')
);
GRANT SELECT, INSERT ON consent_text TO tanhui_service;
"""


def upgrade() -> None:
    op.execute(TEXTS)


def downgrade() -> None:
    op.execute("DROP TABLE consent_text")
