"""Who stands behind a month's figures: residents, counted from their own rows.

The rows of a month lie together, in the order in which the days came, and are read in that order,
by the index of days. PostgreSQL prefers the primary key, which jumps through all of the table for
each resident: seven times as much work for a month of a district of 20 million activities a year.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import Statement, array_of, together
from service.districts.rollups.reading import Atom, town_bounds


class Act(NamedTuple):
    """That a resident did something."""

    holder_id: UUID
    town_code: str
    day: date
    behaviour_code: str


# As SET LOCAL, which Citus passes on. The memory is for a large district's residents.
_IN_ORDER_OF_DAYS: tuple[Statement, ...] = (
    ("SET LOCAL work_mem = '64MB'", {}),
    ("SET LOCAL enable_indexscan = off", {}),
    ("SET LOCAL enable_indexonlyscan = off", {}),
)
_AS_BEFORE: tuple[Statement, ...] = (
    ("SET LOCAL work_mem TO DEFAULT", {}),
    ("SET LOCAL enable_indexscan TO DEFAULT", {}),
    ("SET LOCAL enable_indexonlyscan TO DEFAULT", {}),
)


@contextmanager
def in_order_of_days(session: Session) -> Iterator[None]:
    """What is below reads a month as it lies. After a failure the transaction is over anyway."""
    together(session, *_IN_ORDER_OF_DAYS)
    yield
    together(session, *_AS_BEFORE)


_ATOMS = text("""
    SELECT division_code, day, behaviour_code, count(*)
    FROM district_resident
    WHERE day >= :first AND day < :beyond AND division_code BETWEEN :low AND :high
    GROUP BY division_code, day, behaviour_code ORDER BY division_code, day, behaviour_code
""")


def atoms(session: Session, divisions: Sequence[str], first: date, beyond: date) -> list[Atom]:
    """Residents with an activity that stands, by town, day and behaviour; in order."""
    found: list[Atom] = []
    for district in sorted(divisions):
        parameters = {**town_bounds(district), "first": first, "beyond": beyond}
        found += [Atom(*row) for row in session.execute(_ATOMS, parameters)]
    return found


# A bit a day for each resident: a tenth of the groups that a row a resident and day would be.
_ANYBODY = text("""
    SELECT CAST(:first AS date) + n AS day, count(*) AS residents
    FROM (
        SELECT holder_id, bit_or(1 << (day - CAST(:first AS date))) AS days
        FROM district_resident
        WHERE day >= :first AND day < :beyond AND division_code BETWEEN :low AND :high
        GROUP BY holder_id
    ) AS of_resident
    JOIN generate_series(0, 30) AS n ON of_resident.days >> n & 1 = 1
    GROUP BY n
""")


def anybody(session: Session, district: str, first: date, beyond: date) -> dict[date, int]:
    """Different residents of a district by day of a month, whatever they did; where there are."""
    parameters = {**town_bounds(district), "first": first, "beyond": beyond}
    return {row.day: row.residents for row in session.execute(_ANYBODY, parameters)}


_WHO = text("""
    SELECT r.holder_id, r.division_code, r.day, r.behaviour_code
    FROM unnest(CAST(:towns AS text[]), CAST(:days AS date[]), CAST(:behaviours AS text[]))
        AS k (division_code, day, behaviour_code)
    JOIN district_resident AS r ON r.division_code = k.division_code AND r.day = k.day
        AND r.behaviour_code = k.behaviour_code
    WHERE r.day >= :first AND r.day < :beyond AND left(r.division_code, 6) = ANY(:divisions)
""")


def who(
    session: Session,
    divisions: Sequence[str],
    first: date,
    beyond: date,
    wanted: Collection[tuple[str, date, str]],
) -> list[Act]:
    """Each resident behind the atoms (town, day, behaviour) of ``wanted``, which are small: so a
    large district's are not all fetched.
    """
    if not wanted:
        return []
    towns, days, behaviours = zip(*sorted(wanted), strict=True)
    parameters = {
        "first": first,
        "beyond": beyond,
        "divisions": list(divisions),
        "towns": array_of(towns),
        "days": array_of(days),
        "behaviours": array_of(behaviours),
    }
    return [Act(*row) for row in session.execute(_WHO, parameters)]
