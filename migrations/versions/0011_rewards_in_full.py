"""Merchants with shops and agreements, offers in versions, budgets, scans, settlements, webhooks.

Beside the release before: its own columns of ``offer`` keep the terms in force (a later migration
drops them), and what it writes gets the first version's number. A draft has no stock, so that
release cannot sell it. What would look through tables that grow waits for the next migration.
"""

from alembic import op

revision = "0011_rewards_in_full"
down_revision = "0010_identity_in_full"

MERCHANTS = """
ALTER TABLE merchant
    ADD COLUMN programme_holder_id UUID,
    ADD COLUMN state TEXT NOT NULL DEFAULT 'approved',
    ADD COLUMN credit_code TEXT,
    ADD COLUMN bank_key_id TEXT,
    ADD COLUMN bank_sealed BYTEA,
    ADD COLUMN bank_last4 TEXT,
    ADD COLUMN made_by TEXT,
    ADD COLUMN made_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_merchant_state CHECK (state IN ('draft', 'approved', 'suspended', 'ended')),
    ADD CONSTRAINT ck_merchant_bank CHECK
        (num_nulls(bank_key_id, bank_sealed, bank_last4) IN (0, 3));
UPDATE merchant SET programme_holder_id =
    (SELECT o.programme_holder_id FROM offer AS o WHERE o.merchant_id = merchant.id
     ORDER BY o.id LIMIT 1);
CREATE TABLE shop (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    address TEXT NOT NULL,
    division_code TEXT,
    closed_at TIMESTAMP WITH TIME ZONE,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_shop PRIMARY KEY (id),
    CONSTRAINT fk_shop_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchant (id)
);
CREATE INDEX ix_shop_merchant_id ON shop (merchant_id);
CREATE TABLE scanner (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    shop_id UUID,
    name TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_scanner PRIMARY KEY (id),
    CONSTRAINT fk_scanner_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT fk_scanner_shop_id FOREIGN KEY (shop_id) REFERENCES shop (id)
);
CREATE INDEX ix_scanner_merchant_id ON scanner (merchant_id);
CREATE TABLE agreement (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE NOT NULL,
    price_rule TEXT NOT NULL,
    fixed_fen BIGINT,
    share_bp BIGINT,
    document TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_agreement PRIMARY KEY (id),
    CONSTRAINT fk_agreement_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT ck_agreement_validity CHECK (valid_to > valid_from),
    CONSTRAINT ck_agreement_price_rule CHECK (price_rule IN ('fixed', 'share', 'free')),
    CONSTRAINT ck_agreement_fixed CHECK
        ((price_rule = 'fixed') = (fixed_fen IS NOT NULL) AND fixed_fen > 0),
    CONSTRAINT ck_agreement_share CHECK
        ((price_rule = 'share') = (share_bp IS NOT NULL) AND share_bp BETWEEN 1 AND 10000)
);
CREATE INDEX ix_agreement_merchant_id ON agreement (merchant_id);
CREATE TABLE donation_project (
    id UUID NOT NULL,
    programme_holder_id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    goal_points BIGINT NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_donation_project PRIMARY KEY (id),
    CONSTRAINT fk_donation_project_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT ck_donation_project_goal CHECK (goal_points > 0)
);
CREATE TABLE budget (
    id UUID NOT NULL,
    programme_holder_id UUID NOT NULL,
    name TEXT NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE NOT NULL,
    total_fen BIGINT NOT NULL,
    drawn_fen BIGINT NOT NULL DEFAULT 0,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_budget PRIMARY KEY (id),
    CONSTRAINT ck_budget_validity CHECK (valid_to > valid_from),
    CONSTRAINT ck_budget_drawn CHECK (drawn_fen BETWEEN 0 AND total_fen)
);
"""

