"""The roll-ups against the ledger: everything counted again from transfers, and compared.

By statements over everybody rather than in the order of the log, so that a mistake of the job is
not made twice. As far as the job has read: what it has not is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.audit import FETCH_ROWS, Drift, Progress, no_progress
from ledgers.bulk import array_of
from ledgers.slices import all_bounds, count_slices
from rewards.redeeming.terms import WITH_VOUCHER
from service.districts.rollups.effects import SIDES
from service.districts.rollups.reading import ZONE, system_accounts, unread

# What became of each cause in all, where it is booked. Nothing is MATERIALIZED here: on Citus each
# node does its own residents then, and passes on no more than sums.
_BOOKED = f"""
    WITH booked AS (
        SELECT s.holder_id, s.reference,
               coalesce(a.division_code, p.division_code) AS division_code,
               coalesce(a.day, (s.occurred_at AT TIME ZONE :zone)::date) AS day,
               coalesce(a.behaviour_code, '-') AS behaviour_code,
               coalesce(sum(s.amount * s.given) FILTER (WHERE s.unit = 'mg_co2e'), 0) AS saved,
               coalesce(sum(s.amount * s.given) FILTER (WHERE s.unit = 'point'), 0) AS earned,
               sum(s.amount * s.spent) AS spent, sum(s.amount * s.expired) AS expired
        FROM (
            SELECT holder_id, reference, occurred_at, unit, amount, {SIDES}
            FROM transfer
            WHERE unit IN ('mg_co2e', 'point') AND posting_id <> ALL(CAST(:unread AS uuid[]))
              AND holder_id BETWEEN :low AND :high
        ) AS s
        JOIN participant AS p ON p.holder_id = s.holder_id
        LEFT JOIN activity AS a ON a.holder_id = p.holder_id AND a.id = s.reference
            AND s.given <> 0
        GROUP BY s.holder_id, s.reference, 3, 4, 5)
"""
_RESIDENTS = f"""
    {_BOOKED}
    SELECT coalesce(e.holder_id, f.holder_id) || ' ' || coalesce(e.day, f.day) || ' '
               || coalesce(e.division_code, f.division_code) || ' '
               || coalesce(e.behaviour_code, f.behaviour_code),
           coalesce(e.activities, 0) || ' activities', coalesce(f.activities, 0) || ' activities'
    FROM (
        SELECT holder_id, day, division_code, behaviour_code, count(*) AS activities
        FROM booked WHERE behaviour_code <> '-' AND (saved > 0 OR earned > 0)
        GROUP BY holder_id, day, division_code, behaviour_code
    ) AS e
    FULL JOIN (SELECT * FROM district_resident WHERE holder_id BETWEEN :low AND :high) AS f
        ON f.holder_id = e.holder_id AND f.day = e.day AND f.division_code = e.division_code
        AND f.behaviour_code = e.behaviour_code
    WHERE e.activities IS DISTINCT FROM f.activities
"""
# Sorted as Python compares text, whatever the database's own order is.
_DAYS = f"""
    {_BOOKED}
    SELECT left(b.division_code, l.digits) COLLATE "C", b.day, b.behaviour_code COLLATE "C",
           count(*) FILTER (WHERE b.behaviour_code <> '-' AND (b.saved > 0 OR b.earned > 0)),
           sum(b.saved)::bigint, sum(b.earned)::bigint, sum(b.spent)::bigint,
           sum(b.expired)::bigint, count(*) FILTER (WHERE o.kind = ANY(:with_voucher))
    FROM booked AS b
    LEFT JOIN redemption AS r ON r.holder_id = b.holder_id AND r.id = b.reference AND b.spent > 0
    LEFT JOIN offer AS o ON o.id = r.offer_id
    JOIN (VALUES (2), (4), (6), (12)) AS l (digits)
        ON l.digits < length(b.division_code) OR l.digits = 12
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_DAYS_KEPT = """
    SELECT division_code COLLATE "C", day, behaviour_code COLLATE "C", activities, saved_mg_co2e,
           earned_points, spent_points, expired_points, vouchers
    FROM district_day ORDER BY 1, 2, 3
"""
CHECKS = (  # By the names under which they tell their progress.
    "activities of a resident's day",
    "figures of a district's day",
    "residents of a district's month",
)
_DAY_FIGURES = (
    *("activities", "mg CO2e", "points earned", "points spent", "points expired"),
    "vouchers",
)
# From the residents' own rows, which are compared with the transfers before.
_MONTHS = """
    WITH of_resident AS (
        SELECT DISTINCT r.holder_id, left(r.division_code, l.digits) AS division_code,
               date_trunc('month', r.day)::date AS month, b.behaviour_code
        FROM district_resident AS r
        CROSS JOIN (VALUES (2), (4), (6), (12)) AS l (digits)
        CROSS JOIN LATERAL (VALUES (r.behaviour_code), ('*')) AS b (behaviour_code))
    SELECT division_code COLLATE "C", month, behaviour_code COLLATE "C", count(*)
    FROM of_resident GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_MONTHS_KEPT = """
    SELECT division_code COLLATE "C", month, behaviour_code COLLATE "C", residents
    FROM district_month ORDER BY 1, 2, 3
