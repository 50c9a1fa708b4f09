"""What residents redeemed, and what happens to it at the till."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Redemption(Base):
    """A resident's points for units of an offer, by the terms of one version; the id is the
    client's.

    ``pending``: points are held until an outside gateway has answered. ``returned_points`` came
    back when it ended.
    """

    __tablename__ = "redemption"
    __table_args__ = (
        CheckConstraint("spent_points > 0", "spent"),
        CheckConstraint("units > 0", "units"),
        CheckConstraint(
            "state IN ('pending', 'done', 'failed', 'cancelled', 'expired', 'refunded')", "state"
        ),
        CheckConstraint(
            "(state IN ('pending', 'done')) = (ended_at IS NULL)"
            " AND (ended_at IS NULL) = (ended_by IS NULL)",
            "ended",
        ),
        CheckConstraint("returned_points BETWEEN 0 AND spent_points", "returned"),
        Index("ix_redemption_holder_id", "holder_id", "offer_id", "redeemed_at"),
        Index("ix_redemption_offer_id", "offer_id", "redeemed_at"),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id"))
    spent_points: Mapped[int]
    redeemed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    units: Mapped[int] = mapped_column(server_default="1")
    state: Mapped[str] = mapped_column(server_default="done")
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    returned_points: Mapped[int] = mapped_column(server_default="0")


class TopUp(Base):
    """A pending redemption's order at the outside gateway, under ``order_id``, which follows from
    redemption and holder: the redemption's id is the client's, and two residents may send the same.

    ``next_at`` is when the job asks next; ``answered`` what was heard last. Contradicted: after the
    first final answer came another one, which nobody acted on and ``answered`` keeps; until a
    person has settled it with the gateway.
    """

    __tablename__ = "top_up"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", "amount"),
        CheckConstraint("state IN ('ordered', 'done', 'refused', 'cancelled')", "state"),
        CheckConstraint(
            "(state = 'ordered') = (ended_at IS NULL) AND (state = 'ordered') = (next_at IS NOT"
            " NULL)",
            "ended",
        ),
        CheckConstraint("contradicted_at IS NULL OR ended_at IS NOT NULL", "contradicted"),
        Index("ix_top_up_order_id", "order_id"),
        Index("ix_top_up_next_at", "next_at", postgresql_where=text("state = 'ordered'")),
        Index(
            "ix_top_up_contradicted_at",
            "contradicted_at",
            postgresql_where=text("contradicted_at IS NOT NULL"),
        ),
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    redemption_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    amount_fen: Mapped[int]
    hold_id: Mapped[UUID]
    hold_ends_at: Mapped[datetime]
    state: Mapped[str]
    tries: Mapped[int]
    next_at: Mapped[datetime | None]
    ordered_at: Mapped[datetime]
    answered: Mapped[str | None]
    gateway_reference: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    contradicted_at: Mapped[datetime | None]


class Voucher(Base):
    """What the resident shows in the shop, by the hash of its code; the state is which of the
    instants is there. Lapsed: its owner closed the account before it was used.
    """

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("lapsed_at IS NULL OR consumed_at IS NULL", "ends_once"),
        CheckConstraint(
            "num_nonnulls(consumed_at, lapsed_at, cancelled_at, expired_at) <= 1", "one_end"
        ),
        CheckConstraint("refunded_at IS NULL OR consumed_at IS NOT NULL", "refunded"),
        Index(
            "ix_voucher_open_until",
            "expires_at",
            postgresql_where=text(
                "expires_at IS NOT NULL AND consumed_at IS NULL AND lapsed_at IS NULL"
                " AND cancelled_at IS NULL AND expired_at IS NULL"
            ),
        ),
    )

    code_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    holder_id: Mapped[UUID]
    redemption_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    consumed_at: Mapped[datetime | None]
    consumption_id: Mapped[UUID | None]
    lapsed_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    expires_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]


class Consumption(Base):
    """A merchant took a voucher; the id is the till's own, so sending again is a retry.

    ``consumed_at`` is the till's word where it was ``offline``, else ours. Reversed: the clerk took
    it back on the same day, and the voucher can be used again.
    """

    __tablename__ = "consumption"
    __table_args__ = (
        CheckConstraint("(reversed_at IS NULL) = (reversed_by IS NULL)", "reversed"),
        Index("ix_consumption_merchant_id", "merchant_id", "consumed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    merchant_id: Mapped[UUID]
    consumed_at: Mapped[datetime]
    offer_id: Mapped[UUID | None]
    redemption_id: Mapped[UUID | None]
    shop_id: Mapped[UUID | None]
    scanner_id: Mapped[UUID | None]
    offline: Mapped[bool] = mapped_column(server_default="false")
    recorded_at: Mapped[datetime | None]
    recorded_by: Mapped[str | None]
    reversed_at: Mapped[datetime | None]
    reversed_by: Mapped[str | None]


class DoubleUse(Base):
    """A voucher that an offline till had taken, and that had ended before the till told of it; the
    id is the refused consumption's. ``why`` and the ``first_`` columns say what came first.
    """

    __tablename__ = "double_use"
    __table_args__ = (
        CheckConstraint("why IN ('consumed', 'cancelled', 'expired', 'lapsed')", "why"),
        Index("ix_double_use_merchant_id", "merchant_id", "recorded_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    redemption_id: Mapped[UUID]
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    why: Mapped[str]
    scanned_at: Mapped[datetime]
    shop_id: Mapped[UUID | None]
    scanner_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]
    first_id: Mapped[UUID | None]
    first_at: Mapped[datetime]
    first_shop_id: Mapped[UUID | None]
    first_scanner_id: Mapped[UUID | None]


class CodeDevice(Base):
    """A resident's phone that shows live codes; its key follows from its id and is kept nowhere.

    ``last_step`` is the newest code that was taken, by the scan of ``last_scan_id``: none up to it
    is taken again.
    """

    __tablename__ = "code_device"
    __table_args__ = (Index("ix_code_device_holder_id", "holder_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    name: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    last_step: Mapped[int] = mapped_column(server_default="0")
    last_scan_id: Mapped[UUID | None]


class Scan(Base):
    """A live code that a till has read: for some minutes the till may act for this resident."""

    __tablename__ = "scan"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID]
    shop_id: Mapped[UUID | None]
    scanner_id: Mapped[UUID | None]
    holder_id: Mapped[UUID]
    code_device_id: Mapped[UUID]
    step: Mapped[int]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    ends_at: Mapped[datetime]