OFFERS = """
ALTER TABLE offer
    ADD COLUMN kind TEXT NOT NULL DEFAULT 'voucher',
    ADD COLUMN state TEXT NOT NULL DEFAULT 'published',
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN budget_id UUID,
    ADD COLUMN project_id UUID,
    ADD CONSTRAINT fk_offer_project_id FOREIGN KEY (project_id) REFERENCES donation_project (id),
    ADD CONSTRAINT ck_offer_kind CHECK
        (kind IN ('pool_code', 'voucher', 'top_up', 'goods', 'donation')),
    ADD CONSTRAINT ck_offer_state CHECK (state IN ('draft', 'published', 'paused', 'ended')),
    ADD CONSTRAINT ck_offer_version CHECK
        (version > 0 OR (version = 0 AND state IN ('draft', 'ended'))),
    ADD CONSTRAINT ck_offer_project CHECK ((kind = 'donation') = (project_id IS NOT NULL));
CREATE INDEX ix_offer_programme_holder_id ON offer (programme_holder_id, state);
CREATE INDEX ix_offer_merchant_id ON offer (merchant_id);
CREATE TABLE offer_version (
    offer_id UUID NOT NULL,
    version INTEGER NOT NULL,
    title_zh TEXT NOT NULL,
    title_en TEXT NOT NULL,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    pictures TEXT[] NOT NULL,
    price_points BIGINT NOT NULL,
    face_value_fen BIGINT NOT NULL,
    agreement_id UUID,
    settlement_fen BIGINT NOT NULL,
    on_sale_from TIMESTAMP WITH TIME ZONE NOT NULL,
    on_sale_to TIMESTAMP WITH TIME ZONE NOT NULL,
    daily_units BIGINT,
    resident_day_units BIGINT,
    resident_week_units BIGINT,
    resident_month_units BIGINT,
    division_codes TEXT[] NOT NULL,
    scene_codes TEXT[] NOT NULL,
    shop_ids UUID[] NOT NULL,
    valid_days BIGINT,
    valid_until TIMESTAMP WITH TIME ZONE,
    cancel_hours BIGINT NOT NULL,
    expiry_returns BOOLEAN NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    published_by TEXT,
    published_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_offer_version PRIMARY KEY (offer_id, version),
    CONSTRAINT fk_offer_version_offer_id FOREIGN KEY (offer_id) REFERENCES offer (id),
    CONSTRAINT fk_offer_version_agreement_id FOREIGN KEY (agreement_id) REFERENCES agreement (id),
    CONSTRAINT ck_offer_version_number CHECK (version > 0),
    CONSTRAINT ck_offer_version_price CHECK (price_points BETWEEN 1 AND 1000000000),
    CONSTRAINT ck_offer_version_face_value CHECK (face_value_fen >= 0),
    CONSTRAINT ck_offer_version_settlement CHECK
        (settlement_fen >= 0 AND (settlement_fen = 0 OR agreement_id IS NOT NULL)),
    CONSTRAINT ck_offer_version_sale CHECK (on_sale_to > on_sale_from),
    CONSTRAINT ck_offer_version_limits CHECK
        (daily_units > 0 AND resident_day_units > 0 AND resident_week_units > 0
         AND resident_month_units > 0),
    CONSTRAINT ck_offer_version_valid_days CHECK (valid_days BETWEEN 1 AND 3660),
    CONSTRAINT ck_offer_version_cancel CHECK (cancel_hours BETWEEN 0 AND 8784),
    CONSTRAINT ck_offer_version_published CHECK ((published_by IS NULL) = (published_at IS NULL))
);
INSERT INTO offer_version
    SELECT id, 1, title_zh, title_en, '', '', '{}', price_points, 0, NULL, 0, on_sale_from,
           on_sale_to, NULL, NULL, NULL, NULL, '{}', '{}', '{}', NULL, NULL, 0, true,
           'migration', on_sale_from, 'migration', on_sale_from FROM offer;
ALTER TABLE offer_stock
    ADD COLUMN put_units BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN day DATE,
    ADD COLUMN day_units BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN reserved_fen BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_offer_stock_day_units CHECK (day_units >= 0),
    ADD CONSTRAINT ck_offer_stock_reserved CHECK (reserved_fen >= 0),
    SET (fillfactor = 50);
UPDATE offer_stock SET put_units = stock_units + coalesce(
    (SELECT count(*) FROM redemption AS r WHERE r.offer_id = offer_stock.offer_id), 0);
CREATE TABLE stock_change (
    offer_id UUID NOT NULL,
    id UUID NOT NULL,
    units BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_stock_change PRIMARY KEY (offer_id, id),
    CONSTRAINT ck_stock_change_units CHECK (units <> 0)
);
CREATE TABLE pool_file (
    offer_id UUID NOT NULL,
    id UUID NOT NULL,
    sha256 BYTEA NOT NULL,
    codes BIGINT NOT NULL,
    loaded_by TEXT NOT NULL,
    loaded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_pool_file PRIMARY KEY (offer_id, id)
);
CREATE TABLE pool_code (
    offer_id UUID NOT NULL,
    code_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    file_id UUID NOT NULL,
    redemption_id UUID,
    CONSTRAINT pk_pool_code PRIMARY KEY (offer_id, code_hash)
);
CREATE INDEX ix_pool_code_free ON pool_code (offer_id, code_hash) WHERE redemption_id IS NULL;
CREATE INDEX ix_pool_code_redemption_id ON pool_code (offer_id, redemption_id)
    WHERE redemption_id IS NOT NULL;
CREATE TABLE picture (
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_picture PRIMARY KEY (sha256),
    CONSTRAINT ck_picture_size CHECK (octet_length(content) <= 524288)
);
"""

