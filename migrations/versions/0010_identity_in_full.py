"""People, logins, staff, keys, and who did and read what; feed keys get scopes and an end.

``subject`` stays, for the release before; ``tanhui identity move-subjects`` empties it, and a later
migration drops it. The tables of staff and of the admin log are small and belong to the
coordinator; what grows with residents is led by the resident.
"""

from alembic import op

revision = "0010_identity_in_full"
down_revision = "0009_activities_completed"

PEOPLE = """
CREATE TABLE person (
    holder_id UUID NOT NULL,
    data_key BYTEA,
    master_key_id TEXT,
    registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    minor_until DATE,
    terms_version BIGINT,
    real_name_at TIMESTAMP WITH TIME ZONE,
    real_name_by TEXT,
    real_name_said_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    erased_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_person PRIMARY KEY (holder_id),
    CONSTRAINT ck_person_data_key CHECK ((data_key IS NULL) = (closed_at IS NOT NULL)),
    CONSTRAINT ck_person_master_key_id CHECK ((data_key IS NULL) = (master_key_id IS NULL)),
    CONSTRAINT ck_person_real_name CHECK ((real_name_at IS NULL) = (real_name_by IS NULL)),
    CONSTRAINT ck_person_erased CHECK (erased_at IS NULL OR closed_at IS NOT NULL)
);
CREATE INDEX ix_person_to_erase ON person (holder_id)
    WHERE closed_at IS NOT NULL AND erased_at IS NULL;
CREATE INDEX ix_person_master_key_id ON person (master_key_id, holder_id);
CREATE TABLE personal_value (
    holder_id UUID NOT NULL,
    field TEXT NOT NULL,
    value_key BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_personal_value PRIMARY KEY (holder_id, field, value_key)
);
CREATE TABLE outside_id (
    value_key BYTEA NOT NULL,
    source TEXT NOT NULL,
    holder_id UUID NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_outside_id PRIMARY KEY (value_key),
    CONSTRAINT ck_outside_id_value_key CHECK (octet_length(value_key) = 32)
);
CREATE TABLE personal_read (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reader TEXT NOT NULL,
    role TEXT NOT NULL,
    fields TEXT[] NOT NULL,
    purpose TEXT NOT NULL,
    CONSTRAINT pk_personal_read PRIMARY KEY (holder_id, id)
);
CREATE TABLE delegation (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    delegate_id UUID NOT NULL,
    kind TEXT NOT NULL,
    may_spend BOOLEAN NOT NULL,
    began_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    CONSTRAINT pk_delegation PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_delegation_kind CHECK (kind IN ('guardian', 'delegate')),
    CONSTRAINT ck_delegation_two_people CHECK (holder_id <> delegate_id),
    CONSTRAINT ck_delegation_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE TABLE acting_for (
    delegate_id UUID NOT NULL,
    holder_id UUID NOT NULL,
    delegation_id UUID NOT NULL,
    CONSTRAINT pk_acting_for PRIMARY KEY (delegate_id, holder_id, delegation_id)
);
"""

LOGINS = """
CREATE TABLE login_session (
    person_id UUID NOT NULL,
    id UUID NOT NULL,
    role TEXT NOT NULL,
    grant_id UUID,
    method TEXT NOT NULL,
    device_name TEXT NOT NULL,
    began_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_why TEXT,
    CONSTRAINT pk_login_session PRIMARY KEY (person_id, id),
    CONSTRAINT ck_login_session_ended CHECK ((ended_at IS NULL) = (ended_why IS NULL)),
    CONSTRAINT ck_login_session_why CHECK
        (ended_why IN ('logout', 'revoked', 'reused', 'closed', 'blocked'))
);
CREATE TABLE refresh_token (
    person_id UUID NOT NULL,
    token_sha256 BYTEA NOT NULL,
    session_id UUID NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    used_request_id UUID,
    CONSTRAINT pk_refresh_token PRIMARY KEY (person_id, token_sha256),
    CONSTRAINT ck_refresh_token_used CHECK ((used_at IS NULL) = (used_request_id IS NULL))
);
CREATE TABLE security_event (
    person_id UUID NOT NULL,
    id UUID NOT NULL,
    happened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind TEXT NOT NULL,
    session_id UUID,
    from_network TEXT NOT NULL,
    CONSTRAINT pk_security_event PRIMARY KEY (person_id, id)
);
"""

