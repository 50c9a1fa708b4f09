"""A resident's days: what each came to, as its activities stand now."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.ids import uuid7_floor

# An activity stands as its first decision and what was adjusted since add up to. What happened on a
# day was received after it, so that older partitions are not looked at.
_DAYS = text("""
    SELECT day, count(*) FILTER (WHERE saved_mg_co2e > 0 OR points > 0) AS activities,
           sum(saved_mg_co2e)::bigint AS saved_mg_co2e, sum(points)::bigint AS points
    FROM (
        SELECT activity.day,
               activity.saved_mg_co2e + coalesce(sum(adjustment.saved_mg_co2e), 0) AS saved_mg_co2e,
               activity.points + coalesce(sum(adjustment.points), 0) AS points
        FROM activity LEFT JOIN adjustment
             ON adjustment.holder_id = activity.holder_id AND adjustment.activity_id = activity.id
        WHERE activity.holder_id = :holder_id AND activity.id >= :since
          AND activity.day >= :first AND activity.day < :beyond
        GROUP BY activity.holder_id, activity.id, activity.day, activity.saved_mg_co2e,
                 activity.points
    ) AS standing
    GROUP BY day ORDER BY day
""")


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the programme's zone: how many activities count, what they saved and earned."""

    day: date
    activities: int
    saved_mg_co2e: int
    points: int


def days(session: Session, holder_id: UUID, first: date, beyond: date) -> list[Day]:
    """The days from ``first`` until before ``beyond`` on which something was received, the earliest
    first; at most 366. One statement, on one resident's rows.
    """
    assert timedelta() < beyond - first <= timedelta(days=366)
    midnight = datetime.combine(first, time(), UTC)
    parameters = {
        "holder_id": holder_id,
        "since": uuid7_floor(midnight - timedelta(days=1)),  # East of Greenwich a day begins early.
        "first": first,
        "beyond": beyond,
    }
    return [Day(*row) for row in session.execute(_DAYS, parameters)]