REDEMPTIONS = """
ALTER TABLE redemption
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN units BIGINT NOT NULL DEFAULT 1,
    ADD COLUMN state TEXT NOT NULL DEFAULT 'done',
    ADD COLUMN ended_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN ended_by TEXT,
    ADD COLUMN returned_points BIGINT NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_redemption_units CHECK (units > 0) NOT VALID,
    ADD CONSTRAINT ck_redemption_state CHECK
        (state IN ('pending', 'done', 'failed', 'cancelled', 'expired', 'refunded')) NOT VALID,
    ADD CONSTRAINT ck_redemption_ended CHECK
        ((state IN ('pending', 'done')) = (ended_at IS NULL)
         AND (ended_at IS NULL) = (ended_by IS NULL)) NOT VALID,
    ADD CONSTRAINT ck_redemption_returned CHECK
        (returned_points BETWEEN 0 AND spent_points) NOT VALID;
CREATE TABLE top_up (
    holder_id UUID NOT NULL,
    redemption_id UUID NOT NULL,
    order_id UUID NOT NULL,
    offer_id UUID NOT NULL,
    amount_fen BIGINT NOT NULL,
    hold_id UUID NOT NULL,
    hold_ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE,
    ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered TEXT,
    gateway_reference TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    contradicted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_top_up PRIMARY KEY (holder_id, redemption_id),
    CONSTRAINT ck_top_up_amount CHECK (amount_fen > 0),
    CONSTRAINT ck_top_up_state CHECK (state IN ('ordered', 'done', 'refused', 'cancelled')),
    CONSTRAINT ck_top_up_ended CHECK
        ((state = 'ordered') = (ended_at IS NULL) AND (state = 'ordered') = (next_at IS NOT NULL)),
    CONSTRAINT ck_top_up_contradicted CHECK (contradicted_at IS NULL OR ended_at IS NOT NULL)
);
CREATE INDEX ix_top_up_order_id ON top_up (order_id);
CREATE INDEX ix_top_up_next_at ON top_up (next_at) WHERE state = 'ordered';
CREATE INDEX ix_top_up_contradicted_at ON top_up (contradicted_at)
    WHERE contradicted_at IS NOT NULL;
ALTER TABLE voucher
    ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN cancelled_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN expired_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN refunded_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_voucher_one_end CHECK
        (num_nonnulls(consumed_at, lapsed_at, cancelled_at, expired_at) <= 1) NOT VALID,
    ADD CONSTRAINT ck_voucher_refunded CHECK
        (refunded_at IS NULL OR consumed_at IS NOT NULL) NOT VALID;
ALTER TABLE consumption
    ADD COLUMN offer_id UUID,
    ADD COLUMN redemption_id UUID,
    ADD COLUMN shop_id UUID,
    ADD COLUMN scanner_id UUID,
    ADD COLUMN offline BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN recorded_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN recorded_by TEXT,
    ADD COLUMN reversed_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN reversed_by TEXT,
    ADD CONSTRAINT ck_consumption_reversed CHECK
        ((reversed_at IS NULL) = (reversed_by IS NULL)) NOT VALID;
CREATE TABLE double_use (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    offer_id UUID NOT NULL,
    redemption_id UUID NOT NULL,
    code_sha256 BYTEA NOT NULL,
    why TEXT NOT NULL,
    scanned_at TIMESTAMP WITH TIME ZONE NOT NULL,
    shop_id UUID,
    scanner_id UUID,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_by TEXT NOT NULL,
    first_id UUID,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    first_shop_id UUID,
    first_scanner_id UUID,
    CONSTRAINT pk_double_use PRIMARY KEY (id),
    CONSTRAINT ck_double_use_why CHECK (why IN ('consumed', 'cancelled', 'expired', 'lapsed'))
);
CREATE INDEX ix_double_use_merchant_id ON double_use (merchant_id, recorded_at);
CREATE TABLE code_device (
    id UUID NOT NULL,
    holder_id UUID NOT NULL,
    name TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    last_step BIGINT NOT NULL DEFAULT 0,
    last_scan_id UUID,
    CONSTRAINT pk_code_device PRIMARY KEY (id)
);
CREATE INDEX ix_code_device_holder_id ON code_device (holder_id);
CREATE TABLE scan (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    shop_id UUID,
    scanner_id UUID,
    holder_id UUID NOT NULL,
    code_device_id UUID NOT NULL,
    step BIGINT NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_scan PRIMARY KEY (id)
);
"""

