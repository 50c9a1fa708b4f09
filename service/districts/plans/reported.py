"""Reported values: what district staff say an indicator came to, with source and date.

Kept here: a value that was entered is never changed; for an indicator, a division and a period the
one entered last counts. All values of a file are taken, or none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from service.districts.models import PlanTarget, ReportedValue
from service.districts.plans.errors import Fault, ReportedValueReused, ReportedValuesRefused
from service.districts.plans.thousandths import VALUE_MAX
from service.districts.spans import span_of
from service.language import Text

ZONE = ZoneInfo("Asia/Shanghai")
POPULATION = "resident_population"
SOURCE_MAX = 300
FAULTS_MAX = 100  # Told of a file; how many there are in all is told beside them.
_OLDEST = date(2000, 1, 1)
_BELOW_ZERO_ALLOWED = ("%",)  # A fall that was a rise.
_PERCENT_MAX_THOUSANDTHS = 100_000


class Indicator(NamedTuple):
    """What can be reported; ``unit`` is one of ``targets.UNITS``."""

    code: str
    name_zh: str
    name_en: str
    unit: str


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value as it is entered; ``id`` is made by the client, or of its place in a file."""

    id: UUID
    division_code: str
    indicator: str
    period: str
    value_thousandths: int
    unit: str
    source: str
    source_date: date


OWN = (  # What no plan names and reports need, or districts commonly publish.
    Indicator(POPULATION, "常住人口", "Resident population", "person"),
    Indicator("sorted_waste", "分类收集的生活垃圾", "Household waste collected sorted", "t"),
    Indicator("kitchen_waste", "厨余垃圾清运量", "Kitchen waste collected", "t"),
    Indicator("recyclables", "可回收物回收量", "Recyclables collected", "t"),
    Indicator("residual_waste", "其他垃圾清运量", "Residual waste collected", "t"),
)


def indicators(session: Session) -> dict[str, Indicator]:
    """What can be reported, by code: of every plan, and ``OWN``. The same for every division."""
    query = select(
        PlanTarget.indicator, PlanTarget.name_zh, PlanTarget.name_en, PlanTarget.unit
    ).order_by(PlanTarget.indicator, PlanTarget.division_code, PlanTarget.plan, PlanTarget.year)
    found = {one.code: one for one in OWN}
    for row in session.execute(query):
        found.setdefault(row[0], Indicator(*row))
    return found


def enter(
    session: Session,
    new: Sequence[NewValue],
    *,
    by: str,
    now: datetime,
    lines: Sequence[int | None] = (None,),
    unread: Sequence[Fault] = (),
) -> list[ReportedValue]:
    """Enter values, or return those entered under these ids: all of them, or none.

    Args:
        by: who enters them, as the admin log names people.
        lines: where each value stands in its file; None for one that came alone.
        unread: what is wrong with rows of the file that are no values.

    Raises:
        ReportedValuesRefused: unknown indicators or divisions, other units, numbers out of bounds,
            periods that have not begun.
        ReportedValueReused: an id stands for another value.
    """
    faults = [*unread, *_faults(session, new, lines, now.astimezone(ZONE).date())]
    if faults:
        faults.sort(key=lambda fault: fault.line or 0)
        raise ReportedValuesRefused(faults[:FAULTS_MAX], faults=len(faults))
    keys = [(one.division_code, one.id) for one in new]
    known = {
        (row.division_code, row.id): row
        for row in session.scalars(
            select(ReportedValue).where(
                tuple_(ReportedValue.division_code, ReportedValue.id).in_(keys)
            )
        )
    }
    for one in new:
        before = known.get((one.division_code, one.id))
        if before is not None and not _same(before, one):
            raise ReportedValueReused(one.id)
        if before is None:
            row = ReportedValue(**_columns(one), entered_by=by, entered_at=now)
            session.add(row)
            known[one.division_code, one.id] = row
    session.flush()
    return [known[key] for key in keys]


