"""Which periods and divisions can be reported: districts, and months, quarters and years over.

Days are those of Asia/Shanghai. A district that became part of another by the end of a month is
counted there from that month on, with its towns; unless its own report of the month was issued
before the merge was known, for nobody is counted in two reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, DivisionMerge
from activities.errors import UnknownDivision
from service.districts.errors import DistrictMerged, MonthNotOver, NotADistrict, PeriodNotOver
from service.districts.models import DistrictReport
from service.districts.rollups.reading import ZONE
from service.districts.spans import span_of

Kind = Literal["month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Period:
    """A month, quarter or year as it is written, its first day and the day after its last."""

    name: str
    first: date
    beyond: date

    @property
    def kind(self) -> Kind:
        if "Q" in self.name:
            return "quarter"
        return "month" if "-" in self.name else "year"

    @property
    def last(self) -> date:
        return self.beyond - timedelta(days=1)

    def months(self) -> list["Period"]:
        """The months of it, in order."""
        found, first = [], self.first
        while first < self.beyond:
            found.append(period_of(f"{first:%Y-%m}"))
            first = found[-1].beyond
        return found

    def days(self) -> list[date]:
        """All days of it, in order."""
        return [self.first + timedelta(days=n) for n in range((self.beyond - self.first).days)]


def period_of(name: str) -> Period:
    """Raises ValueError for what is no period."""
    return Period(name, *span_of(name))


def check_over(period: Period, *, now: datetime) -> None:
    """A period that still runs is not reported: today's less yesterday's would show what a single
    resident did.

    Raises:
        MonthNotOver, PeriodNotOver: it has not ended in the districts' zone.
    """
    today = now.astimezone(ZONE).date()
    if period.beyond > today:
        if period.kind == "month":
            raise MonthNotOver(period.name)
        raise PeriodNotOver(period.name, in_future=period.first > today)


def district_of(session: Session, code: str) -> Division:
    """The district. Raises UnknownDivision, NotADistrict."""
    division = session.get(Division, code)
    if division is None:
        raise UnknownDivision(code)
    if division.level != "district":
        raise NotADistrict(code)
    return division


def with_merged(session: Session, district: str, month: Period) -> list[str]:
    """The district and those that are counted with it in a month; sorted.

    Raises:
        DistrictMerged: it had become part of another by the end of the month.
    """
    query = select(DivisionMerge).where(DivisionMerge.merged_on < month.beyond)
    into = {merge.code: merge.into_code for merge in session.scalars(query)}
    if district in into:
        raise DistrictMerged(district, into[district])
    found = [district]
    for each in found:  # Grows while it is read.
        found += [code for code, target in into.items() if target == each and code not in found]
    return sorted({district, *_without_own(session, found, month)})


def _without_own(session: Session, divisions: Sequence[str], month: Period) -> set[str]:
    own = select(DistrictReport.division_code).where(
        DistrictReport.division_code.in_(divisions), DistrictReport.period == month.name
    )
    return set(divisions) - set(session.scalars(own))