SETTLEMENTS = """
CREATE TABLE settlement (
    merchant_id UUID NOT NULL,
    id UUID NOT NULL,
    programme_holder_id UUID NOT NULL,
    period_from DATE NOT NULL,
    period_to DATE NOT NULL,
    state TEXT NOT NULL,
    lines BIGINT NOT NULL,
    owed_fen BIGINT NOT NULL,
    returned_fen BIGINT NOT NULL,
    drafted_by TEXT NOT NULL,
    drafted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_by TEXT,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    disputed_by TEXT,
    disputed_at TIMESTAMP WITH TIME ZONE,
    dispute_reason TEXT,
    approved_by TEXT,
    approved_at TIMESTAMP WITH TIME ZONE,
    paid_by TEXT,
    paid_at TIMESTAMP WITH TIME ZONE,
    payment_reference TEXT,
    CONSTRAINT pk_settlement PRIMARY KEY (merchant_id, id),
    CONSTRAINT ck_settlement_period CHECK (period_to > period_from),
    CONSTRAINT ck_settlement_state CHECK
        (state IN ('drafting', 'draft', 'confirmed', 'disputed', 'approved', 'paid', 'void')),
    CONSTRAINT ck_settlement_sums CHECK
        (lines >= 0 AND owed_fen >= 0 AND returned_fen BETWEEN 0 AND owed_fen),
    CONSTRAINT ck_settlement_confirmed CHECK
        ((confirmed_by IS NULL) = (confirmed_at IS NULL)
         AND (confirmed_by IS NOT NULL OR state NOT IN ('confirmed', 'approved', 'paid'))),
    CONSTRAINT ck_settlement_approved CHECK
        ((approved_by IS NULL) = (approved_at IS NULL)
         AND (approved_by IS NOT NULL) = (state IN ('approved', 'paid'))),
    CONSTRAINT ck_settlement_second_person CHECK
        (approved_by <> drafted_by AND approved_by <> confirmed_by),
    CONSTRAINT ck_settlement_paid CHECK
        ((paid_by IS NOT NULL) = (state = 'paid') AND (paid_by IS NULL) = (paid_at IS NULL)
         AND (paid_by IS NULL) = (payment_reference IS NULL)),
    CONSTRAINT ck_settlement_disputed CHECK
        ((disputed_by IS NULL) = (disputed_at IS NULL)
         AND (disputed_by IS NULL) = (dispute_reason IS NULL))
);
CREATE UNIQUE INDEX uq_settlement_merchant_id ON settlement (merchant_id, period_from)
    WHERE state <> 'void';
CREATE INDEX ix_settlement_unfinished ON settlement (drafted_at)
    WHERE state = 'drafting' OR (state = 'void' AND lines > 0);
CREATE TABLE settlement_line (
    merchant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    offer_id UUID NOT NULL,
    version INTEGER NOT NULL,
    redemption_id UUID NOT NULL,
    consumption_id UUID,
    shop_id UUID,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    reverses_id UUID,
    settlement_id UUID,
    CONSTRAINT pk_settlement_line PRIMARY KEY (merchant_id, id),
    CONSTRAINT ck_settlement_line_kind CHECK
        (kind IN ('consumption', 'top_up', 'donation', 'reversal', 'refund')),
    CONSTRAINT ck_settlement_line_reverses CHECK
        ((kind IN ('reversal', 'refund')) = (reverses_id IS NOT NULL)),
    CONSTRAINT ck_settlement_line_amount CHECK
        (CASE WHEN reverses_id IS NULL THEN amount_fen >= 0 ELSE amount_fen <= 0 END)
);
CREATE INDEX ix_settlement_line_open ON settlement_line (merchant_id, recorded_at, id)
    WHERE settlement_id IS NULL;
CREATE INDEX ix_settlement_line_settlement_id ON settlement_line (merchant_id, settlement_id, id)
    WHERE settlement_id IS NOT NULL;
CREATE UNIQUE INDEX uq_settlement_line_reverses_id ON settlement_line (merchant_id, reverses_id)
    WHERE reverses_id IS NOT NULL;
CREATE TABLE webhook_endpoint (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    url TEXT NOT NULL,
    kinds TEXT[] NOT NULL,
    made_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_endpoint PRIMARY KEY (id),
    CONSTRAINT fk_webhook_endpoint_merchant_id FOREIGN KEY (merchant_id) REFERENCES merchant (id)
);
CREATE INDEX ix_webhook_endpoint_merchant_id ON webhook_endpoint (merchant_id);
CREATE TABLE webhook_message (
    id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    tries BIGINT NOT NULL DEFAULT 0,
    next_at TIMESTAMP WITH TIME ZONE,
    give_up_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_answer TEXT,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_message PRIMARY KEY (id),
    CONSTRAINT ck_webhook_message_state CHECK (state IN ('waiting', 'delivered', 'dead')),
    CONSTRAINT ck_webhook_message_ended CHECK
        ((state = 'waiting') = (ended_at IS NULL) AND (state = 'waiting') = (next_at IS NOT NULL))
);
CREATE INDEX ix_webhook_message_next_at ON webhook_message (endpoint_id, next_at)
    WHERE state = 'waiting';
CREATE INDEX ix_webhook_message_merchant_id ON webhook_message (merchant_id, id);
"""

