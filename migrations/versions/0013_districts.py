"""Roll-ups of districts, frozen reports, plan targets and reported values; audits run from a page.

Only new tables: the release before knows nothing of them. The reader "districts" begins at the
log's beginning, so the job sums what was posted before as well.
"""

from alembic import op

revision = "0013_districts"
down_revision = "0012_rewards_validated"

ROLL_UPS = """
CREATE TABLE district_day (
    division_code TEXT NOT NULL,
    day DATE NOT NULL,
    behaviour_code TEXT NOT NULL,
    activities BIGINT NOT NULL DEFAULT 0,
    saved_mg_co2e BIGINT NOT NULL DEFAULT 0,
    earned_points BIGINT NOT NULL DEFAULT 0,
    spent_points BIGINT NOT NULL DEFAULT 0,
    expired_points BIGINT NOT NULL DEFAULT 0,
    vouchers BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT pk_district_day PRIMARY KEY (division_code, day, behaviour_code)
) WITH (fillfactor = 80);
CREATE TABLE district_month (
    division_code TEXT NOT NULL,
    month DATE NOT NULL,
    behaviour_code TEXT NOT NULL,
    residents BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT pk_district_month PRIMARY KEY (division_code, month, behaviour_code),
    CONSTRAINT ck_district_month_month CHECK (extract(day FROM month) = 1),
    CONSTRAINT ck_district_month_residents CHECK (residents >= 0)
) WITH (fillfactor = 80);
CREATE TABLE district_resident (
    holder_id UUID NOT NULL,
    day DATE NOT NULL,
    division_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    activities BIGINT NOT NULL,
    CONSTRAINT pk_district_resident PRIMARY KEY (holder_id, day, division_code, behaviour_code),
    CONSTRAINT ck_district_resident_activities CHECK (activities >= 0)
) WITH (fillfactor = 80);
CREATE INDEX ix_district_resident_day ON district_resident USING brin (day)
    WITH (autosummarize = on);
CREATE TABLE district_late (
    holder_id UUID NOT NULL,
    log_index BIGINT NOT NULL,
    day DATE NOT NULL,
    division_code TEXT NOT NULL,
    behaviour_code TEXT NOT NULL,
    CONSTRAINT pk_district_late PRIMARY KEY
        (holder_id, log_index, day, division_code, behaviour_code)
);
INSERT INTO log_reader (name, next_index) VALUES ('districts', 0);
"""

REPORTS = """
CREATE TABLE district_report (
    division_code TEXT NOT NULL,
    period TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_day DATE NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    log_size BIGINT NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    issued_by TEXT NOT NULL,
    reason TEXT,
    content BYTEA NOT NULL,
    content_sha256 BYTEA NOT NULL,
    signature TEXT NOT NULL,
    CONSTRAINT pk_district_report PRIMARY KEY (division_code, period, version),
    CONSTRAINT ck_district_report_period CHECK
        (period ~ '^[1-9][0-9]{3}(-(0[1-9]|1[0-2])|-Q[1-4])?$'),
    CONSTRAINT ck_district_report_version CHECK (version >= 1),
    CONSTRAINT ck_district_report_reason CHECK ((version = 1) = (reason IS NULL)),
    CONSTRAINT ck_district_report_hash CHECK (content_sha256 = sha256(content))
);
CREATE TABLE plan_target (
    division_code TEXT NOT NULL,
    plan TEXT NOT NULL,
    indicator TEXT NOT NULL,
    year INTEGER NOT NULL,
    clause TEXT,
    issued_on DATE,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    target_thousandths BIGINT NOT NULL,
    unit TEXT NOT NULL,
    comparison TEXT NOT NULL,
    how_measured TEXT NOT NULL,
    CONSTRAINT pk_plan_target PRIMARY KEY (division_code, plan, indicator, year),
    CONSTRAINT fk_plan_target_division_code FOREIGN KEY (division_code) REFERENCES division (code),
    CONSTRAINT ck_plan_target_comparison CHECK (comparison IN ('>=', '>', '<=', '<')),
    CONSTRAINT ck_plan_target_how_measured CHECK (how_measured IN ('reported', 'observed'))
);
CREATE TABLE reported_value (
    division_code TEXT NOT NULL,
    id UUID NOT NULL,
    indicator TEXT NOT NULL,
    period TEXT NOT NULL,
    value_thousandths BIGINT NOT NULL,
    unit TEXT NOT NULL,
    source TEXT NOT NULL,
    source_date DATE NOT NULL,
    entered_by TEXT NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_reported_value PRIMARY KEY (division_code, id),
    CONSTRAINT ck_reported_value_period CHECK
        (period ~ '^[1-9][0-9]{3}(-(0[1-9]|1[0-2])|-Q[1-4])?$')
);
CREATE INDEX ix_reported_value_indicator
    ON reported_value (division_code, indicator, period, entered_at);
"""

AUDITS = """
CREATE TABLE audit_run (
    id UUID NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    step TEXT,
    done BIGINT NOT NULL DEFAULT 0,
    total BIGINT NOT NULL DEFAULT 0,
    drifts JSONB,
    totals JSONB,
    error TEXT,
    CONSTRAINT pk_audit_run PRIMARY KEY (id),
    CONSTRAINT ck_audit_run_state
        CHECK (state IN ('waiting', 'running', 'clean', 'drift', 'failed'))
);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE
    ON district_day, district_month, district_resident, district_late TO tanhui_service;
GRANT SELECT, INSERT ON district_report, reported_value TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (clause, issued_on, name_zh, name_en, target_thousandths, unit,
    comparison, how_measured) ON plan_target TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON audit_run TO tanhui_service;
"""

BACK = """
DROP TABLE audit_run, reported_value, plan_target, district_report, district_late,
    district_resident, district_month, district_day;
DELETE FROM log_reader WHERE name = 'districts';
"""


def upgrade() -> None:
    for each in (ROLL_UPS, REPORTS, AUDITS, GRANTS):
        op.execute(each)


def downgrade() -> None:
    op.execute(BACK)
