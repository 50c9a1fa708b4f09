"""The tables of district reporting."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from ledgers.base import Base

_PERIOD = "period ~ '^[1-9][0-9]{3}(-(0[1-9]|1[0-2])|-Q[1-4])?$'"


class DistrictDay(Base):
    """What a division's residents did on a day, summed from postings in the order of the log.

    A row for each level: the town as the activity has it, and the district, city and province that
    its code begins with. ``behaviour_code`` is "-" for what is of no behaviour: points spent and
    expired, vouchers, and points that were given for no activity.
    """

    __tablename__ = "district_day"
    __table_args__ = ({"postgresql_with": {"fillfactor": 80}},)

    division_code: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    activities: Mapped[int] = mapped_column(server_default="0")
    saved_mg_co2e: Mapped[int] = mapped_column(server_default="0")
    earned_points: Mapped[int] = mapped_column(server_default="0")
    spent_points: Mapped[int] = mapped_column(server_default="0")
    expired_points: Mapped[int] = mapped_column(server_default="0")
    vouchers: Mapped[int] = mapped_column(server_default="0")


class DistrictMonth(Base):
    """How many different residents did something in a month; behaviour "*": anything at all."""

    __tablename__ = "district_month"
    __table_args__ = (
        CheckConstraint("extract(day FROM month) = 1", "month"),
        CheckConstraint("residents >= 0", "residents"),
        {"postgresql_with": {"fillfactor": 80}},
    )

    division_code: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    residents: Mapped[int] = mapped_column(server_default="0")


class DistrictResident(Base):
    """What a resident did on a day in a town: by it residents are counted once."""

    __tablename__ = "district_resident"
    __table_args__ = (
        CheckConstraint("activities >= 0", "activities"),
        Index(None, "day", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
        {"postgresql_with": {"fillfactor": 80}},
    )

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    division_code: Mapped[str] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)
    activities: Mapped[int]


class DistrictLate(Base):
    """Whose acts of a month changed after its report was issued: by it the next version knows
    behind which changes enough residents stand. ``log_index`` is the posting's place in the log.
    """

    __tablename__ = "district_late"

    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    log_index: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    division_code: Mapped[str] = mapped_column(primary_key=True)
    behaviour_code: Mapped[str] = mapped_column(primary_key=True)


class DistrictReport(Base):
    """A report as it was issued, for ever: another version is another row.

    ``period`` is a month (2026-10), a quarter (2026-Q3) or a year (2026), ``first_day`` its first.
    ``content`` is canonical JSON; every format is made from it. ``log_size`` transfers of the log
    had been summed, the last at ``as_of``. ``reason`` says why there is another version.
    """

    __tablename__ = "district_report"
    __table_args__ = (
        CheckConstraint(_PERIOD, "period"),
        CheckConstraint("version >= 1", "version"),
        CheckConstraint("(version = 1) = (reason IS NULL)", "reason"),
        CheckConstraint("content_sha256 = sha256(content)", "hash"),
    )

    division_code: Mapped[str] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    first_day: Mapped[date]
    as_of: Mapped[datetime]
    log_size: Mapped[int]
    issued_at: Mapped[datetime]
    issued_by: Mapped[str]
    reason: Mapped[str | None]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[str]


class PlanTarget(Base):
    """What a published plan wants of a division in a year. ``target_thousandths`` in
    thousandths of ``unit``, so that 3.6 % is exact."""

    __tablename__ = "plan_target"
    __table_args__ = (
        CheckConstraint("comparison IN ('>=', '>', '<=', '<')", "comparison"),
        CheckConstraint("how_measured IN ('reported', 'observed')", "how_measured"),
    )

    division_code: Mapped[str] = mapped_column(ForeignKey("division.code"), primary_key=True)
    plan: Mapped[str] = mapped_column(primary_key=True)
    indicator: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(Integer, primary_key=True)
    clause: Mapped[str | None]
    issued_on: Mapped[date | None]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    target_thousandths: Mapped[int]
    unit: Mapped[str]
    comparison: Mapped[str]
    how_measured: Mapped[str]


class ReportedValue(Base):
    """What district staff say an indicator came to, with its source; the last entered counts."""

    __tablename__ = "reported_value"
    __table_args__ = (
        CheckConstraint(_PERIOD, "period"),
        Index("ix_reported_value_indicator", "division_code", "indicator", "period", "entered_at"),
    )

    division_code: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    indicator: Mapped[str]
    period: Mapped[str]
    value_thousandths: Mapped[int]
    unit: Mapped[str]
    source: Mapped[str]
    source_date: Mapped[date]
    entered_by: Mapped[str]
    entered_at: Mapped[datetime]
