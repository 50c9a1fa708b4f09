"""Periods of settlements: from a day to the day before another, in the programme's zone."""

from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Period(NamedTuple):
    """``to`` is the day after the last; the zone is the programme's."""

    since: date
    to: date
    zone: ZoneInfo

    @property
    def begins_at(self) -> datetime:
        return datetime.combine(self.since, time(), self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first instant that is not of the period: lines recorded before it are settled."""
        return datetime.combine(self.to, time(), self.zone)


def month_of(first: date, zone: ZoneInfo) -> Period:
    """The calendar month that begins on this day."""
    year, months = divmod(first.year * 12 + first.month, 12)
    return Period(first, date(year, months + 1, 1), zone)