def entered(
    session: Session,
    division_code: str,
    *,
    indicator: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[ReportedValue]:
    """What was entered for a division and those below it, the latest first; up to ``limit``."""
    query = select(ReportedValue).where(
        ReportedValue.division_code.startswith(division_code, autoescape=True)
    )
    if indicator is not None:
        query = query.where(ReportedValue.indicator == indicator)
    place = tuple_(ReportedValue.entered_at, ReportedValue.id)
    if after is not None:
        query = query.where(place < tuple_(*after))
    latest_first = query.order_by(ReportedValue.entered_at.desc(), ReportedValue.id.desc())
    return list(session.scalars(latest_first.limit(limit)))


def standing(
    session: Session,
    division_codes: Collection[str],
    *,
    indicators: Collection[str] | None = None,
    as_of: datetime,
) -> list[ReportedValue]:
    """The values that count at an instant: of each division, indicator and period the one that was
    entered last. Ordered by division, indicator and the period's last day, coarser periods last.
    """
    query = (
        select(ReportedValue)
        .where(ReportedValue.division_code.in_(division_codes), ReportedValue.entered_at <= as_of)
        .ext(
            distinct_on(ReportedValue.division_code, ReportedValue.indicator, ReportedValue.period)
        )
        .order_by(
            ReportedValue.division_code,
            ReportedValue.indicator,
            ReportedValue.period,
            ReportedValue.entered_at.desc(),
            ReportedValue.id.desc(),
        )
    )
    if indicators is not None:
        query = query.where(ReportedValue.indicator.in_(indicators))

    def place(row: ReportedValue) -> tuple[str, str, date, int]:
        first, beyond = span_of(row.period)
        return row.division_code, row.indicator, beyond, (beyond - first).days

    return sorted(session.scalars(query), key=place)


def populations(
    session: Session, division_codes: Collection[str], *, beyond: date, as_of: datetime
) -> dict[str, ReportedValue]:
    """The resident population of each division, as last reported of a period that began before
    ``beyond``. A division without one is not in the answer.
    """
    found = standing(session, division_codes, indicators=(POPULATION,), as_of=as_of)
    return {row.division_code: row for row in found if span_of(row.period)[0] < beyond}


def _faults(
    session: Session, new: Sequence[NewValue], lines: Sequence[int | None], today: date
) -> list[Fault]:
    known = indicators(session)
    codes = {one.division_code for one in new}
    divisions = set(session.scalars(select(Division.code).where(Division.code.in_(codes))))
    found = []
    for one, line in zip(new, lines, strict=True):
        if one.division_code not in divisions:
            found.append(_unknown(line, "division_code", one.division_code))
        found += [Fault(line, *each) for each in _wrong(one, known, today)]
    return found


def _unknown(line: int | None, column: str, value: str) -> Fault:
    return Fault(line, column, Text(f"没有 {value}。", f"There is no {value}."))


def _wrong(one: NewValue, known: Mapping[str, Indicator], today: date) -> list[tuple[str, Text]]:
    """What is wrong with a value, by column."""
    found = []
    indicator = known.get(one.indicator)
    if indicator is None:
        found.append(
            ("indicator", Text(f"没有指标 {one.indicator}。", f"No indicator {one.indicator}."))
        )
    elif one.unit != indicator.unit:
        found.append(
            ("unit", Text(
                f"{one.indicator} 的单位是 {indicator.unit}，不是 {one.unit}。",
                f"{one.indicator} is in {indicator.unit}, not {one.unit}.",
            ))
        )  # fmt: skip
    elif not _within_bounds(one):
        found.append(("value", Text("数值超出可能的范围。", "Not within what it can be.")))
    if span_of(one.period)[0] > today:
        found.append(("period", Text(f"{one.period} 尚未开始。", f"{one.period} has not begun.")))
    if not _OLDEST <= one.source_date <= today:
        found.append(
            ("source_date", Text(
                f"来源日期须在 {_OLDEST} 至今天之间。",
                f"Not from {_OLDEST} to today.",
            ))
        )  # fmt: skip
    return found


def _within_bounds(one: NewValue) -> bool:
    most = _PERCENT_MAX_THOUSANDTHS if one.unit == "%" else VALUE_MAX * 1000
    least = -most if one.unit in _BELOW_ZERO_ALLOWED else 0
    whole = one.unit not in ("count", "person") or one.value_thousandths % 1000 == 0
    return least <= one.value_thousandths <= most and whole


def _columns(one: NewValue) -> dict[str, object]:
    return {name: getattr(one, name) for name in NewValue.__slots__}


def _same(row: ReportedValue, one: NewValue) -> bool:
    return all(getattr(row, name) == value for name, value in _columns(one).items())
