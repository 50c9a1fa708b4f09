"""The ledger: units, accounts, postings and transfers, append-only by privilege and by trigger.

The role tanhui_service is what the program runs as; whoever migrates owns the tables. It may log
in, because Citus connects to its workers as the role in force, but has no password.
"""

from alembic import op

revision = "0001_ledger"
down_revision = None

TABLES = """
CREATE TABLE unit (
    code TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    CONSTRAINT pk_unit PRIMARY KEY (code)
);
CREATE TABLE account (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    unit TEXT NOT NULL,
    kind TEXT NOT NULL,
    guarded BOOLEAN NOT NULL,
    balance BIGINT DEFAULT '0' NOT NULL,
    debt BIGINT DEFAULT '0' NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_account PRIMARY KEY (holder_id, id),
    CONSTRAINT uq_account_holder_id_unit_kind UNIQUE (holder_id, unit, kind),
    CONSTRAINT ck_account_guarded_balance CHECK (NOT guarded OR balance >= 0),
    CONSTRAINT ck_account_debt CHECK (debt = 0 OR (guarded AND debt > 0 AND balance = 0)),
    CONSTRAINT fk_account_unit FOREIGN KEY(unit) REFERENCES unit (code)
) WITH (fillfactor = 70);
CREATE TABLE posting (
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    content_sha256 BYTEA NOT NULL,
    transfer_count INTEGER NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_posting PRIMARY KEY (id),
    CONSTRAINT ck_posting_transfer_count CHECK (transfer_count > 0)
);
CREATE TABLE transfer (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    posting_id UUID NOT NULL,
    position INTEGER NOT NULL,
    unit TEXT NOT NULL,
    debit_account_id UUID NOT NULL,
    credit_account_id UUID NOT NULL,
    amount BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reference UUID NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reverses_id UUID,
    CONSTRAINT pk_transfer PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_transfer_amount CHECK (amount > 0 AND amount <= 9007199254740992),
    CONSTRAINT ck_transfer_two_accounts CHECK (debit_account_id <> credit_account_id)
) PARTITION BY RANGE (id);
CREATE INDEX ix_transfer_posting_id_position ON transfer (posting_id, position);
"""

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON posting
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# A role belongs to the cluster, not to the database: another database may have made it already,
# or be making it at this moment. Since PostgreSQL 16 whoever makes a role may administer it, and
# so is a member, but may not take it on before granting that too.
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tanhui_service') THEN
        CREATE ROLE tanhui_service LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'tanhui_service', CASE
        WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
    THEN
        EXECUTE format('GRANT tanhui_service TO %I', current_user);
    END IF;
END $$;
"""

GRANTS = """
GRANT SELECT ON unit, alembic_version TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON account TO tanhui_service;
GRANT SELECT, INSERT ON posting, transfer TO tanhui_service;
"""

UNITS = """
INSERT INTO unit (code, name_zh, name_en) VALUES
    ('mg_co2e', '毫克二氧化碳当量', 'milligram of CO2e saved'),
    ('point', '碳积分', 'point'),
    ('fen', '分', 'fen, 0.01 CNY');
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(APPEND_ONLY)
    op.execute(ROLE)
    op.execute(GRANTS)
    op.execute(UNITS)


def downgrade() -> None:
    op.execute("DROP TABLE transfer, posting, account, unit")
    op.execute("DROP FUNCTION refuse_change")
