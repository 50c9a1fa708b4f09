"""The ledger's tables. Shapes and bounds are kept again by the database's own constraints."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
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

    ``balance - debt`` is the sum of the account's transfers. ``held`` of the balance is reserved by
    holds; what was clawed back beyond the rest is ``debt``. The balance of a programme's own
    account (kinds in ``ledgers.accounts.SYSTEM_KINDS``) is not kept here (``ledgers.folding``).
    """

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("holder_id", "unit", "kind"),
        CheckConstraint("NOT guarded OR balance >= 0", "guarded_balance"),
        CheckConstraint("held >= 0 AND (NOT guarded OR balance >= held)", "held"),
        CheckConstraint("debt = 0 OR (guarded AND debt > 0 AND balance = held)", "debt"),
        Index("ix_account_system", "holder_id", "id", postgresql_where=text("NOT guarded")),
        Index("ix_account_closed", "holder_id", postgresql_where=text("closed_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": 70}},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(ForeignKey("unit.code"))
    kind: Mapped[str]
    guarded: Mapped[bool]
    balance: Mapped[int] = mapped_column(server_default="0")
    debt: Mapped[int] = mapped_column(server_default="0")
    held: Mapped[int] = mapped_column(server_default="0")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    @property
    def available(self) -> int:
        """What can be spent or reserved, lots apart whose day is over and that lapse next."""
        return self.balance - self.held