STAFF = """
CREATE TABLE staff (
    id UUID NOT NULL,
    login TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT,
    totp_secret BYTEA,
    totp_key_id TEXT,
    totp_last_step BIGINT,
    invitation_id UUID,
    invitation_sha256 BYTEA,
    invitation_ends_at TIMESTAMP WITH TIME ZONE,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by TEXT NOT NULL,
    blocked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff PRIMARY KEY (id),
    CONSTRAINT uq_staff_login UNIQUE (login),
    CONSTRAINT uq_staff_invitation_sha256 UNIQUE (invitation_sha256),
    CONSTRAINT ck_staff_login CHECK (login = lower(login)),
    CONSTRAINT ck_staff_totp CHECK ((totp_secret IS NULL) = (totp_key_id IS NULL)),
    CONSTRAINT ck_staff_invitation CHECK
        ((invitation_sha256 IS NULL) = (invitation_ends_at IS NULL))
);
CREATE TABLE staff_recovery_code (
    staff_id UUID NOT NULL,
    code_sha256 BYTEA NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff_recovery_code PRIMARY KEY (staff_id, code_sha256)
);
CREATE TABLE staff_grant (
    id UUID NOT NULL,
    staff_id UUID NOT NULL,
    role TEXT NOT NULL,
    programme_code TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    granted_by TEXT NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    ended_by TEXT,
    CONSTRAINT pk_staff_grant PRIMARY KEY (id),
    CONSTRAINT ck_staff_grant_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX ix_staff_grant_staff_id ON staff_grant (staff_id);
CREATE TABLE admin_act (
    id UUID NOT NULL,
    acted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    programme_code TEXT NOT NULL,
    what TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    holder_id UUID,
    before JSONB,
    after JSONB,
    channel TEXT NOT NULL,
    from_address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    CONSTRAINT pk_admin_act PRIMARY KEY (id),
    CONSTRAINT ck_admin_act_channel CHECK (channel IN ('api', 'command'))
);
CREATE INDEX ix_admin_act_actor ON admin_act (actor, id);
CREATE INDEX ix_admin_act_object_kind_object_id ON admin_act (object_kind, object_id, id);
CREATE INDEX ix_admin_act_holder_id ON admin_act (holder_id, id) WHERE holder_id IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON admin_act
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON admin_act
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

KEYS = """
CREATE TABLE api_key (
    id UUID NOT NULL,
    owner_kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    secret_sha256 BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_key PRIMARY KEY (id),
    CONSTRAINT ck_api_key_owner_kind CHECK (owner_kind IN ('merchant', 'verifier'))
);
CREATE INDEX ix_api_key_owner_kind_owner ON api_key (owner_kind, owner);
CREATE TABLE key_use (
    key_id UUID NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_key_use PRIMARY KEY (key_id)
);
ALTER TABLE feed_key
    ADD COLUMN scopes TEXT[] NOT NULL DEFAULT '{events,totals,reconciliation}',
    ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE;
"""

CLOSING = """
ALTER TABLE participant ADD COLUMN closed_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE voucher ADD COLUMN lapsed_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_voucher_ends_once CHECK (lapsed_at IS NULL OR consumed_at IS NULL);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON person, delegation, login_session, refresh_token, staff,
    staff_recovery_code, staff_grant, api_key, key_use TO tanhui_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON personal_value, outside_id, acting_for TO tanhui_service;
GRANT SELECT, INSERT, DELETE ON personal_read, security_event TO tanhui_service;
GRANT SELECT, INSERT ON admin_act TO tanhui_service;
GRANT DELETE ON login_session, refresh_token, staff_recovery_code, delegation TO tanhui_service;
"""

BACK = """
ALTER TABLE voucher DROP COLUMN lapsed_at;
ALTER TABLE participant DROP COLUMN closed_at;
ALTER TABLE feed_key DROP COLUMN scopes, DROP COLUMN expires_at;
DROP TABLE key_use, api_key, admin_act, staff_grant, staff_recovery_code, staff, security_event,
    refresh_token, login_session, acting_for, delegation, personal_read, outside_id, personal_value,
    person;
"""


def upgrade() -> None:
    for each in (PEOPLE, LOGINS, STAFF, KEYS, CLOSING, GRANTS):
        op.execute(each)


def downgrade() -> None:
    op.execute(BACK)
