"""Days, weeks and months as a programme's zone has them."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PERIODS = ("day", "week", "month")


def day_of(at: datetime, zone: str) -> date:
    """The day of an instant in a zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def start_of(day: date, zone: str) -> datetime:
    """When a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone))


def period_of(period: str, day: date) -> tuple[date, date]:
    """The first day of the day, the week (from Monday) or the month that a day is in, and the
    first day after it.
    """
    if period == "day":
        return day, day + timedelta(days=1)
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    assert period == "month"
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)
