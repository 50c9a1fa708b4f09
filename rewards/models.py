"""Tables of rewards. Offers are read by everybody; stock, which changes, has its own table."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class Merchant(Base):
    """Who gives goods for points."""

    __tablename__ = "merchant"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Offer(Base):
    """What a merchant gives for how many points, and when."""

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("price_points > 0", "price"),
        CheckConstraint("on_sale_to > on_sale_from", "sale"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    programme_holder_id: Mapped[UUID]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    price_points: Mapped[int]
    on_sale_from: Mapped[datetime]
    on_sale_to: Mapped[datetime]


class OfferStock(Base):
    """How many units of an offer are left: the one row that its buyers queue for."""

    __tablename__ = "offer_stock"
    __table_args__ = (CheckConstraint("stock_units >= 0", "stock"),)

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    stock_units: Mapped[int]


class Redemption(Base):
    """A resident's points for an offer; the id is the client's."""

    __tablename__ = "redemption"
    __table_args__ = (CheckConstraint("spent_points > 0", "spent"),)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id"))
    spent_points: Mapped[int]
    redeemed_at: Mapped[datetime]


class Voucher(Base):
    """What the resident shows in the shop; only a hash of its code is kept. Lapsed: its owner
    closed the account before it was used.
    """

    __tablename__ = "voucher"
    __table_args__ = (CheckConstraint("lapsed_at IS NULL OR consumed_at IS NULL", "ends_once"),)

    code_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    holder_id: Mapped[UUID]
    redemption_id: Mapped[UUID]
    merchant_id: Mapped[UUID]
    offer_id: Mapped[UUID]
    consumed_at: Mapped[datetime | None]
    consumption_id: Mapped[UUID | None]
    lapsed_at: Mapped[datetime | None]


class Consumption(Base):
    """A merchant took a voucher; the id is the merchant's own, so sending again is a retry."""

    __tablename__ = "consumption"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    merchant_id: Mapped[UUID]
    consumed_at: Mapped[datetime]
