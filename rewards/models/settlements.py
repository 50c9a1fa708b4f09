"""What the programme owes merchants, line by line, and the settlements that pay it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Settlement(Base):
    """A merchant's account of a period, from a day to the day before another: drafted, confirmed by
    the merchant, approved by a second person of the programme, paid.

    ``owed_fen`` less ``returned_fen`` is paid. Void: its lines are free for another.
    """

    __tablename__ = "settlement"
    __table_args__ = (
        CheckConstraint("period_to > period_from", "period"),
        CheckConstraint(
            "state IN ('drafting', 'draft', 'confirmed', 'disputed', 'approved', 'paid', 'void')",
            "state",
        ),
        CheckConstraint(
            "lines >= 0 AND owed_fen >= 0 AND returned_fen BETWEEN 0 AND owed_fen", "sums"
        ),
        CheckConstraint(
            "(confirmed_by IS NULL) = (confirmed_at IS NULL)"
            " AND (confirmed_by IS NOT NULL OR state NOT IN ('confirmed', 'approved', 'paid'))",
            "confirmed",
        ),
        CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL)"
            " AND (approved_by IS NOT NULL) = (state IN ('approved', 'paid'))",
            "approved",
        ),
        CheckConstraint(
            "approved_by <> drafted_by AND approved_by <> confirmed_by", "second_person"
        ),
        CheckConstraint(
            "(paid_by IS NOT NULL) = (state = 'paid') AND (paid_by IS NULL) = (paid_at IS NULL)"
            " AND (paid_by IS NULL) = (payment_reference IS NULL)",
            "paid",
        ),
        CheckConstraint(
            "(disputed_by IS NULL) = (disputed_at IS NULL)"
            " AND (disputed_by IS NULL) = (dispute_reason IS NULL)",
            "disputed",
        ),
        Index(
            "uq_settlement_merchant_id",
            "merchant_id",
            "period_from",
            unique=True,
            postgresql_where=text("state <> 'void'"),
        ),
        Index(
            "ix_settlement_unfinished",
            "drafted_at",
            postgresql_where=text("state = 'drafting' OR (state = 'void' AND lines > 0)"),
        ),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_holder_id: Mapped[UUID]
    period_from: Mapped[date]
    period_to: Mapped[date]
    state: Mapped[str]
    lines: Mapped[int]
    owed_fen: Mapped[int]
    returned_fen: Mapped[int]
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime]
    confirmed_by: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    disputed_by: Mapped[str | None]
    disputed_at: Mapped[datetime | None]
    dispute_reason: Mapped[str | None]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    paid_by: Mapped[str | None]
    paid_at: Mapped[datetime | None]
    payment_reference: Mapped[str | None]


class SettlementLine(Base):
    """What the programme owes a merchant for one thing, or gets back for it (``reverses_id``).

    ``amount_fen`` is its transfer in the ledger; a line without an amount has none. It is in one
    settlement at most.
    """

    __tablename__ = "settlement_line"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('consumption', 'top_up', 'donation', 'reversal', 'refund')", "kind"
        ),
        CheckConstraint("(kind IN ('reversal', 'refund')) = (reverses_id IS NOT NULL)", "reverses"),
        CheckConstraint(
            "CASE WHEN reverses_id IS NULL THEN amount_fen >= 0 ELSE amount_fen <= 0 END", "amount"
        ),
        Index(
            "ix_settlement_line_open",
            "merchant_id",
            "recorded_at",
            "id",
            postgresql_where=text("settlement_id IS NULL"),
        ),
        Index(
            "ix_settlement_line_settlement_id",
            "merchant_id",
            "settlement_id",
            "id",
            postgresql_where=text("settlement_id IS NOT NULL"),
        ),
        Index(
            "uq_settlement_line_reverses_id",
            "merchant_id",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
    )

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    amount_fen: Mapped[int]
    offer_id: Mapped[UUID]
    version: Mapped[int] = mapped_column(Integer)
    redemption_id: Mapped[UUID]
    consumption_id: Mapped[UUID | None]
    shop_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    reverses_id: Mapped[UUID | None]
    settlement_id: Mapped[UUID | None]
