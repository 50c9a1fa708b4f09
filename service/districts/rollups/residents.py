"""Residents: who has an activity that stands, and how many different ones a month has.

A row a resident, day, town and behaviour while there is one, none else; from these rows months are
counted, of the touched residents alone: by how they stand after a batch less how they stood before.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of
from service.districts.rollups.effects import Effect

_Row = tuple[str, date, str, str, int]  # Holder, day, town, behaviour; how many more.

# A month's counts by province, city, district and town, by behaviour and of all (*). In a month in
# which nothing of a resident began or ended by town and behaviour, nothing did by anything wider.
_MONTHS = text("""
    WITH changed AS MATERIALIZED (
        SELECT holder_id, date_trunc('month', day)::date AS month, division_code, behaviour_code,
               change
        FROM unnest(CAST(:holders AS uuid[]), CAST(:days AS date[]), CAST(:towns AS text[]),
                    CAST(:behaviours AS text[]), CAST(:changes AS bigint[]))
            AS c (holder_id, day, division_code, behaviour_code, change)),
    of_town AS (
        SELECT holder_id, month, division_code, behaviour_code,
               sum(before) > 0 AS was, sum(before + change) > 0 AS stands
        FROM (
            SELECT t.holder_id, t.month, r.division_code, r.behaviour_code,
                   r.activities AS before, 0 AS change
            FROM (SELECT DISTINCT holder_id, month FROM changed) AS t
            JOIN district_resident AS r ON r.holder_id = t.holder_id
                AND r.day >= t.month AND r.day <= t.month + 30
                AND date_trunc('month', r.day)::date = t.month
            UNION ALL
            SELECT holder_id, month, division_code, behaviour_code, 0, change FROM changed
        ) AS both_
        GROUP BY holder_id, month, division_code, behaviour_code),
    turned AS (
        SELECT *, bool_or(was <> stands) OVER (PARTITION BY holder_id, month) AS turned
        FROM of_town),
    of_resident AS (
        SELECT t.holder_id, t.month, left(t.division_code, l.digits) AS division_code,
               b.behaviour_code, bool_or(t.was)::int AS was, bool_or(t.stands)::int AS stands
        FROM turned AS t
        CROSS JOIN (VALUES (2), (4), (6), (12)) AS l (digits)
        CROSS JOIN LATERAL (VALUES (t.behaviour_code), ('*')) AS b (behaviour_code)
        WHERE t.turned
        GROUP BY 1, 2, 3, 4)
    SELECT division_code, month, behaviour_code, sum(stands - was)::bigint AS change
    FROM of_resident WHERE was <> stands
    GROUP BY division_code, month, behaviour_code
""")
_KEYS = """
    unnest(CAST(:holders AS uuid[]), CAST(:days AS date[]), CAST(:towns AS text[]),
           CAST(:behaviours AS text[]), CAST(:changes AS bigint[]))
        AS c (holder_id, day, division_code, behaviour_code, change)
"""
_SAME = """
    r.holder_id = c.holder_id AND r.day = c.day AND r.division_code = c.division_code
    AND r.behaviour_code = c.behaviour_code
"""
_MORE = text(f"""
    INSERT INTO district_resident (holder_id, day, division_code, behaviour_code, activities)
    SELECT * FROM {_KEYS}
    ON CONFLICT (holder_id, day, division_code, behaviour_code)
    DO UPDATE SET activities = district_resident.activities + excluded.activities
""")
_NONE = text(f"""
    DELETE FROM district_resident AS r USING {_KEYS}
    WHERE {_SAME} AND r.activities + c.change = 0
""")
_FEWER = text(f"""
    UPDATE district_resident AS r SET activities = r.activities + c.change FROM {_KEYS}
    WHERE {_SAME}
""")
_MONTH_KEYS = """
    unnest(CAST(:divisions AS text[]), CAST(:months AS date[]), CAST(:behaviours AS text[]),
           CAST(:changes AS bigint[])) AS c (division_code, month, behaviour_code, change)
"""
_MORE_OF_MONTHS = text(f"""
    INSERT INTO district_month (division_code, month, behaviour_code, residents)
    SELECT * FROM {_MONTH_KEYS}
    ON CONFLICT (division_code, month, behaviour_code)
    DO UPDATE SET residents = district_month.residents + excluded.residents
""")
_FEWER_OF_MONTHS = text(f"""
    UPDATE district_month AS r SET residents = r.residents + c.change FROM {_MONTH_KEYS}
    WHERE r.division_code = c.division_code AND r.month = c.month
      AND r.behaviour_code = c.behaviour_code
""")


def count_residents(session: Session, effects: Sequence[Effect]) -> None:
    """Add what residents' activities became more or fewer, and what that makes of months.

    The caller holds the reader's lock and has sent ``look_up_by_index``.
    """
    changes: Counter[tuple[str, date, str, str]] = Counter()
    for one in effects:
        if one.activities:
            key = one.holder_id.hex, one.day, one.town_code, one.behaviour_code
            changes[key] += one.activities
    rows = sorted((*key, change) for key, change in changes.items() if change)
    if not rows:
        return
    _count_months(session, rows)
    if more := [row for row in rows if row[-1] > 0]:
        session.execute(_MORE, _columns(more))
    if fewer := [row for row in rows if row[-1] < 0]:
        ended, changed = (
            _rows(session.execute(statement, _columns(fewer))) for statement in (_NONE, _FEWER)
        )
        assert ended + changed == len(fewer), "what is taken back was counted"


def _count_months(session: Session, rows: Sequence[_Row]) -> None:
    months = session.execute(_MONTHS, _columns(rows)).all()
    for statement, sign in ((_MORE_OF_MONTHS, 1), (_FEWER_OF_MONTHS, -1)):
        if turned := [row for row in months if row.change * sign > 0]:
            parameters = {
                "divisions": array_of(row.division_code for row in turned),
                "months": array_of(row.month for row in turned),
                "behaviours": array_of(row.behaviour_code for row in turned),
                "changes": array_of(row.change for row in turned),
            }
            session.execute(statement, parameters)


def _columns(rows: Sequence[_Row]) -> dict[str, str]:
    names = ("holders", "days", "towns", "behaviours", "changes")
    columns = zip(*rows, strict=True)
    return {name: array_of(column) for name, column in zip(names, columns, strict=True)}


def _rows(result: object) -> int:
    assert isinstance(result, CursorResult)
    return result.rowcount
