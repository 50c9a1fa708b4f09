"""The ledger's tables. Shapes and bounds are kept again by the database's own constraints."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Unit(Base):
    """What is counted: ``mg_co2e`` (saved, never spent), ``point`` (碳积分), ``fen`` (0.01 CNY)."""

    __tablename__ = "unit"

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Account(Base):
    """One holder's amount of one unit, of one kind.

    ``balance - debt`` is the sum of the account's transfers; a guarded account keeps its balance
    at zero or more and what was clawed back beyond it as ``debt``. The balance of a programme's
    own account (kinds in ``ledgers.accounts.SYSTEM_KINDS``) is summed on demand, not kept here.
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("holder_id", "unit", "kind"),
        CheckConstraint("NOT guarded OR balance >= 0", "guarded_balance"),
        CheckConstraint("debt = 0 OR (guarded AND debt > 0 AND balance = 0)", "debt"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.code"))
    kind: Mapped[str]
    guarded: Mapped[bool]
    balance: Mapped[int] = mapped_column(server_default="0")
    debt: Mapped[int] = mapped_column(server_default="0")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Posting(Base):
    """An atomic list of transfers with one cause; its id makes posting again a retry."""

    __tablename__ = "posting"
    __table_args__ = (CheckConstraint("transfer_count > 0", "transfer_count"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    transfer_count: Mapped[int] = mapped_column(Integer)
    recorded_at: Mapped[datetime]


class Transfer(Base):
    """A positive amount of one unit, from a debit account to a credit account. Append-only.

    Stored with the holder it concerns; partitioned by month of its UUIDv7 ``id``. ``position`` is
    its place in the posting, ``reference`` the activity or redemption behind it.
    """

    __tablename__ = "transfer"
    __table_args__ = (
        Index(None, "posting_id", "position"),
        CheckConstraint("amount > 0 AND amount <= 9007199254740992", "amount"),
        CheckConstraint("debit_account_id <> credit_account_id", "two_accounts"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    posting_id: Mapped[UUID]
    position: Mapped[int] = mapped_column(Integer)
    unit: Mapped[str]
    debit_account_id: Mapped[UUID]
    credit_account_id: Mapped[UUID]
    amount: Mapped[int]
    kind: Mapped[str]
    reference: Mapped[UUID]
    occurred_at: Mapped[datetime]
    reverses_id: Mapped[UUID | None]
