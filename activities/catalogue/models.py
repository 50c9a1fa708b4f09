"""The catalogue's tables: small, written by operators, read by every decision.

Loaded from files (``activities/catalogue/``). A row once loaded is never changed: a change is a new
version or a new period. A new factor, method, tariff or rule decides nothing until a second person
approves it: ``approved_by`` is NULL for a draft.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Integer
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from ledgers.base import Base


class Drafted:
    """Who drafted a row and who, another person, approved it; when, where that is known."""

    drafted_by: Mapped[str] = mapped_column(server_default="before 0008")
    drafted_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]


def _second_person() -> CheckConstraint:
    return CheckConstraint(
        "(approved_by IS NULL) = (approved_at IS NULL) AND approved_by <> drafted_by",
        "second_person",
    )


class Division(Base):
    """An administrative division of China: province, city, district, or town and subdistrict."""

    __tablename__ = "division"
    __table_args__ = (
        CheckConstraint("level IN ('province', 'city', 'district', 'town')", "level"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str]
    parent_code: Mapped[str | None]
    name_zh: Mapped[str]


class DivisionMerge(Base):
    """A district that became part of another: from ``merged_on`` on the other's figures hold both.
    What was recorded before keeps its code.
    """

    __tablename__ = "division_merge"

    code: Mapped[str] = mapped_column(ForeignKey("division.code"), primary_key=True)
    into_code: Mapped[str] = mapped_column(ForeignKey("division.code"))
    merged_on: Mapped[date]
    document: Mapped[str]


class Programme(Base):
    """A city's programme: its zone gives the day, its holder owns the system accounts."""

    __tablename__ = "programme"

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    zone: Mapped[str]
    holder_id: Mapped[UUID]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    document: Mapped[str]


class Partner(Base):
    """Who sends the data (数据方)."""

    __tablename__ = "partner"

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Behaviour(Base):
    """What was done, and what makes two reports the same act (``claimed_by``): its start, its day,
    its month (for one meter), or the object itself (an order, a parcel), once and for all.
    """

    __tablename__ = "behaviour"
    __table_args__ = (
        CheckConstraint("claimed_by IN ('start', 'day', 'month', 'object')", "claimed_by"),
        CheckConstraint("base_unit IN ('m', 'g', 'Wh', 'step', 'count', 's', 'ml')", "base_unit"),
        CheckConstraint(
            "category IN ('transport', 'waste_sorting', 'recycling', 'home_energy', 'consumption',"
            " 'reuse')",
            "category",
        ),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    base_unit: Mapped[str]
    claimed_by: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="transport")