"""


def drifts(session: Session, *, progress: Progress = no_progress) -> Iterator[Drift]:
    """Every figure of the roll-ups that is not what transfers add up to.

    ``session`` is an unchanging snapshot. What is compared is read side by side, in order, so that
    memory stays flat.
    """
    parameters: dict[str, object] = {
        **{kind: array_of(ids) for kind, ids in system_accounts(session).items()},
        "unread": array_of(unread(session)),
        "zone": ZONE.key,
    }
    yield from _residents(session, parameters, progress)
    everybody = dict(zip(("low", "high"), next(all_bounds(1)), strict=True))
    everything = parameters | everybody | {"with_voucher": sorted(WITH_VOUCHER)}
    sides: tuple[tuple[str, str, str, dict[str, object], tuple[str, ...]], ...] = (
        (CHECKS[1], _DAYS, _DAYS_KEPT, everything, _DAY_FIGURES),
        (CHECKS[2], _MONTHS, _MONTHS_KEPT, {}, ("residents",)),
    )
    for check, counted, kept, asked, names in sides:
        progress(check, 0, 1)
        for key, expected, found in _merged(session, counted, asked, kept):
            nothing = (0,) * len(names)
            expected, found = expected or nothing, found or nothing
            if expected != found:
                subject = " ".join(map(str, key))
                yield Drift(check, subject, _said(expected, names), _said(found, names))
        progress(check, 1, 1)


def _residents(
    session: Session, parameters: Mapping[str, object], progress: Progress
) -> Iterator[Drift]:
    check, slices = CHECKS[0], count_slices(session)
    for done, (low, high) in enumerate(all_bounds(slices)):
        progress(check, done, slices)
        rows = session.execute(text(_RESIDENTS), {**parameters, "low": low, "high": high})
        for subject, expected, found in rows:
            yield Drift(check, subject, expected, found)
    progress(check, slices, slices)


_Figures = tuple[int, ...] | None


def _merged(
    session: Session, counted: str, parameters: Mapping[str, object], kept: str
) -> Iterator[tuple[tuple[Any, ...], _Figures, _Figures]]:
    """Two queries side by side, each ordered by its first three columns, which are its key."""
    streamed = {"yield_per": FETCH_ROWS}
    lefts = iter(session.execute(text(counted), parameters, execution_options=streamed))
    rights = iter(session.execute(text(kept), execution_options=streamed))
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        keys = [tuple(row[:3]) for row in (one, other) if row is not None]
        key = min(keys)
        left = right = None
        if one is not None and tuple(one[:3]) == key:
            left, one = tuple(one[3:]), next(lefts, None)
        if other is not None and tuple(other[:3]) == key:
            right, other = tuple(other[3:]), next(rights, None)
        yield key, left, right


def _said(figures: tuple[int, ...], names: tuple[str, ...]) -> str:
    return ", ".join(f"{figure} {name}" for figure, name in zip(figures, names, strict=True))
