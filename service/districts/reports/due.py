"""Which reports are due: each district's months from the 5th of the next month on, and the quarters
and years whose months are issued.

The days before the 5th are for what partners send late, and for what is withdrawn.
"""

from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.errors import DomainError
from service.districts.errors import (
    DistrictMerged,
    PeriodEmpty,
    PeriodNotComplete,
    RollUpsBehind,
)
from service.districts.models import DistrictReport
from service.districts.reports.issuing import issue
from service.districts.reports.periods import Period, period_of
from service.districts.rollups.reading import ZONE
from service.transparency import Log

BY = "job:issue_reports"
DAY = 5
MONTHS_BACK = 12  # Older months are issued by hand: nobody waits for them.
_NOT_DUE: tuple[type[DomainError], ...] = (
    *(DistrictMerged, PeriodEmpty, PeriodNotComplete, RollUpsBehind),
)

# From the first month on of which something was recorded, so that a month without acts between
# others does not stop its quarter; a district that sleeps for a year gets no reports.
_DISTRICTS = text("""
    SELECT began.division_code, m.month
    FROM (SELECT division_code, min(day) AS day FROM district_day
          WHERE length(division_code) = 6 AND day >= :first AND day < :beyond
          GROUP BY division_code) AS began,
         unnest(CAST(:months AS date[])) AS m (month)
    WHERE m.month >= date_trunc('month', began.day)::date
""")


def due(session: Session, *, now: datetime) -> list[tuple[str, str]]:
    """Districts and periods of which no report was issued and one may be; months first, in order.

    What nothing was recorded of, and what is not complete, is among them: ``issue_due`` finds out.
    """
    months = _months(now)
    if not months:
        return []
    parameters = {
        "first": months[0].first,
        "beyond": months[-1].beyond,
        "months": [month.first for month in months],
    }
    rows = session.execute(_DISTRICTS, parameters).all()
    wanted = {(code, f"{month:%Y-%m}") for code, month in rows}
    longer = _ended(months)
    wanted |= {(code, period) for code, _ in set(wanted) for period in longer}
    issued = session.execute(
        select(DistrictReport.division_code, DistrictReport.period).where(
            DistrictReport.version == 1, DistrictReport.first_day >= _first(months, longer)
        )
    )
    left = wanted - {(code, period) for code, period in issued}
    return sorted(left, key=lambda each: (len(period_of(each[1]).months()), each[1], each[0]))


def issue_due(session: Session, log: Log, division_code: str, period: str, *, now: datetime) -> int:
    """Issue one; answers how many were: 0 where it turns out not to be due."""
    try:
        with session.begin_nested():
            issue(session, log.signer(session), division_code, period, by=BY, now=now)
    except _NOT_DUE:
        return 0
    return 1


def _months(now: datetime) -> list[Period]:
    """The months whose reports are due, oldest first."""
    today = now.astimezone(ZONE).date()
    newest = today.year * 12 + today.month - 1 - (1 if today.day >= DAY else 2)
    return [
        period_of(f"{number // 12}-{number % 12 + 1:02}")
        for number in range(newest - MONTHS_BACK + 1, newest + 1)
    ]


def _ended(months: list[Period]) -> list[str]:
    """The quarters and years that end with one of these months."""
    quarters = [f"{m.first.year}-Q{m.first.month // 3}" for m in months if m.first.month % 3 == 0]
    return quarters + [str(m.first.year) for m in months if m.first.month == 12]


def _first(months: list[Period], longer: list[str]) -> date:
    return min([months[0].first, *(period_of(each).first for each in longer)])