class Factor(Drafted, Base):
    """µg of CO2e per base unit, as somebody published it. No factor without a source.

    ``boundary`` says what is counted (a reduction, a baseline, an intensity, a life cycle);
    ``valid_from`` and ``valid_to`` (exclusive) when its publisher lets it be used.
    """

    __tablename__ = "factor"
    __table_args__ = (
        CheckConstraint("ug_co2e_per_unit > 0", "positive"),
        CheckConstraint("valid_to > valid_from", "validity"),
        _second_person(),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    ug_co2e_per_unit: Mapped[int]
    base_unit: Mapped[str]
    published_value: Mapped[str]
    published_unit: Mapped[str]
    publisher: Mapped[str]
    document: Mapped[str]
    year: Mapped[str]
    source_address: Mapped[str]
    confidence: Mapped[str]
    boundary: Mapped[str] = mapped_column(server_default="as published")
    valid_from: Mapped[date] = mapped_column(server_default="2000-01-01")
    valid_to: Mapped[date | None]


class Method(Drafted, Base):
    """How a programme quantifies a behaviour, until the day before ``valid_to``.

    Of the versions of a code the highest that holds on a day counts. Each unit of the quantity
    saves ``factor`` × ``share_permille`` / 1000 less ``actual_factor``:

    - per_unit: the factor is the reduction itself; no actual factor.
    - displaced: the factor is the baseline's, the actual factor the act's own.
    - mass: the factor by material stands in ``method_material``, ``factor_code`` is empty.
    - own_baseline: the quantity is what the household's baseline exceeds the reading by.
    """

    __tablename__ = "method"
    __table_args__ = (
        CheckConstraint("form IN ('per_unit', 'displaced', 'mass', 'own_baseline')", "form"),
        CheckConstraint("(factor_code IS NULL) = (form = 'mass')", "factor"),
        CheckConstraint("(actual_factor_code IS NOT NULL) = (form = 'displaced')", "actual"),
        CheckConstraint("share_permille BETWEEN 1 AND 1000", "share"),
        CheckConstraint("valid_to > valid_from", "validity"),
        _second_person(),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    behaviour_code: Mapped[str] = mapped_column(ForeignKey("behaviour.code"))
    form: Mapped[str]
    factor_code: Mapped[str | None] = mapped_column(ForeignKey("factor.code"))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    document: Mapped[str]
    actual_factor_code: Mapped[str | None] = mapped_column(ForeignKey("factor.code"))
    share_permille: Mapped[int] = mapped_column(Integer, server_default="1000")


class MethodMaterial(Base):
    """The factor of one material in a method by mass, and the share that is really recovered."""

    __tablename__ = "method_material"
    __table_args__ = (
        ForeignKeyConstraint(["method_code", "version"], ["method.code", "method.version"]),
        CheckConstraint("share_permille BETWEEN 1 AND 1000", "share"),
    )

    method_code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    material: Mapped[str] = mapped_column(primary_key=True)
    factor_code: Mapped[str] = mapped_column(ForeignKey("factor.code"))
    share_permille: Mapped[int] = mapped_column(Integer, server_default="1000")
    document: Mapped[str]


class CityBaseline(Base):
    """What a person of the city uses in a calendar month: the baseline of a household that has no
    readings of its own for two years.
    """

    __tablename__ = "city_baseline"
    __table_args__ = (
        CheckConstraint("month BETWEEN 1 AND 12", "month"),
        CheckConstraint("quantity_per_person > 0", "positive"),
    )

    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(ForeignKey("behaviour.code"), primary_key=True)
    month: Mapped[int] = mapped_column(Integer, primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    quantity_per_person: Mapped[int]
    publisher: Mapped[str]
    document: Mapped[str]
    source_address: Mapped[str]


class Tariff(Drafted, Base):
    """A programme's price of a point in milligrams of CO2e, from a day on: of those that hold on a
    day the one with the latest start counts.
    """

    __tablename__ = "tariff"
    __table_args__ = (
        CheckConstraint("mg_co2e_per_point > 0", "positive"),
        CheckConstraint("valid_to > valid_from", "validity"),
        _second_person(),
    )

    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    mg_co2e_per_point: Mapped[int]
    document: Mapped[str]


class Rule(Drafted, Base):
    """One verification rule: a typed kind (``activities.rules``) with its parameters, dated.

    Of the versions of a code the highest that holds on a day counts. Without a behaviour it is a
    rule of all the programme's behaviours, and a cap counts them together.
    """

    __tablename__ = "rule"
    __table_args__ = (
        CheckConstraint("valid_to > valid_from", "validity"),
        _second_person(),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    behaviour_code: Mapped[str | None] = mapped_column(ForeignKey("behaviour.code"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    document: Mapped[str]


class Scene(Base):
    """场景: a partner's behaviour in a programme, approved from a day to a day (exclusive).

    What came later (suspended, ended, extended) stands in ``scene_change``. ``channel`` says whose
    word it is, for which of two reports of an act counts (``activities.events.CHANNELS``).
    ``consent_version`` is the text that residents must have agreed to; none where the data is
    open. ``exclusions`` says which other schemes the act must not be counted in.
    ``feed_format`` names the shape of the partner's files (``service.feeds``).
    """

    __tablename__ = "scene"
    __table_args__ = (
        CheckConstraint("approved_to > approved_from", "approval"),
        CheckConstraint("channel IN ('operator', 'aggregator', 'app', 'staff')", "channel"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    partner_code: Mapped[str] = mapped_column(ForeignKey("partner.code"))
    behaviour_code: Mapped[str] = mapped_column(ForeignKey("behaviour.code"))
    name_zh: Mapped[str]
    name_en: Mapped[str]
    approved_from: Mapped[date]
    approved_to: Mapped[date]
    feed_format: Mapped[str]
    document: Mapped[str]
    channel: Mapped[str] = mapped_column(server_default="operator")
    consent_version: Mapped[int | None] = mapped_column(Integer)
    exclusions: Mapped[str | None]


class ConsentText(Base):
    """What a resident agrees to who consents to a scene in a version; never changed.

    Lines are paragraphs, without marks. A scene that was loaded before texts were kept may lack its
    own until the catalogue is loaded again.
    """

    __tablename__ = "consent_text"
    __table_args__ = (
        CheckConstraint("version >= 1", "version"),
        CheckConstraint("text_zh <> '' AND text_en <> ''", "texts"),
    )

    scene_code: Mapped[str] = mapped_column(ForeignKey("scene.code"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    text_zh: Mapped[str]
    text_en: Mapped[str]


class SceneChange(Base):
    """What became of a scene, from an instant on; never changed, the latest counts.

    ``status`` draft (not approved yet), approved, suspended or ended; ``approved_to`` a new last
    day (exclusive) where the approval was extended. An approval has a second person.
    """

    __tablename__ = "scene_change"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'approved', 'suspended', 'ended')", "status"),
        CheckConstraint("approved_by <> actor", "second_person"),
        CheckConstraint("status <> 'approved' OR approved_by IS NOT NULL", "approved"),
    )

    scene_code: Mapped[str] = mapped_column(ForeignKey("scene.code"), primary_key=True)
    effective_at: Mapped[datetime] = mapped_column(primary_key=True)
    status: Mapped[str]
    approved_to: Mapped[date | None]
    actor: Mapped[str]
    approved_by: Mapped[str | None]
    reason: Mapped[str]
    recorded_at: Mapped[datetime]


class SceneReminder(Base):
    """That operators were reminded of an approval's end: once a scene and end."""

    __tablename__ = "scene_reminder"

    scene_code: Mapped[str] = mapped_column(primary_key=True)
    approved_to: Mapped[date] = mapped_column(primary_key=True)
    reminded_at: Mapped[datetime]


class FeedKey(Base):
    """A key by which a partner signs. The secret is derived from the service's own key and the id,
    so none is stored; from ``retired_at`` on it opens nothing.
    """

    __tablename__ = "feed_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_code: Mapped[str] = mapped_column(ForeignKey("partner.code"))
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(
        ARRAY(Text), server_default="{events,totals,reconciliation}"
    )
    expires_at: Mapped[datetime | None]
