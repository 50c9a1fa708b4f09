"""Audit: what was decided is what was posted, and tallies and claims agree with it."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from ledgers.audit import Drift, Progress, no_progress, run_checks

CHECKS: dict[str, str] = {
    # What an operator's correction of the ledger took back besides is between the two sums.
    "grant of an activity": """
        SELECT coalesce(a.id, t.reference),
               coalesce(a.mg, 0) || ' mg, ' || coalesce(a.points, 0) || ' points',
               coalesce(t.mg, 0) || ' mg, ' || coalesce(t.points, 0) || ' points'
        FROM (
            SELECT a.holder_id, a.id, a.saved_mg_co2e + coalesce(d.mg, 0) AS mg,
                   a.points + coalesce(d.points, 0) AS points
            FROM activity AS a
            LEFT JOIN (
                SELECT holder_id, activity_id, sum(saved_mg_co2e) AS mg, sum(points) AS points
                FROM adjustment WHERE holder_id BETWEEN :first AND :last
                GROUP BY holder_id, activity_id
            ) AS d ON d.holder_id = a.holder_id AND d.activity_id = a.id
            WHERE a.holder_id BETWEEN :first AND :last
        ) AS a
        FULL JOIN (
            SELECT e.holder_id, e.reference,
                   sum(e.amount - coalesce(r.adjusted, 0)) FILTER (WHERE e.unit = 'mg_co2e') AS mg,
                   sum(e.amount - coalesce(r.reversed, 0)) FILTER (WHERE e.unit = 'mg_co2e')
                       AS least_mg,
                   sum(e.amount - coalesce(r.adjusted, 0)) FILTER (WHERE e.unit = 'point')
                       AS points,
                   sum(e.amount - coalesce(r.reversed, 0)) FILTER (WHERE e.unit = 'point')
                       AS least_points
            FROM transfer AS e
            LEFT JOIN (
                SELECT t.holder_id, t.reverses_id, sum(t.amount) AS reversed,
                       sum(t.amount) FILTER (WHERE d.id IS NOT NULL) AS adjusted
                FROM transfer AS t
                LEFT JOIN adjustment AS d
                    ON d.holder_id = t.holder_id AND d.reversal_id = t.posting_id
                WHERE t.reverses_id IS NOT NULL AND t.holder_id BETWEEN :first AND :last
                GROUP BY t.holder_id, t.reverses_id
            ) AS r ON r.holder_id = e.holder_id AND r.reverses_id = e.id
            WHERE e.kind = 'earn' AND e.holder_id BETWEEN :first AND :last
            GROUP BY e.holder_id, e.reference
        ) AS t ON t.holder_id = a.holder_id AND t.reference = a.id
        WHERE coalesce(a.mg, 0) NOT BETWEEN coalesce(t.least_mg, 0) AND coalesce(t.mg, 0)
           OR coalesce(a.points, 0)
               NOT BETWEEN coalesce(t.least_points, 0) AND coalesce(t.points, 0)
    """,
    # In the tally of all behaviours (*) count those that a rule of all counts.
    "tally of a day": """
        SELECT t.holder_id || ' ' || t.behaviour_code || ' ' || t.day,
               coalesce(a.mg, 0) || ' mg, ' || coalesce(a.points, 0) || ' points',
               t.saved_mg_co2e || ' mg, ' || t.points || ' points'
        FROM tally AS t
        LEFT JOIN (
            SELECT s.holder_id, s.behaviour_code, s.day, count(*) AS count,
                   sum(s.mg) AS mg, sum(s.points) AS points
            FROM (
                SELECT a.holder_id, unnest(ARRAY[a.behaviour_code, '*']) AS behaviour_code, a.day,
                       coalesce(d.decision, a.decision) AS decision,
                       a.saved_mg_co2e + coalesce(d.mg, 0) AS mg,
                       a.points + coalesce(d.points, 0) AS points
                FROM activity AS a
                LEFT JOIN (
                    SELECT DISTINCT ON (holder_id, activity_id) holder_id, activity_id, decision,
                           sum(saved_mg_co2e) OVER of_one AS mg, sum(points) OVER of_one AS points
                    FROM adjustment WHERE holder_id BETWEEN :first AND :last
                    WINDOW of_one AS (PARTITION BY holder_id, activity_id)
                    ORDER BY holder_id, activity_id, recorded_at DESC
                ) AS d ON d.holder_id = a.holder_id AND d.activity_id = a.id
                WHERE a.holder_id BETWEEN :first AND :last
            ) AS s WHERE s.decision = 'verified'
            GROUP BY s.holder_id, s.behaviour_code, s.day
        ) AS a USING (holder_id, behaviour_code, day)
        WHERE t.holder_id BETWEEN :first AND :last AND CASE t.behaviour_code
            WHEN '*' THEN t.activities > coalesce(a.count, 0)
                OR t.saved_mg_co2e > coalesce(a.mg, 0) OR t.points > coalesce(a.points, 0)
            ELSE t.activities IS DISTINCT FROM coalesce(a.count, 0)
                OR t.saved_mg_co2e IS DISTINCT FROM coalesce(a.mg, 0)
                OR t.points IS DISTINCT FROM coalesce(a.points, 0) END
    """,
    # Quantity × (factor × share - actual), in millionths of a milligram, rounded down once.
    "quantification of an activity": """
        SELECT id, coalesce(expected::text, 'no method'), saved_mg_co2e
        FROM (
            SELECT a.id, a.saved_mg_co2e,
                   greatest(div(
                       CASE m.form WHEN 'own_baseline' THEN greatest(
                           (a.facts::jsonb #>> '{baseline,baseline}')::numeric - a.quantity, 0)
                       ELSE a.quantity END
                       * CASE m.form WHEN 'mass' THEN w.ug_co2e_per_unit * b.share_permille
                         ELSE f.ug_co2e_per_unit * m.share_permille
                             - coalesce(n.ug_co2e_per_unit, 0) * 1000 END, 1000000), 0) AS expected
            FROM activity AS a
            LEFT JOIN method AS m ON m.code = a.method_code AND m.version = a.method_version
            LEFT JOIN factor AS f ON f.code = m.factor_code
            LEFT JOIN factor AS n ON n.code = m.actual_factor_code
            LEFT JOIN method_material AS b ON b.method_code = m.code AND b.version = m.version
                AND b.material = a.details::jsonb ->> 'material'
            LEFT JOIN factor AS w ON w.code = b.factor_code
            WHERE a.decision = 'verified' AND a.holder_id BETWEEN :first AND :last
        ) AS found
        WHERE expected IS DISTINCT FROM saved_mg_co2e
    """,
}


def audit(session: Session, *, progress: Progress = no_progress) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS, progress=progress)