class Posting(Base):
    """An atomic list of transfers with one cause; its id makes posting again a retry.

    ``content_sha256`` is of what was asked for; ``transfer_count`` of what was written: a spend
    from three lots is three transfers.
    """

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("transfer_count > 0", "transfer_count"),
        CheckConstraint(
            "kind <> 'correction' OR (approved_by IS NOT NULL AND approved_by <> actor)",
            "second_person",
        ),
        Index(None, "recorded_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    transfer_count: Mapped[int] = mapped_column(Integer)
    recorded_at: Mapped[datetime]
    request_id: Mapped[str | None]
    approved_by: Mapped[str | None]


class Transfer(Base):
    """A positive amount of one unit, from a debit account to a credit account. Append-only.

    Stored with the holder it concerns; partitioned by month of its UUIDv7 ``id``. ``position`` is
    its place in the posting, ``reference`` the activity or redemption behind it, ``expires_on`` the
    lot that the personal account gained or lost (none: what never expires, or a debt).
    """

    __tablename__ = "transfer"
    __table_args__ = (
        Index(None, "posting_id", "position"),
        # Ids rise with time, so a hundredth of a tree's size tells in which pages an id can be.
        Index(None, "id", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        # Of a resident's points what is not earned is little, and is looked for by time.
        Index(
            "ix_transfer_points_gone",
            "holder_id",
            "occurred_at",
            postgresql_where=text("unit = 'point' AND kind <> 'earn'"),
        ),
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
    expires_on: Mapped[date | None]


class ExpiryPolicy(Base):
    """Until when the points that an issuer gives can be used: dated data, ten years at most.

    To the end of the ``periods``-th month or year after the one of the earning. ``grace_days``:
    what comes back into a lot that has lapsed meanwhile can be used so much longer.
    """

    __tablename__ = "expiry_policy"
    __table_args__ = (
        CheckConstraint(
            "(ends = 'year' AND periods BETWEEN 0 AND 9)"
            " OR (ends = 'month' AND periods BETWEEN 0 AND 119)",
            "ten_years_at_most",
        ),
        CheckConstraint("grace_days BETWEEN 0 AND 366", "grace"),
        CheckConstraint("valid_to > valid_from", "validity"),
    )

    issuer_id: Mapped[UUID] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    zone: Mapped[str]
    ends: Mapped[str]
    periods: Mapped[int] = mapped_column(Integer)
    grace_days: Mapped[int] = mapped_column(Integer)
    document: Mapped[str]


class Lot(Base):
    """What remains of the points of one account that can be used to the end of one day.

    ``lapses_at`` is the end of that day in the issuer's zone. What of a balance is in no lot never
    expires.
    """

    __tablename__ = "lot"
    __table_args__ = (
        CheckConstraint("remaining >= 0", "remaining"),
        Index(None, "lapses_at"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_on: Mapped[date] = mapped_column(primary_key=True)
    lapses_at: Mapped[datetime]
    issuer_id: Mapped[UUID]
    remaining: Mapped[int]


class Hold(Base):
    """An amount reserved until it is captured, released, or its deadline passes: once."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("amount > 0 AND amount <= 9007199254740992", "amount"),
        CheckConstraint("captured BETWEEN 0 AND amount", "captured"),
        CheckConstraint("state IN ('held', 'captured', 'released', 'lapsed')", "state"),
        CheckConstraint(
            "(state = 'held') = (ended_at IS NULL) AND (state = 'captured') = (captured > 0)",
            "ends_once",
        ),
        CheckConstraint("deadline_at > reserved_at", "deadline"),
        Index(None, "deadline_at", postgresql_where=text("state = 'held'")),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    amount: Mapped[int]
    captured: Mapped[int] = mapped_column(server_default="0")
    state: Mapped[str] = mapped_column(server_default="held")
    reference: Mapped[UUID]
    actor: Mapped[str]
    reserved_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]


class Correction(Base):
    """What one operator proposes and another decides; approved, it is the posting of its id."""

    __tablename__ = "correction"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'approved', 'rejected')", "state"),
        CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL)"
            " AND (state = 'proposed') = (decided_at IS NULL)",
            "decided",
        ),
        CheckConstraint("state <> 'approved' OR decided_by <> proposed_by", "second_person"),
        Index(None, "proposed_at", postgresql_where=text("state = 'proposed'")),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(server_default="proposed")
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class LogQueue(Base):
    """Postings that wait for their place in the transparency log; written with each posting."""

    __tablename__ = "log_queue"

    posting_id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]


class SealedPosting(Base):
    """A posting's place in the log: the leaf of a transfer is ``first_index + position``."""

    __tablename__ = "sealed_posting"
    __table_args__ = (
        CheckConstraint("first_index >= 0 AND transfer_count > 0", "place"),
        Index(None, "first_index"),
    )

    posting_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_index: Mapped[int]
    transfer_count: Mapped[int] = mapped_column(Integer)


class CommitmentSecret(Base):
    """What salts a holder's leaves; None once the person was erased."""

    __tablename__ = "commitment_secret"
    __table_args__ = (CheckConstraint("length(secret) = 32", "length"),)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)


class LogState(Base):
    """How many leaves have their place; one row. The origin is fixed by the first sealing."""

    __tablename__ = "log_state"
    __table_args__ = (CheckConstraint("id = 1", "one_row"), CheckConstraint("size >= 0", "size"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    origin: Mapped[str]
    size: Mapped[int]


class LogCheckpoint(Base):
    """A checkpoint as it was signed, and the totals of all leaves under it."""

    __tablename__ = "log_checkpoint"

    size: Mapped[int] = mapped_column(primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    totals: Mapped[dict[str, int]] = mapped_column(JSONB)
    note: Mapped[str]
    sealed_at: Mapped[datetime]


class LogReader(Base):
    """How far a job has read the transfers in the order of the log."""

    __tablename__ = "log_reader"

    name: Mapped[str] = mapped_column(primary_key=True)
    next_index: Mapped[int]


class SystemBucket(Base):
    """A programme's own account, folded from the log, by the lot's day (9999-12-31: no end)."""

    __tablename__ = "system_bucket"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_on: Mapped[date] = mapped_column(primary_key=True)
    net: Mapped[int]


class SystemFold(Base):
    """How far a programme's own accounts are folded: up to which leaf of the log."""

    __tablename__ = "system_fold"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    next_index: Mapped[int]


class BalanceSnapshot(Base):
    """The sum of an account's transfers recorded before a month began (UTC)."""

    __tablename__ = "balance_snapshot"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    net: Mapped[int]


class SnapshotMonth(Base):
    """A month before which, once completed, an account's newest snapshot has its sum.

    Made holder range by holder range: ``slices_done`` of ``slices``.
    """

    __tablename__ = "snapshot_month"
    __table_args__ = (
        CheckConstraint("(slices_done = slices) = (completed_at IS NOT NULL)", "completed"),
    )

    month: Mapped[date] = mapped_column(primary_key=True)
    slices: Mapped[int] = mapped_column(Integer)
    slices_done: Mapped[int] = mapped_column(Integer, server_default="0")
    completed_at: Mapped[datetime | None]
