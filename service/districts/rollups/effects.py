"""Effects: what postings of the log changed of residents' days, by town and behaviour.

Where an effect is booked (docs/DECISIONS.md): what was given for an activity at the activity's own
town, day and behaviour; all else at the resident's town, the day on which it happened, and no
behaviour. A reversal says when the reversed happened, so it is booked there. Who takes part in no
programme lives in no town and is not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of
from rewards.redeeming.terms import WITH_VOUCHER
from service.districts.rollups.reading import ZONE, system_accounts


@dataclass(frozen=True, slots=True)
class Batch:
    """Postings that follow each other in the log, by id with their first leaf: leaves from
    ``begin`` on and before ``end``. Ids of their transfers are from ``low`` on and before ``high``.
    """

    first_leaves: Mapping[UUID, int]
    begin: int
    end: int
    low: UUID
    high: UUID


class Effect(NamedTuple):
    """What a batch changed of a resident's day and behaviour in a town.

    ``activities`` and ``vouchers`` are how many more stand. ``cause``: whether it still stands is
    not known from the batch alone (``service.districts.rollups.standing``); None where it is.
    """

    holder_id: UUID
    town_code: str
    day: date
    behaviour_code: str
    activities: int
    saved_mg_co2e: int
    earned_points: int
    spent_points: int
    expired_points: int
    vouchers: int
    cause: UUID | None
    occurred_at: datetime


# What was given for something, spent and expired, with the sign of what it adds to.
SIDES = """
    (debit_account_id = ANY(CAST(:issued AS uuid[])))::int
    - (credit_account_id = ANY(CAST(:issued AS uuid[])))::int AS given,
    (credit_account_id = ANY(CAST(:redeemed AS uuid[])))::int
    - (debit_account_id = ANY(CAST(:redeemed AS uuid[])))::int AS spent,
    (credit_account_id = ANY(CAST(:expired AS uuid[])))::int
    - (debit_account_id = ANY(CAST(:expired AS uuid[])))::int AS expired
"""
# A row a resident, town, day and behaviour, and a row for each cause that must be looked up: one
# that may have had postings before. A cause has had none but its own where there is no adjustment,
# no end of the redemption and no correction, each of which is written with its posting.
# All is joined to a table's holder, and nothing is MATERIALIZED: on Citus each node does its own
# residents then.
_EFFECTS = text(f"""
    WITH moved AS (
        SELECT holder_id, reference, posting_id, occurred_at,
               coalesce(sum(amount * given) FILTER (WHERE unit = 'mg_co2e'), 0) AS saved,
               coalesce(sum(amount * given) FILTER (WHERE unit = 'point'), 0) AS earned,
               sum(amount * spent) AS spent, sum(amount * expired) AS expired
        FROM (
            SELECT holder_id, reference, posting_id, occurred_at, unit, amount, {SIDES}
            FROM transfer
            WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND id >= :low AND id < :high
              AND unit IN ('mg_co2e', 'point')
        ) AS sides
        WHERE given <> 0 OR spent <> 0 OR expired <> 0
        GROUP BY holder_id, reference, posting_id, occurred_at),
    placed AS (
        SELECT m.*, coalesce(a.division_code, p.division_code) AS division_code,
               coalesce(a.day, (m.occurred_at AT TIME ZONE :zone)::date) AS day,
               coalesce(a.behaviour_code, '-') AS behaviour_code,
               a.id IS NOT NULL AS is_activity,
               coalesce(o.kind = ANY(:with_voucher), false) AS is_voucher,
               CASE WHEN a.id IS NOT NULL THEN a.posting_id IS DISTINCT FROM m.posting_id
                        OR EXISTS (SELECT FROM adjustment AS d
                                   WHERE d.holder_id = p.holder_id AND d.activity_id = a.id)
                    ELSE r.id IS DISTINCT FROM m.posting_id OR r.ended_at IS NOT NULL END
               OR EXISTS (SELECT FROM correction AS c
                          WHERE c.holder_id = p.holder_id AND c.state = 'approved') AS has_others
        FROM moved AS m
        JOIN participant AS p ON p.holder_id = m.holder_id
        LEFT JOIN activity AS a ON a.holder_id = p.holder_id AND a.id = m.reference
            AND (m.saved <> 0 OR m.earned <> 0)
        LEFT JOIN redemption AS r ON r.holder_id = p.holder_id AND r.id = m.reference
            AND m.spent <> 0
        LEFT JOIN offer AS o ON o.id = r.offer_id),
    known AS (
        SELECT *, CASE WHEN has_others AND (is_activity OR is_voucher) THEN reference END AS cause
        FROM placed)
    SELECT holder_id, division_code, day, behaviour_code,
           count(*) FILTER (WHERE is_activity AND cause IS NULL AND (saved > 0 OR earned > 0)),
           sum(saved)::bigint, sum(earned)::bigint, sum(spent)::bigint, sum(expired)::bigint,
           count(*) FILTER (WHERE is_voucher AND cause IS NULL AND spent > 0),
           cause, min(occurred_at)
    FROM known GROUP BY holder_id, division_code, day, behaviour_code, cause
""")


def effects_of(session: Session, batch: Batch) -> list[Effect]:
    """What the batch changed. The caller has sent ``look_up_by_index``; locks nothing."""
    rows = session.execute(_EFFECTS, parameters_of(session, batch))
    return [Effect(*row) for row in rows]


def parameters_of(session: Session, batch: Batch) -> dict[str, object]:
    """For statements that read a batch's transfers and the programmes' accounts."""
    return {
        **{kind: array_of(ids) for kind, ids in system_accounts(session).items()},
        "postings": array_of(posting_id.hex for posting_id in batch.first_leaves),
        "low": batch.low,
        "high": batch.high,
        "zone": ZONE.key,
        "with_voucher": sorted(WITH_VOUCHER),
    }
