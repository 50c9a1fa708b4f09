"""Merchants, offers, redemptions and vouchers."""

from alembic import op

revision = "0003_rewards"
down_revision = "0002_activities"

TABLES = """
CREATE TABLE merchant (
    id UUID NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    CONSTRAINT pk_merchant PRIMARY KEY (id)
);
CREATE TABLE offer (
    id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    programme_holder_id UUID NOT NULL,
    title_zh TEXT NOT NULL,
    title_en TEXT NOT NULL,
    price_points BIGINT NOT NULL,
    on_sale_from TIMESTAMP WITH TIME ZONE NOT NULL,
    on_sale_to TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_offer PRIMARY KEY (id),
    CONSTRAINT ck_offer_price CHECK (price_points > 0),
    CONSTRAINT ck_offer_sale CHECK (on_sale_to > on_sale_from),
    CONSTRAINT fk_offer_merchant_id FOREIGN KEY(merchant_id) REFERENCES merchant (id)
);
CREATE TABLE offer_stock (
    offer_id UUID NOT NULL,
    stock_units BIGINT NOT NULL,
    CONSTRAINT pk_offer_stock PRIMARY KEY (offer_id),
    CONSTRAINT ck_offer_stock_stock CHECK (stock_units >= 0)
);
CREATE TABLE redemption (
    holder_id UUID NOT NULL,
    id UUID NOT NULL,
    offer_id UUID NOT NULL,
    spent_points BIGINT NOT NULL,
    redeemed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_redemption PRIMARY KEY (holder_id, id),
    CONSTRAINT ck_redemption_spent CHECK (spent_points > 0),
    CONSTRAINT fk_redemption_offer_id FOREIGN KEY(offer_id) REFERENCES offer (id)
);
CREATE TABLE voucher (
    code_sha256 BYTEA NOT NULL,
    holder_id UUID NOT NULL,
    redemption_id UUID NOT NULL,
    merchant_id UUID NOT NULL,
    offer_id UUID NOT NULL,
    consumed_at TIMESTAMP WITH TIME ZONE,
    consumption_id UUID,
    CONSTRAINT pk_voucher PRIMARY KEY (code_sha256)
);
CREATE TABLE consumption (
    id UUID NOT NULL,
    code_sha256 BYTEA NOT NULL,
    merchant_id UUID NOT NULL,
    consumed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_consumption PRIMARY KEY (id)
);
"""

GRANTS = """
GRANT SELECT, INSERT ON merchant, offer, redemption, consumption TO tanhui_service;
GRANT SELECT, INSERT, UPDATE ON offer_stock, voucher TO tanhui_service;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute("DROP TABLE consumption, voucher, redemption, offer_stock, offer, merchant")