GRANTS = """
GRANT UPDATE (name_zh, name_en, state, credit_code, bank_key_id, bank_sealed, bank_last4)
    ON merchant TO tanhui_service;
GRANT UPDATE (title_zh, title_en, price_points, on_sale_from, on_sale_to, state, version)
    ON offer TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (published_by, published_at) ON offer_version TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (name_zh, name_en, address, division_code, closed_at)
    ON shop TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (retired_at) ON scanner TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (valid_to) ON agreement TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (text_zh, text_en, closed_at) ON donation_project TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (ended_at) ON webhook_endpoint TO tanhui_service;
GRANT UPDATE (state, ended_at, ended_by, returned_points) ON redemption TO tanhui_service;
GRANT UPDATE (reversed_at, reversed_by) ON consumption TO tanhui_service;
GRANT SELECT, INSERT, UPDATE (settlement_id) ON settlement_line TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON budget, pool_code, top_up, code_device, settlement
    TO tanhui_service;
GRANT SELECT, INSERT ON stock_change, pool_file, picture, double_use TO tanhui_service;
GRANT SELECT, INSERT, DELETE ON scan TO tanhui_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_message TO tanhui_service;
"""

BACK = """
DROP TABLE webhook_message, webhook_endpoint, settlement_line, settlement, scan, code_device,
    double_use, top_up, picture, pool_code, pool_file, stock_change, offer_version, budget,
    agreement, scanner, shop;
REVOKE UPDATE (name_zh, name_en) ON merchant FROM tanhui_service;
REVOKE UPDATE (title_zh, title_en, price_points, on_sale_from, on_sale_to)
    ON offer FROM tanhui_service;
DROP INDEX ix_offer_programme_holder_id, ix_offer_merchant_id;
ALTER TABLE consumption DROP COLUMN offer_id, DROP COLUMN redemption_id, DROP COLUMN shop_id,
    DROP COLUMN scanner_id, DROP COLUMN offline, DROP COLUMN recorded_at, DROP COLUMN recorded_by,
    DROP COLUMN reversed_at, DROP COLUMN reversed_by;
ALTER TABLE voucher DROP COLUMN version, DROP COLUMN expires_at, DROP COLUMN cancelled_at,
    DROP COLUMN expired_at, DROP COLUMN refunded_at;
ALTER TABLE redemption DROP COLUMN version, DROP COLUMN units, DROP COLUMN state,
    DROP COLUMN ended_at, DROP COLUMN ended_by, DROP COLUMN returned_points;
ALTER TABLE offer_stock DROP COLUMN put_units, DROP COLUMN day, DROP COLUMN day_units,
    DROP COLUMN reserved_fen, RESET (fillfactor);
ALTER TABLE offer DROP COLUMN kind, DROP COLUMN state, DROP COLUMN version, DROP COLUMN budget_id,
    DROP COLUMN project_id;
DROP TABLE donation_project;
ALTER TABLE merchant DROP COLUMN programme_holder_id, DROP COLUMN state, DROP COLUMN credit_code,
    DROP COLUMN bank_key_id, DROP COLUMN bank_sealed, DROP COLUMN bank_last4, DROP COLUMN made_by,
    DROP COLUMN made_at;
"""


def upgrade() -> None:
    for each in (MERCHANTS, OFFERS, REDEMPTIONS, SETTLEMENTS, GRANTS):
        op.execute(each)


def downgrade() -> None:
    op.execute(BACK)
