"""Tables of activities: the catalogue (small, read-only in traffic) and what residents did."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base

# --- The catalogue: reference tables, loaded from files (activities/catalogue/) ---------------


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
    """What was done. ``claimed_by`` says what makes two reports the same act: start or day."""

    __tablename__ = "behaviour"
    __table_args__ = (
        CheckConstraint("claimed_by IN ('start', 'day')", "claimed_by"),
        CheckConstraint("base_unit IN ('m', 'g', 'Wh', 'step', 'count', 's')", "base_unit"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    base_unit: Mapped[str]
    claimed_by: Mapped[str]


class Factor(Base):
    """µg of CO2e per base unit, as somebody published it. No factor without a source."""

    __tablename__ = "factor"
    __table_args__ = (CheckConstraint("ug_co2e_per_unit > 0", "positive"),)

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


class Method(Base):
    """How a programme quantifies a behaviour, until the day before ``valid_to``."""

    __tablename__ = "method"
    __table_args__ = (
        CheckConstraint("form = 'per_unit'", "form"),
        CheckConstraint("valid_to > valid_from", "validity"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    behaviour_code: Mapped[str] = mapped_column(ForeignKey("behaviour.code"))
    form: Mapped[str]
    factor_code: Mapped[str] = mapped_column(ForeignKey("factor.code"))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    document: Mapped[str]


class Tariff(Base):
    """A programme's price of a point in milligrams of CO2e, from a day on."""

    __tablename__ = "tariff"
    __table_args__ = (
        CheckConstraint("mg_co2e_per_point > 0", "positive"),
        CheckConstraint("valid_to > valid_from", "validity"),
    )

    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"), primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    mg_co2e_per_point: Mapped[int]
    document: Mapped[str]


class Rule(Base):
    """One verification rule: a typed kind (``activities.rules``) with its parameters, dated."""

    __tablename__ = "rule"
    __table_args__ = (CheckConstraint("valid_to > valid_from", "validity"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    behaviour_code: Mapped[str] = mapped_column(ForeignKey("behaviour.code"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    document: Mapped[str]


class Scene(Base):
    """场景: a partner's behaviour in a programme, approved from a day to a day (exclusive).

    ``feed_format`` names the shape of the partner's files (``service.feeds``).
    """

    __tablename__ = "scene"
    __table_args__ = (CheckConstraint("approved_to > approved_from", "approval"),)

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


# --- What grows with residents ----------------------------------------------------------------


class Participant(Base):
    """A holder who takes part: in which programme, living in which town. Nothing personal."""

    __tablename__ = "participant"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    programme_code: Mapped[str] = mapped_column(ForeignKey("programme.code"))
    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"))
    joined_at: Mapped[datetime]


class ReceivedEvent(Base):
    """The retry key of an event: a hash of scene and the sender's own id, and of the content."""

    __tablename__ = "received_event"

    key: Mapped[UUID] = mapped_column(primary_key=True)
    content: Mapped[UUID]
    holder_id: Mapped[UUID]
    activity_id: Mapped[UUID]


class Claim(Base):
    """A real-world act is claimed once, whoever reports it."""

    __tablename__ = "claim"

    fingerprint: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID]
    activity_id: Mapped[UUID]


class Activity(Base):
    """What was received and what was decided, with everything needed to recompute it.

    Partitioned by month of its UUIDv7 ``id``. ``day`` is a day of the programme's zone.
    """

    __tablename__ = "activity"
    __table_args__ = (
        CheckConstraint("decision IN ('verified', 'held', 'rejected')", "decision"),
        CheckConstraint(
            "decision = 'verified' OR (saved_mg_co2e = 0 AND points = 0 AND trimmed_points = 0)",
            "granted",
        ),
        CheckConstraint("saved_mg_co2e >= 0 AND points >= 0 AND trimmed_points >= 0", "amounts"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    scene_code: Mapped[str]
    behaviour_code: Mapped[str | None]
    division_code: Mapped[str | None]
    day: Mapped[date | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    quantity: Mapped[int]
    decision: Mapped[str]
    code: Mapped[str]
    saved_mg_co2e: Mapped[int]
    points: Mapped[int]
    trimmed_points: Mapped[int]
    method_code: Mapped[str | None]
    method_version: Mapped[int | None] = mapped_column(Integer)
    duplicate_of: Mapped[UUID | None]
    posting_id: Mapped[UUID | None]


class Tally(Base):
    """One resident's verified total of one behaviour on one day: what caps are measured by."""

    __tablename__ = "tally"
    __table_args__ = ({"postgresql_with": {"fillfactor": 70}},)

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    activities: Mapped[int] = mapped_column(server_default="0")
    saved_mg_co2e: Mapped[int] = mapped_column(server_default="0")
    points: Mapped[int] = mapped_column(server_default="0")
