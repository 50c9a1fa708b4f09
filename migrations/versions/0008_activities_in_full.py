"""Activities in full: approved versions, methods of four forms, scenes over time, consent, feeds,
households, adjustments, review.

Safe beside the release before it: new columns have defaults or are empty. What is in the catalogue
by now was decided by before, and stays approved; what that release still loads is a draft here.
"""

from alembic import op

revision = "0008_activities_in_full"
down_revision = "0007_ledger_validated"

APPROVALS = """
ALTER TABLE factor ADD COLUMN drafted_by TEXT DEFAULT 'before 0008' NOT NULL;
ALTER TABLE factor ADD COLUMN drafted_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE factor ADD COLUMN approved_by TEXT;
ALTER TABLE factor ADD COLUMN approved_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE factor ADD CONSTRAINT ck_factor_second_person
    CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> drafted_by);
UPDATE factor SET approved_by = 'migration 0008', approved_at = '2026-11-21T00:00:00Z';
ALTER TABLE method ADD COLUMN drafted_by TEXT DEFAULT 'before 0008' NOT NULL;
ALTER TABLE method ADD COLUMN drafted_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE method ADD COLUMN approved_by TEXT;
ALTER TABLE method ADD COLUMN approved_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE method ADD CONSTRAINT ck_method_second_person
    CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> drafted_by);
UPDATE method SET approved_by = 'migration 0008', approved_at = '2026-11-21T00:00:00Z';
ALTER TABLE tariff ADD COLUMN drafted_by TEXT DEFAULT 'before 0008' NOT NULL;
ALTER TABLE tariff ADD COLUMN drafted_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE tariff ADD COLUMN approved_by TEXT;
ALTER TABLE tariff ADD COLUMN approved_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE tariff ADD CONSTRAINT ck_tariff_second_person
    CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> drafted_by);
UPDATE tariff SET approved_by = 'migration 0008', approved_at = '2026-11-21T00:00:00Z';
ALTER TABLE rule ADD COLUMN drafted_by TEXT DEFAULT 'before 0008' NOT NULL;
ALTER TABLE rule ADD COLUMN drafted_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE rule ADD COLUMN approved_by TEXT;
ALTER TABLE rule ADD COLUMN approved_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE rule ADD CONSTRAINT ck_rule_second_person
    CHECK ((approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> drafted_by);
UPDATE rule SET approved_by = 'migration 0008', approved_at = '2026-11-21T00:00:00Z';
"""

CATALOGUE = """
ALTER TABLE behaviour ADD COLUMN category TEXT DEFAULT 'transport' NOT NULL;
ALTER TABLE behaviour ADD CONSTRAINT ck_behaviour_category
    CHECK (category IN ('transport', 'waste_sorting', 'recycling', 'home_energy', 'consumption',
        'reuse'));
ALTER TABLE behaviour DROP CONSTRAINT ck_behaviour_claimed_by;
ALTER TABLE behaviour ADD CONSTRAINT ck_behaviour_claimed_by
    CHECK (claimed_by IN ('start', 'day', 'month', 'object'));
ALTER TABLE behaviour DROP CONSTRAINT ck_behaviour_base_unit;
ALTER TABLE behaviour ADD CONSTRAINT ck_behaviour_base_unit
    CHECK (base_unit IN ('m', 'g', 'Wh', 'step', 'count', 's', 'ml'));
ALTER TABLE factor ADD COLUMN boundary TEXT DEFAULT 'as published' NOT NULL;
ALTER TABLE factor ADD COLUMN valid_from DATE DEFAULT '2000-01-01' NOT NULL;
ALTER TABLE factor ADD COLUMN valid_to DATE;
ALTER TABLE factor ADD CONSTRAINT ck_factor_validity CHECK (valid_to > valid_from);
ALTER TABLE method ADD COLUMN actual_factor_code TEXT;
ALTER TABLE method ADD COLUMN share_permille INTEGER DEFAULT '1000' NOT NULL;
ALTER TABLE method ALTER COLUMN factor_code DROP NOT NULL;
ALTER TABLE method DROP CONSTRAINT ck_method_form;
ALTER TABLE method ADD CONSTRAINT ck_method_form
    CHECK (form IN ('per_unit', 'displaced', 'mass', 'own_baseline'));
ALTER TABLE method ADD CONSTRAINT ck_method_factor
    CHECK ((factor_code IS NULL) = (form = 'mass'));
ALTER TABLE method ADD CONSTRAINT ck_method_actual
    CHECK ((actual_factor_code IS NOT NULL) = (form = 'displaced'));
ALTER TABLE method ADD CONSTRAINT ck_method_share CHECK (share_permille BETWEEN 1 AND 1000);
ALTER TABLE method ADD CONSTRAINT fk_method_actual_factor_code
    FOREIGN KEY (actual_factor_code) REFERENCES factor (code);
ALTER TABLE rule ALTER COLUMN behaviour_code DROP NOT NULL;
ALTER TABLE scene ADD COLUMN channel TEXT DEFAULT 'operator' NOT NULL;
ALTER TABLE scene ADD COLUMN consent_version INTEGER;
ALTER TABLE scene ADD COLUMN exclusions TEXT;
ALTER TABLE scene ADD CONSTRAINT ck_scene_channel
    CHECK (channel IN ('operator', 'aggregator', 'app', 'staff'));
"""

