"""Who gives goods for points: merchants, their shops and scanners, what was agreed with them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Merchant(Base):
    """Who gives goods for points in one programme; its id is its holder id in the ledger.

    Bank details are sealed; ``bank_last4`` is what people see of them. ``credit_code`` is the
    unified social credit code (GB 32100-2015).
    """

    __tablename__ = "merchant"
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'approved', 'suspended', 'ended')", "state"),
        CheckConstraint("num_nulls(bank_key_id, bank_sealed, bank_last4) IN (0, 3)", "bank"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    programme_holder_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default="approved")
    credit_code: Mapped[str | None]
    bank_key_id: Mapped[str | None]
    bank_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    bank_last4: Mapped[str | None]
    made_by: Mapped[str | None]
    made_at: Mapped[datetime | None]


class Shop(Base):
    """A place where a merchant takes vouchers."""

    __tablename__ = "shop"
    __table_args__ = (Index("ix_shop_merchant_id", "merchant_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    name_zh: Mapped[str]
    name_en: Mapped[str]
    address: Mapped[str]
    division_code: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class Scanner(Base):
    """A till's device, which signs what it takes while it is offline; its key follows from its id
    and is kept nowhere.
    """

    __tablename__ = "scanner"
    __table_args__ = (Index("ix_scanner_merchant_id", "merchant_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    shop_id: Mapped[UUID | None] = mapped_column(ForeignKey("shop.id"))
    name: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Agreement(Base):
    """What the programme pays a merchant for one voucher, from a day to the day before another:
    ``fixed`` fen, a ``share`` of its face value in basis points, or nothing (``free``).
    """

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint("valid_to > valid_from", "validity"),
        CheckConstraint("price_rule IN ('fixed', 'share', 'free')", "price_rule"),
        CheckConstraint(
            "(price_rule = 'fixed') = (fixed_fen IS NOT NULL) AND fixed_fen > 0", "fixed"
        ),
        CheckConstraint(
            "(price_rule = 'share') = (share_bp IS NOT NULL) AND share_bp BETWEEN 1 AND 10000",
            "share",
        ),
        Index("ix_agreement_merchant_id", "merchant_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    price_rule: Mapped[str]
    fixed_fen: Mapped[int | None]
    share_bp: Mapped[int | None]
    document: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
