"""What is offered: offers in versions, their stock and codes, the budgets and projects behind."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base


class DonationProject(Base):
    """A public-benefit project, the merchant who receives for it, and how many points it asks."""

    __tablename__ = "donation_project"
    __table_args__ = (CheckConstraint("goal_points > 0", "goal"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_holder_id: Mapped[UUID]
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    name_zh: Mapped[str]
    name_en: Mapped[str]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    goal_points: Mapped[int]
    closed_at: Mapped[datetime | None]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class Budget(Base):
    """What a programme will pay merchants, from a day to the day before another.

    ``drawn_fen`` is what offers have drawn of it: what they reserve (``OfferStock.reserved_fen``)
    and what their redemptions cost.
    """

    __tablename__ = "budget"
    __table_args__ = (
        CheckConstraint("valid_to > valid_from", "validity"),
        CheckConstraint("drawn_fen BETWEEN 0 AND total_fen", "drawn"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_holder_id: Mapped[UUID]
    name: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    total_fen: Mapped[int]
    drawn_fen: Mapped[int] = mapped_column(server_default="0")
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class Offer(Base):
    """What a merchant gives. Its terms are those of ``version``, the published one (0: none yet);
    the columns from ``title_zh`` to ``on_sale_to`` repeat them for the release before, and nothing
    here reads them.
    """

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("price_points > 0", "price"),
        CheckConstraint("on_sale_to > on_sale_from", "sale"),
        CheckConstraint("kind IN ('pool_code', 'voucher', 'top_up', 'goods', 'donation')", "kind"),
        CheckConstraint("state IN ('draft', 'published', 'paused', 'ended')", "state"),
        CheckConstraint("version > 0 OR (version = 0 AND state IN ('draft', 'ended'))", "version"),
        CheckConstraint("(kind = 'donation') = (project_id IS NOT NULL)", "project"),
        Index("ix_offer_programme_holder_id", "programme_holder_id", "state"),
        Index("ix_offer_merchant_id", "merchant_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(ForeignKey("merchant.id"))
    programme_holder_id: Mapped[UUID]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    price_points: Mapped[int]
    on_sale_from: Mapped[datetime]
    on_sale_to: Mapped[datetime]
    kind: Mapped[str] = mapped_column(server_default="voucher")
    state: Mapped[str] = mapped_column(server_default="published")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    budget_id: Mapped[UUID | None]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("donation_project.id"))


class OfferVersion(Base):
    """The terms of an offer: never changed once published, so what was redeemed keeps them.

    ``settlement_fen`` is what one unit costs the programme, by the agreement. Limits are in units,
    None: no limit; weeks begin on Monday, in the programme's zone. Empty lists of divisions, scenes
    and shops: everybody, everywhere. A voucher is good to the end of the ``valid_days``-th day
    after its redemption, or until ``valid_until``, whichever is first. ``cancel_hours``: how long
    the resident may cancel, 0: not at all. ``expiry_returns``: points of what lapses unused come
    back.
    """

    __tablename__ = "offer_version"
    __table_args__ = (
        CheckConstraint("version > 0", "number"),
        CheckConstraint("price_points BETWEEN 1 AND 1000000000", "price"),
        CheckConstraint("face_value_fen >= 0", "face_value"),
        CheckConstraint(
            "settlement_fen >= 0 AND (settlement_fen = 0 OR agreement_id IS NOT NULL)",
            "settlement",
        ),
        CheckConstraint("on_sale_to > on_sale_from", "sale"),
        CheckConstraint(
            "daily_units > 0 AND resident_day_units > 0 AND resident_week_units > 0"
            " AND resident_month_units > 0",
            "limits",
        ),
        CheckConstraint("valid_days BETWEEN 1 AND 3660", "valid_days"),
        CheckConstraint("cancel_hours BETWEEN 0 AND 8784", "cancel"),
        CheckConstraint("(published_by IS NULL) = (published_at IS NULL)", "published"),
    )

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offer.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    title_zh: Mapped[str]
    title_en: Mapped[str]
    text_zh: Mapped[str]
    text_en: Mapped[str]
    pictures: Mapped[list[str]] = mapped_column(ARRAY(Text))
    price_points: Mapped[int]
    face_value_fen: Mapped[int]
    agreement_id: Mapped[UUID | None] = mapped_column(ForeignKey("agreement.id"))
    settlement_fen: Mapped[int]
    on_sale_from: Mapped[datetime]
    on_sale_to: Mapped[datetime]
    daily_units: Mapped[int | None]
    resident_day_units: Mapped[int | None]
    resident_week_units: Mapped[int | None]
    resident_month_units: Mapped[int | None]
    division_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    scene_codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    shop_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    valid_days: Mapped[int | None]
    valid_until: Mapped[datetime | None]
    cancel_hours: Mapped[int]
    expiry_returns: Mapped[bool]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    published_by: Mapped[str | None]
    published_at: Mapped[datetime | None]


class OfferStock(Base):
    """What is left of an offer: the one row that its buyers queue for. ``put_units`` is what was
    ever put in. ``day_units`` were taken on ``day``. ``reserved_fen`` is of the offer's budget, for
    what is still to be redeemed.
    """

    __tablename__ = "offer_stock"
    __table_args__ = (
        CheckConstraint("stock_units >= 0", "stock"),
        CheckConstraint("day_units >= 0", "day_units"),
        CheckConstraint("reserved_fen >= 0", "reserved"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    stock_units: Mapped[int]
    put_units: Mapped[int] = mapped_column(server_default="0")
    day: Mapped[date | None]
    day_units: Mapped[int] = mapped_column(server_default="0")
    reserved_fen: Mapped[int] = mapped_column(server_default="0")


class StockChange(Base):
    """Units that were put (or, below zero, withdrawn) by hand; pools are filled by their files."""

    __tablename__ = "stock_change"
    __table_args__ = (CheckConstraint("units <> 0", "units"),)

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    units: Mapped[int]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class PoolFile(Base):
    """A file of a merchant's own codes, loaded whole or not at all."""

    __tablename__ = "pool_file"

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    codes: Mapped[int]
    loaded_by: Mapped[str]
    loaded_at: Mapped[datetime]


class PoolCode(Base):
    """A merchant's own code: sealed, found by a keyed hash, given to one redemption."""

    __tablename__ = "pool_code"
    __table_args__ = (
        Index(
            "ix_pool_code_free",
            "offer_id",
            "code_hash",
            postgresql_where=text("redemption_id IS NULL"),
        ),
        Index(
            "ix_pool_code_redemption_id",
            "offer_id",
            "redemption_id",
            postgresql_where=text("redemption_id IS NOT NULL"),
        ),
    )

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    file_id: Mapped[UUID]
    redemption_id: Mapped[UUID | None]


class Picture(Base):
    """A picture of an offer, under the hash of its bytes."""

    __tablename__ = "picture"
    __table_args__ = (CheckConstraint("octet_length(content) <= 524288", "size"),)

    sha256: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    made_by: Mapped[str]
    made_at: Mapped[datetime]