TABLES = """
ALTER TABLE participant ADD COLUMN turns BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE activity ADD COLUMN details TEXT;
ALTER TABLE activity ADD COLUMN facts TEXT;
ALTER TABLE activity ADD COLUMN policy_id UUID;
ALTER TABLE tally ADD COLUMN counted_points BIGINT[] DEFAULT '{}' NOT NULL;
CREATE TABLE division_merge (
    code TEXT NOT NULL,
    into_code TEXT NOT NULL,
    merged_on DATE NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_division_merge PRIMARY KEY (code),
    CONSTRAINT fk_division_merge_code FOREIGN KEY(code) REFERENCES division (code),
    CONSTRAINT fk_division_merge_into_code FOREIGN KEY(into_code) REFERENCES division (code)
);
CREATE TABLE method_material (
    method_code TEXT NOT NULL,
    version INTEGER NOT NULL,
    material TEXT NOT NULL,
    factor_code TEXT NOT NULL,
    share_permille INTEGER DEFAULT '1000' NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_method_material PRIMARY KEY (method_code, version, material),
    CONSTRAINT fk_method_material_method_code_version
        FOREIGN KEY(method_code, version) REFERENCES method (code, version),
    CONSTRAINT ck_method_material_share CHECK (share_permille BETWEEN 1 AND 1000),
    CONSTRAINT fk_method_material_factor_code FOREIGN KEY(factor_code) REFERENCES factor (code)
);
CREATE TABLE city_baseline (
    programme_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    month INTEGER NOT NULL,
    valid_from DATE NOT NULL,
    quantity_per_person BIGINT NOT NULL,
    publisher TEXT NOT NULL,
    document TEXT NOT NULL,
    source_address TEXT NOT NULL,
    CONSTRAINT pk_city_baseline PRIMARY KEY (programme_code, behaviour_code, month, valid_from),
    CONSTRAINT ck_city_baseline_month CHECK (month BETWEEN 1 AND 12),
    CONSTRAINT ck_city_baseline_positive CHECK (quantity_per_person > 0),
    CONSTRAINT fk_city_baseline_programme_code
        FOREIGN KEY(programme_code) REFERENCES programme (code),
    CONSTRAINT fk_city_baseline_behaviour_code
        FOREIGN KEY(behaviour_code) REFERENCES behaviour (code)
);
CREATE TABLE scene_change (
    scene_code TEXT NOT NULL,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT NOT NULL,
    approved_to DATE,
    actor TEXT NOT NULL,
    approved_by TEXT,
    reason TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_scene_change PRIMARY KEY (scene_code, effective_at),
    CONSTRAINT ck_scene_change_status
        CHECK (status IN ('draft', 'approved', 'suspended', 'ended')),
    CONSTRAINT ck_scene_change_second_person CHECK (approved_by <> actor),
    CONSTRAINT ck_scene_change_approved CHECK (status <> 'approved' OR approved_by IS NOT NULL),
    CONSTRAINT fk_scene_change_scene_code FOREIGN KEY(scene_code) REFERENCES scene (code)
);
CREATE TABLE scene_reminder (
    scene_code TEXT NOT NULL,
    approved_to DATE NOT NULL,
    reminded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_scene_reminder PRIMARY KEY (scene_code, approved_to)
);
CREATE TABLE feed_key (
    id UUID NOT NULL,
    partner_code TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_feed_key PRIMARY KEY (id),
    CONSTRAINT fk_feed_key_partner_code FOREIGN KEY(partner_code) REFERENCES partner (code)
);
CREATE TABLE policy (
    id UUID NOT NULL,
    content JSONB NOT NULL,
    CONSTRAINT pk_policy PRIMARY KEY (id)
);
CREATE TABLE adjustment (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    activity_id UUID NOT NULL,
    kind TEXT NOT NULL,
    decision TEXT NOT NULL,
    code TEXT NOT NULL,
    behaviour_code TEXT,
    division_code TEXT,
    day DATE,
    quantity BIGINT NOT NULL,
    saved_mg_co2e BIGINT NOT NULL,
    points BIGINT NOT NULL,
    trimmed_points BIGINT NOT NULL,
    method_code TEXT,
    method_version INTEGER,
    policy_id UUID,
    posting_id UUID,
    reversal_id UUID,
    actor TEXT NOT NULL,
    approved_by TEXT,
    reason TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_adjustment PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_adjustment_kind
        CHECK (kind IN ('review', 'appeal', 'withdrawn', 'changed', 'recomputed', 'superseded')),
    CONSTRAINT ck_adjustment_decision CHECK (decision IN ('verified', 'held', 'rejected')),
    CONSTRAINT ck_adjustment_second_person CHECK (approved_by <> actor),
    CONSTRAINT ck_adjustment_recomputed CHECK (kind <> 'recomputed' OR approved_by IS NOT NULL)
);
CREATE INDEX ix_adjustment_holder_id_activity_id ON adjustment (holder_id, activity_id);
CREATE TABLE activity_correction (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    activity_id UUID NOT NULL,
    action TEXT NOT NULL,
    quantity BIGINT,
    reason TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'proposed' NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    rejection_reason TEXT,
    CONSTRAINT pk_activity_correction PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_activity_correction_action
        CHECK (action IN ('withdraw', 'change') AND (action = 'change') = (quantity IS NOT NULL)),
    CONSTRAINT ck_activity_correction_state CHECK (state IN ('proposed', 'approved', 'rejected')),
    CONSTRAINT ck_activity_correction_decided
        CHECK ((state = 'proposed') = (decided_by IS NULL)
            AND (state = 'proposed') = (decided_at IS NULL)),
    CONSTRAINT ck_activity_correction_second_person
        CHECK (state <> 'approved' OR decided_by <> proposed_by)
);
CREATE INDEX ix_activity_correction_proposed_at ON activity_correction (proposed_at)
    WHERE state = 'proposed';
CREATE TABLE period_tally (
    holder_id UUID NOT NULL,
    behaviour_code TEXT NOT NULL,
    period TEXT NOT NULL,
    starts_on DATE NOT NULL,
    points BIGINT DEFAULT '0' NOT NULL,
    counted_points BIGINT[] DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_period_tally PRIMARY KEY (holder_id, behaviour_code, period, starts_on),
    CONSTRAINT ck_period_tally_period CHECK (period IN ('week', 'month', 'year'))
) WITH (fillfactor = 70);
CREATE TABLE occupied (
    holder_id UUID NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    activity_id UUID NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    behaviour_code TEXT NOT NULL,
    channel TEXT NOT NULL,
    place TEXT,
    CONSTRAINT pk_occupied PRIMARY KEY (holder_id, started_at, activity_id)
);
CREATE TABLE device_holder (
    device UUID NOT NULL,
    holder_id UUID NOT NULL,
    first_seen_on DATE NOT NULL,
    CONSTRAINT pk_device_holder PRIMARY KEY (device, holder_id)
);
CREATE TABLE consent (
    holder_id UUID NOT NULL,
    scene_code TEXT NOT NULL,
    given_at TIMESTAMP WITH TIME ZONE NOT NULL,
    text_version INTEGER NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    actor TEXT NOT NULL,
    CONSTRAINT pk_consent PRIMARY KEY (holder_id, scene_code, given_at),
    CONSTRAINT ck_consent_order CHECK (withdrawn_at >= given_at)
);
CREATE TABLE household (
    holder_id UUID NOT NULL,
    valid_from DATE NOT NULL,
    persons INTEGER NOT NULL,
    moved_in_on DATE NOT NULL,
    solar BOOLEAN NOT NULL,
    tier INTEGER NOT NULL,
    actor TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_household PRIMARY KEY (holder_id, valid_from),
    CONSTRAINT ck_household_persons CHECK (persons BETWEEN 1 AND 20),
    CONSTRAINT ck_household_tier CHECK (tier BETWEEN 1 AND 3)
);
CREATE TABLE reading (
    holder_id UUID NOT NULL,
    behaviour_code TEXT NOT NULL,
    month DATE NOT NULL,
    quantity BIGINT NOT NULL,
    activity_id UUID NOT NULL,
    CONSTRAINT pk_reading PRIMARY KEY (holder_id, behaviour_code, month)
);
CREATE TABLE review_case (
    holder_id UUID NOT NULL,
    activity_id UUID NOT NULL,
    programme_code TEXT NOT NULL,
    code TEXT NOT NULL,
    points BIGINT NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_review_case PRIMARY KEY (holder_id, activity_id),
    CONSTRAINT ck_review_case_state CHECK (state IN ('open', 'asked', 'seconded', 'closed')),
    CONSTRAINT ck_review_case_closed CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX ix_review_case_open ON review_case (opened_at) WHERE state <> 'closed';
CREATE TABLE review_step (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    activity_id UUID NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    text TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_review_step PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_review_step_action
        CHECK (action IN ('approve', 'reject', 'ask', 'answer', 'appeal', 'uphold', 'overturn'))
);
CREATE INDEX ix_review_step_holder_id_activity_id ON review_step (holder_id, activity_id);
CREATE TABLE appeal (
    holder_id UUID NOT NULL,
    activity_id UUID NOT NULL,
    programme_code TEXT NOT NULL,
    text TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    answer TEXT,
    outcome TEXT,
    answered_by TEXT,
    CONSTRAINT pk_appeal PRIMARY KEY (holder_id, activity_id),
    CONSTRAINT ck_appeal_outcome CHECK (outcome IN ('upheld', 'overturned')),
    CONSTRAINT ck_appeal_answered CHECK ((outcome IS NULL) = (answered_at IS NULL))
);
CREATE INDEX ix_appeal_open ON appeal (opened_at) WHERE answered_at IS NULL;
CREATE TABLE feed_batch (
    id UUID NOT NULL,
    scene_code TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    content_sha256 BYTEA NOT NULL,
    event_keys UUID[] NOT NULL,
    totals JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_feed_batch PRIMARY KEY (id)
);
CREATE INDEX ix_feed_batch_scene_code_received_at ON feed_batch (scene_code, received_at);
CREATE TABLE feed_total (
    scene_code TEXT NOT NULL,
    day DATE NOT NULL,
    events BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_feed_total PRIMARY KEY (scene_code, day)
);
"""

