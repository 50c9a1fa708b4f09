"""Periods as they are written: a year (2026), a quarter (2026-Q3), a month (2026-10)."""

import re
from datetime import date

PATTERN = "^[1-9][0-9]{3}(-(0[1-9]|1[0-2])|-Q[1-4])?$"  # As the database has it.


def span_of(period: str) -> tuple[date, date]:
    """The first day, and the day after the last. Raises ValueError for what is no period."""
    if not re.fullmatch(PATTERN.removesuffix("$"), period):
        raise ValueError(f"{period!r} is no period")
    year, _, part = period.partition("-")
    months = 1 if part and part[0] != "Q" else 3 if part else 12
    first = 1 if not part else int(part) if months == 1 else 3 * int(part[1]) - 2
    beyond = first + months
    if beyond > 12 and int(year) == date.max.year:
        return date(int(year), first, 1), date.max  # There is no day after the last.
    return date(int(year), first, 1), date(int(year) + (beyond > 12), (beyond - 1) % 12 + 1, 1)
