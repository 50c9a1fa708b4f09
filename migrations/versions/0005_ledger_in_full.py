"""Holds, lots, history, the transparency log, and who approved what.

Safe beside the release before it: new columns have defaults or are empty, and nothing has a lot
until an expiry policy is loaded. What that release still posts is put into the log's queue by the
job ``queue_missed``.
"""

from alembic import op

revision = "0005_ledger_in_full"
down_revision = "0004_identity"

COLUMNS = """
ALTER TABLE account ADD COLUMN held BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE account DROP CONSTRAINT ck_account_debt;
ALTER TABLE account ADD CONSTRAINT ck_account_held
    CHECK (held >= 0 AND (NOT guarded OR balance >= held)) NOT VALID;
ALTER TABLE account ADD CONSTRAINT ck_account_debt
    CHECK (debt = 0 OR (guarded AND debt > 0 AND balance = held)) NOT VALID;
ALTER TABLE posting ADD COLUMN request_id TEXT;
ALTER TABLE posting ADD COLUMN approved_by TEXT;
ALTER TABLE posting ADD CONSTRAINT ck_posting_second_person
    CHECK (kind <> 'correction' OR (approved_by IS NOT NULL AND approved_by <> actor)) NOT VALID;
ALTER TABLE transfer ADD COLUMN expires_on DATE;
"""

TABLES = """
CREATE INDEX ix_account_system ON account (holder_id, id) WHERE NOT guarded;
CREATE INDEX ix_transfer_id ON transfer USING brin (id) WITH (autosummarize = on);
CREATE TABLE expiry_policy (
    issuer_id UUID NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    zone TEXT NOT NULL,
    ends TEXT NOT NULL,
    periods INTEGER NOT NULL,
    grace_days INTEGER NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT pk_expiry_policy PRIMARY KEY (issuer_id, valid_from),
    CONSTRAINT ck_expiry_policy_ten_years_at_most CHECK (
        (ends = 'year' AND periods BETWEEN 0 AND 9)
        OR (ends = 'month' AND periods BETWEEN 0 AND 119)),
    CONSTRAINT ck_expiry_policy_grace CHECK (grace_days BETWEEN 0 AND 366),
    CONSTRAINT ck_expiry_policy_validity CHECK (valid_to > valid_from)
);
CREATE TABLE lot (
    holder_id UUID NOT NULL,
    account_id UUID NOT NULL,
    expires_on DATE NOT NULL,
    lapses_at TIMESTAMP WITH TIME ZONE NOT NULL,
    issuer_id UUID NOT NULL,
    remaining BIGINT NOT NULL,
    CONSTRAINT pk_lot PRIMARY KEY (holder_id, account_id, expires_on),
    CONSTRAINT ck_lot_remaining CHECK (remaining >= 0)
) WITH (fillfactor = 80);
CREATE INDEX ix_lot_lapses_at ON lot (lapses_at);
CREATE TABLE hold (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    amount BIGINT NOT NULL,
    captured BIGINT DEFAULT '0' NOT NULL,
    state TEXT DEFAULT 'held' NOT NULL,
    reference UUID NOT NULL,
    actor TEXT NOT NULL,
    reserved_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deadline_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by UUID,
    CONSTRAINT pk_hold PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_hold_amount CHECK (amount > 0 AND amount <= 9007199254740992),
    CONSTRAINT ck_hold_captured CHECK (captured BETWEEN 0 AND amount),
    CONSTRAINT ck_hold_state CHECK (state IN ('held', 'captured', 'released', 'lapsed')),
    CONSTRAINT ck_hold_ends_once CHECK (
        (state = 'held') = (ended_at IS NULL) AND (state = 'captured') = (captured > 0)),
    CONSTRAINT ck_hold_deadline CHECK (deadline_at > reserved_at)
);
CREATE INDEX ix_hold_deadline_at ON hold (deadline_at) WHERE state = 'held';
CREATE TABLE log_queue (
    posting_id UUID NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_log_queue PRIMARY KEY (posting_id)
);
CREATE TABLE sealed_posting (
    posting_id UUID NOT NULL,
    first_index BIGINT NOT NULL,
    transfer_count INTEGER NOT NULL,
    CONSTRAINT pk_sealed_posting PRIMARY KEY (posting_id),
    CONSTRAINT ck_sealed_posting_place CHECK (first_index >= 0 AND transfer_count > 0)
);
CREATE INDEX ix_sealed_posting_first_index ON sealed_posting (first_index);
CREATE TABLE commitment_secret (
    holder_id UUID NOT NULL,
    secret BYTEA,
    CONSTRAINT pk_commitment_secret PRIMARY KEY (holder_id),
    CONSTRAINT ck_commitment_secret_length CHECK (length(secret) = 32)
);
CREATE TABLE log_state (
    id INTEGER NOT NULL,
    origin TEXT NOT NULL,
    size BIGINT NOT NULL,
    CONSTRAINT pk_log_state PRIMARY KEY (id),
    CONSTRAINT ck_log_state_one_row CHECK (id = 1),
    CONSTRAINT ck_log_state_size CHECK (size >= 0)
);
CREATE TABLE log_checkpoint (
    size BIGINT NOT NULL,
    root BYTEA NOT NULL,
    totals JSONB NOT NULL,
    note TEXT NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_log_checkpoint PRIMARY KEY (size)
);
CREATE TABLE system_bucket (
    holder_id UUID NOT NULL,
    account_id UUID NOT NULL,
    expires_on DATE NOT NULL,
    net BIGINT NOT NULL,
    CONSTRAINT pk_system_bucket PRIMARY KEY (holder_id, account_id, expires_on)
);
CREATE TABLE system_fold (
    holder_id UUID NOT NULL,
    next_index BIGINT NOT NULL,
    CONSTRAINT pk_system_fold PRIMARY KEY (holder_id)
);
CREATE TABLE log_reader (
    name TEXT NOT NULL,
    next_index BIGINT NOT NULL,
    CONSTRAINT pk_log_reader PRIMARY KEY (name)
);
CREATE TABLE balance_snapshot (
    holder_id UUID NOT NULL,
    account_id UUID NOT NULL,
    month DATE NOT NULL,
    net BIGINT NOT NULL,
    CONSTRAINT pk_balance_snapshot PRIMARY KEY (holder_id, account_id, month)
);
CREATE TABLE snapshot_month (
    month DATE NOT NULL,
    slices INTEGER NOT NULL,
    slices_done INTEGER DEFAULT '0' NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_snapshot_month PRIMARY KEY (month),
    CONSTRAINT ck_snapshot_month_completed CHECK (
        (slices_done = slices) = (completed_at IS NOT NULL))
);
CREATE TABLE correction (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    content JSONB NOT NULL,
    reason TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'proposed' NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_correction PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_correction_state CHECK (state IN ('proposed', 'approved', 'rejected')),
    CONSTRAINT ck_correction_decided CHECK (
        (state = 'proposed') = (decided_by IS NULL)
        AND (state = 'proposed') = (decided_at IS NULL)),
    CONSTRAINT ck_correction_second_person CHECK (
        state <> 'approved' OR decided_by <> proposed_by)
);
CREATE INDEX ix_correction_proposed_at ON correction (proposed_at) WHERE state = 'proposed';
"""

APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sealed_posting
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sealed_posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

GRANTS = """
GRANT SELECT, INSERT ON expiry_policy, sealed_posting TO tanhui_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON lot TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON hold, commitment_secret, log_state, log_checkpoint, system_bucket,
    system_fold, log_reader, balance_snapshot, snapshot_month, correction TO tanhui_service;
GRANT SELECT, INSERT, DELETE ON log_queue TO tanhui_service;
"""

READER = "INSERT INTO log_reader (name, next_index) VALUES ('system_accounts', 0)"
QUEUE_ALL = "INSERT INTO log_queue (posting_id, recorded_at) SELECT id, recorded_at FROM posting"


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(TABLES)
    op.execute(APPEND_ONLY)
    op.execute(GRANTS)
    op.execute(READER)
    op.execute(QUEUE_ALL)


def downgrade() -> None:
    op.execute(
        "DROP TABLE correction, snapshot_month, balance_snapshot, log_reader, system_fold,"
        " system_bucket, log_checkpoint, log_state, commitment_secret, sealed_posting, log_queue,"
        " hold, lot, expiry_policy"
    )
    op.execute("DROP INDEX ix_transfer_id, ix_account_system")
    op.execute("ALTER TABLE transfer DROP COLUMN expires_on")
    op.execute("ALTER TABLE posting DROP COLUMN request_id, DROP COLUMN approved_by")
    op.execute(
        "ALTER TABLE account DROP CONSTRAINT ck_account_debt, DROP COLUMN held,"
        " ADD CONSTRAINT ck_account_debt CHECK (debt = 0 OR (guarded AND debt > 0 AND balance = 0))"
    )