GRANTS = """
GRANT UPDATE (approved_by, approved_at) ON factor, method, tariff, rule TO tanhui_service;
GRANT SELECT, INSERT ON division_merge, method_material, city_baseline, scene_change,
    scene_reminder, policy, adjustment, household, review_step TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON period_tally, device_holder, review_case, appeal, feed_batch,
    feed_total TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (state, decided_by, decided_at, rejection_reason)
    ON activity_correction TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (withdrawn_at) ON consent TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (retired_at) ON feed_key TO tanhui_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON occupied, reading TO tanhui_service;
GRANT UPDATE, DELETE ON claim TO tanhui_service;
GRANT UPDATE (content, holder_id, activity_id) ON received_event TO tanhui_service;
"""

BACK = """
DROP TABLE feed_total, feed_batch, appeal, review_step, review_case, reading, household, consent,
    device_holder, occupied, period_tally, adjustment, activity_correction,
    policy, feed_key, scene_reminder,
    scene_change, city_baseline, method_material, division_merge;
ALTER TABLE tally DROP COLUMN counted_points;
ALTER TABLE participant DROP COLUMN turns;
ALTER TABLE activity DROP COLUMN details, DROP COLUMN facts, DROP COLUMN policy_id;
ALTER TABLE scene DROP COLUMN channel, DROP COLUMN consent_version, DROP COLUMN exclusions;
DELETE FROM rule WHERE behaviour_code IS NULL;
ALTER TABLE rule ALTER COLUMN behaviour_code SET NOT NULL;
DELETE FROM method WHERE form <> 'per_unit';
ALTER TABLE method DROP CONSTRAINT ck_method_form, DROP CONSTRAINT ck_method_factor,
    DROP CONSTRAINT ck_method_share, DROP COLUMN actual_factor_code, DROP COLUMN share_permille,
    ALTER COLUMN factor_code SET NOT NULL,
    ADD CONSTRAINT ck_method_form CHECK (form = 'per_unit') NOT VALID;
ALTER TABLE factor DROP COLUMN boundary, DROP COLUMN valid_from, DROP COLUMN valid_to;
ALTER TABLE behaviour DROP COLUMN category, DROP CONSTRAINT ck_behaviour_claimed_by,
    DROP CONSTRAINT ck_behaviour_base_unit;
ALTER TABLE behaviour
    ADD CONSTRAINT ck_behaviour_claimed_by CHECK (claimed_by IN ('start', 'day')) NOT VALID,
    ADD CONSTRAINT ck_behaviour_base_unit
        CHECK (base_unit IN ('m', 'g', 'Wh', 'step', 'count', 's')) NOT VALID;
REVOKE UPDATE, DELETE ON claim FROM tanhui_service;
REVOKE UPDATE (content, holder_id, activity_id) ON received_event FROM tanhui_service;
"""


def upgrade() -> None:
    for statements in (APPROVALS, CATALOGUE, TABLES, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    op.execute(BACK)
    for table in ("factor", "method", "tariff", "rule"):
        op.execute(
            f"ALTER TABLE {table} DROP COLUMN drafted_by, DROP COLUMN drafted_at,"
            " DROP COLUMN approved_by, DROP COLUMN approved_at"
        )
