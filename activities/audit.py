"""Audit: what was decided is what was posted, and tallies and claims agree with it."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from ledgers.audit import Drift, run_checks

CHECKS: dict[str, str] = {
    "grant of an activity": """
        SELECT a.id, a.saved_mg_co2e || ' mg, ' || a.points || ' points',
               coalesce(t.mg, 0) || ' mg, ' || coalesce(t.points, 0) || ' points'
        FROM activity AS a
        FULL JOIN (
            SELECT holder_id, reference,
                   sum(amount) FILTER (WHERE unit = 'mg_co2e') AS mg,
                   sum(amount) FILTER (WHERE unit = 'point') AS points
            FROM transfer WHERE kind = 'earn' GROUP BY holder_id, reference
        ) AS t ON t.holder_id = a.holder_id AND t.reference = a.id
        WHERE a.saved_mg_co2e IS DISTINCT FROM coalesce(t.mg, 0)
           OR a.points IS DISTINCT FROM coalesce(t.points, 0)
    """,
    "tally of a day": """
        SELECT t.holder_id || ' ' || t.behaviour_code || ' ' || t.day,
               coalesce(a.mg, 0) || ' mg, ' || coalesce(a.points, 0) || ' points',
               t.saved_mg_co2e || ' mg, ' || t.points || ' points'
        FROM tally AS t
        LEFT JOIN (
            SELECT holder_id, behaviour_code, day, count(*) AS count,
                   sum(saved_mg_co2e) AS mg, sum(points) AS points
            FROM activity WHERE decision = 'verified' GROUP BY holder_id, behaviour_code, day
        ) AS a USING (holder_id, behaviour_code, day)
        WHERE t.activities IS DISTINCT FROM coalesce(a.count, 0)
           OR t.saved_mg_co2e IS DISTINCT FROM coalesce(a.mg, 0)
           OR t.points IS DISTINCT FROM coalesce(a.points, 0)
    """,
    "quantification of an activity": """
        SELECT a.id, a.quantity * f.ug_co2e_per_unit / 1000, a.saved_mg_co2e
        FROM activity AS a
        LEFT JOIN method AS m ON m.code = a.method_code AND m.version = a.method_version
        LEFT JOIN factor AS f ON f.code = m.factor_code
        WHERE a.decision = 'verified'
          AND a.saved_mg_co2e IS DISTINCT FROM a.quantity * f.ug_co2e_per_unit / 1000
    """,
}


def audit(session: Session) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS)
