"""What 0011 left for later: validate its constraints and make its indexes, beside traffic.

Each statement is a transaction of its own and may be repeated: run it again if it was interrupted.
"""

from alembic import op

revision = "0012_rewards_validated"
down_revision = "0011_rewards_in_full"

CHECKS = {
    "redemption": ("units", "state", "ended", "returned"),
    "voucher": ("one_end", "refunded"),
    "consumption": ("reversed",),
}
INDEXES = {
    "ix_redemption_holder_id": "redemption (holder_id, offer_id, redeemed_at)",
    "ix_redemption_offer_id": "redemption (offer_id, redeemed_at)",
    "ix_voucher_open_until": "voucher (expires_at) WHERE expires_at IS NOT NULL"
    " AND consumed_at IS NULL AND lapsed_at IS NULL AND cancelled_at IS NULL"
    " AND expired_at IS NULL",
    "ix_consumption_merchant_id": "consumption (merchant_id, consumed_at)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, names in CHECKS.items():
            for name in names:
                op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{name}")
        for name, on in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {on}")


def downgrade() -> None:
    op.execute(f"DROP INDEX {', '.join(INDEXES)}")
