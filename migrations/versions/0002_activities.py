"""The catalogue, and what residents did."""

from alembic import op

revision = "0002_activities"
down_revision = "0001_ledger"

TABLES = """
CREATE TABLE division (
    code TEXT NOT NULL,
    level TEXT NOT NULL,
    parent_code TEXT,
    name_zh TEXT NOT NULL,
    CONSTRAINT pk_division PRIMARY KEY (code),
    CONSTRAINT ck_division_level CHECK (level IN ('province', 'city', 'district', 'town'))
);
CREATE TABLE programme (
    code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    zone TEXT NOT NULL,
    holder_id UUID NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    document TEXT NOT NULL,
    CONSTRAINT pk_programme PRIMARY KEY (code)
);
CREATE TABLE partner (
    code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    CONSTRAINT pk_partner PRIMARY KEY (code)
);
CREATE TABLE behaviour (
    code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    base_unit TEXT NOT NULL,
    claimed_by TEXT NOT NULL,
    CONSTRAINT pk_behaviour PRIMARY KEY (code),
    CONSTRAINT ck_behaviour_claimed_by CHECK (claimed_by IN ('start', 'day')),
    CONSTRAINT ck_behaviour_base_unit
        CHECK (base_unit IN ('m', 'g', 'Wh', 'step', 'count', 's'))
);
CREATE TABLE factor (
    code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    ug_co2e_per_unit BIGINT NOT NULL,
    base_unit TEXT NOT NULL,
    published_value TEXT NOT NULL,
    published_unit TEXT NOT NULL,
    publisher TEXT NOT NULL,
    document TEXT NOT NULL,
    year TEXT NOT NULL,
    source_address TEXT NOT NULL,
    confidence TEXT NOT NULL,
    CONSTRAINT pk_factor PRIMARY KEY (code),
    CONSTRAINT ck_factor_positive CHECK (ug_co2e_per_unit > 0)
);
CREATE TABLE method (
    code TEXT NOT NULL,
    version INTEGER NOT NULL,
    programme_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    form TEXT NOT NULL,
    factor_code TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    document TEXT NOT NULL,
    CONSTRAINT pk_method PRIMARY KEY (code, version),
    CONSTRAINT ck_method_form CHECK (form = 'per_unit'),
    CONSTRAINT ck_method_validity CHECK (valid_to > valid_from),
    CONSTRAINT fk_method_programme_code FOREIGN KEY(programme_code) REFERENCES programme (code),
    CONSTRAINT fk_method_behaviour_code FOREIGN KEY(behaviour_code) REFERENCES behaviour (code),
    CONSTRAINT fk_method_factor_code FOREIGN KEY(factor_code) REFERENCES factor (code)
);
CREATE TABLE tariff (
    programme_code TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    mg_co2e_per_point BIGINT NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_tariff PRIMARY KEY (programme_code, valid_from),
    CONSTRAINT ck_tariff_positive CHECK (mg_co2e_per_point > 0),
    CONSTRAINT ck_tariff_validity CHECK (valid_to > valid_from),
    CONSTRAINT fk_tariff_programme_code FOREIGN KEY(programme_code) REFERENCES programme (code)
);
CREATE TABLE rule (
    code TEXT NOT NULL,
    version INTEGER NOT NULL,
    programme_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    parameters JSONB NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    document TEXT NOT NULL,
    CONSTRAINT pk_rule PRIMARY KEY (code, version),
    CONSTRAINT ck_rule_validity CHECK (valid_to > valid_from),
    CONSTRAINT fk_rule_programme_code FOREIGN KEY(programme_code) REFERENCES programme (code),
    CONSTRAINT fk_rule_behaviour_code FOREIGN KEY(behaviour_code) REFERENCES behaviour (code)
);
CREATE TABLE scene (
    code TEXT NOT NULL,
    programme_code TEXT NOT NULL,
    partner_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    approved_from DATE NOT NULL,
    approved_to DATE NOT NULL,
    feed_format TEXT NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_scene PRIMARY KEY (code),
    CONSTRAINT ck_scene_approval CHECK (approved_to > approved_from),
    CONSTRAINT fk_scene_programme_code FOREIGN KEY(programme_code) REFERENCES programme (code),
    CONSTRAINT fk_scene_partner_code FOREIGN KEY(partner_code) REFERENCES partner (code),
    CONSTRAINT fk_scene_behaviour_code FOREIGN KEY(behaviour_code) REFERENCES behaviour (code)
);
CREATE TABLE participant (
    holder_id UUID NOT NULL,
    programme_code TEXT NOT NULL,
    division_code TEXT NOT NULL,
    joined_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_participant PRIMARY KEY (holder_id),
    CONSTRAINT fk_participant_programme_code
        FOREIGN KEY(programme_code) REFERENCES programme (code),
    CONSTRAINT fk_participant_division_code
        FOREIGN KEY(division_code) REFERENCES division (code)
);
CREATE TABLE received_event (
    key UUID NOT NULL,
    content UUID NOT NULL,
    holder_id UUID NOT NULL,
    activity_id UUID NOT NULL,
    CONSTRAINT pk_received_event PRIMARY KEY (key)
);
CREATE TABLE claim (
    fingerprint UUID NOT NULL,
    holder_id UUID NOT NULL,
    activity_id UUID NOT NULL,
    CONSTRAINT pk_claim PRIMARY KEY (fingerprint)
);
CREATE TABLE activity (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    event_id TEXT NOT NULL,
    scene_code TEXT NOT NULL,
    behaviour_code TEXT,
    division_code TEXT,
    day DATE,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    quantity BIGINT NOT NULL,
    decision TEXT NOT NULL,
    code TEXT NOT NULL,
    saved_mg_co2e BIGINT NOT NULL,
    points BIGINT NOT NULL,
    trimmed_points BIGINT NOT NULL,
    method_code TEXT,
    method_version INTEGER,
    duplicate_of UUID,
    posting_id UUID,
    CONSTRAINT pk_activity PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_activity_decision CHECK (decision IN ('verified', 'held', 'rejected')),
    CONSTRAINT ck_activity_granted
        CHECK (decision = 'verified' OR (saved_mg_co2e = 0 AND points = 0 AND trimmed_points = 0)),
    CONSTRAINT ck_activity_amounts
        CHECK (saved_mg_co2e >= 0 AND points >= 0 AND trimmed_points >= 0)
) PARTITION BY RANGE (id);
CREATE TABLE tally (
    holder_id UUID NOT NULL,
    behaviour_code TEXT NOT NULL,
    day DATE NOT NULL,
    activities BIGINT DEFAULT '0' NOT NULL,
    saved_mg_co2e BIGINT DEFAULT '0' NOT NULL,
    points BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_tally PRIMARY KEY (holder_id, behaviour_code, day)
) WITH (fillfactor = 70);
"""

GRANTS = """
GRANT SELECT, INSERT ON division, programme, partner, behaviour, factor, method, tariff, rule,
    scene TO tanhui_service;
GRANT SELECT, INSERT ON received_event, claim, activity TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON participant, tally TO tanhui_service;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(
        "DROP TABLE tally, activity, claim, received_event, participant, scene, rule, tariff,"
        " method, factor, behaviour, partner, programme, division"
    )
