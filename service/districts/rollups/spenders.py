"""Who stands behind points spent and expired and behind vouchers, which are of no behaviour.

Counted from transfers, since the roll-ups have no row of a resident for them. Of transfers only
those of kinds other than ``earn`` are read, by an index that has no others: they are few, and what
is earned touches no account of what is redeemed or expired.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import EXPIRED, REDEEMED
from ledgers.bulk import Statement, array_of, together
from ledgers.ids import uuid7_floor
from rewards.redeeming.terms import WITH_VOUCHER
from service.districts.rollups.reading import (
    ALL,
    start_of,
    system_accounts,
    town_bounds,
    unread,
)

MEASURES = ("spent_points", "expired_points", "vouchers")
_CLOCKS_DIFFER = timedelta(days=1)  # At most, between an instant in the world and a later id.
# A plan made for some district is none for another, or for a month with other partitions.
_PLANNED_ANEW: Statement = ("SET LOCAL plan_cache_mode = force_custom_plan", {})

# What of a resident's points stands, by cause: of causes that cancel out nobody stands behind.
# MATERIALIZED is no more than a row a resident: on Citus that is brought together on one node.
_BEHIND = text("""
    WITH of_cause AS (
        SELECT p.division_code, t.holder_id, t.reference,
               sum(CASE WHEN t.credit_account_id = ANY(CAST(:redeemed AS uuid[])) THEN t.amount
                        WHEN t.debit_account_id = ANY(CAST(:redeemed AS uuid[])) THEN -t.amount
                        ELSE 0 END) AS spent,
               sum(CASE WHEN t.credit_account_id = ANY(CAST(:expired AS uuid[])) THEN t.amount
                        WHEN t.debit_account_id = ANY(CAST(:expired AS uuid[])) THEN -t.amount
                        ELSE 0 END) AS expired
        FROM participant AS p JOIN transfer AS t ON t.holder_id = p.holder_id
        WHERE p.division_code BETWEEN :low_code AND :high_code
          AND t.unit = 'point' AND t.kind <> 'earn' AND t.id >= :low
          AND t.occurred_at >= :since AND t.occurred_at < :until
          AND t.posting_id <> ALL(CAST(:unread AS uuid[]))
        GROUP BY p.division_code, t.holder_id, t.reference),
    of_resident AS MATERIALIZED (
        SELECT c.division_code, c.holder_id,
               sum(c.spent) <> 0 AS spent, sum(c.expired) <> 0 AS expired,
               bool_or(c.spent > 0 AND o.kind = ANY(:with_voucher)) AS vouchers
        FROM of_cause AS c
        LEFT JOIN redemption AS r ON r.holder_id = c.holder_id AND r.id = c.reference
        LEFT JOIN offer AS o ON o.id = r.offer_id
        GROUP BY c.division_code, c.holder_id)
    SELECT division_code, count(*) FILTER (WHERE spent) AS spent_points,
           count(*) FILTER (WHERE expired) AS expired_points,
           count(*) FILTER (WHERE vouchers) AS vouchers
    FROM of_resident GROUP BY division_code
""")


def spenders(
    session: Session, divisions: Sequence[str], first: date, beyond: date
) -> dict[tuple[str, str], int]:
    """Different residents behind what is of no behaviour: by (town or "*", measure of MEASURES).

    Of what the roll-ups have summed alone: the caller has the reader locked (``reader_index``), and
    the log must be summed but for its end. Everybody lives in one town, so towns add up.
    """
    together(session, _PLANNED_ANEW)
    accounts = system_accounts(session)
    since = start_of(first)
    parameters: dict[str, object] = {
        **{kind: array_of(accounts[kind]) for kind in (REDEEMED, EXPIRED)},
        "with_voucher": sorted(WITH_VOUCHER),
        "since": since,
        "until": start_of(beyond),
        "low": uuid7_floor(since - _CLOCKS_DIFFER),
        "unread": array_of(unread(session)),
    }
    found: Counter[tuple[str, str]] = Counter()
    for district in sorted(divisions):
        own = {"low_code": district, "high_code": town_bounds(district)["high"]}
        for row in session.execute(_BEHIND, parameters | own):
            for measure in MEASURES:
                found[row.division_code, measure] += row._mapping[measure]
                found[ALL, measure] += row._mapping[measure]
    return {key: residents for key, residents in found.items() if residents}
