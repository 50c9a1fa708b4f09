"""Audit: recompute every balance from transfers and report any drift.

Streams from a snapshot that the caller holds open; memory stays flat however large the ledger.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

FETCH_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that does not add up: which check, about what, and the two figures."""

    check: str
    subject: str
    expected: str
    found: str


# Each answers rows of (subject, expected, found), and no row where all is well.
CHECKS: dict[str, str] = {
    "balance": """
        WITH moved AS (
            SELECT holder_id, account_id, sum(amount) AS net FROM (
                SELECT holder_id, credit_account_id AS account_id, amount FROM transfer
                UNION ALL
                SELECT holder_id, debit_account_id, -amount FROM transfer
            ) AS sides GROUP BY holder_id, account_id
        )
        SELECT a.id, coalesce(m.net, 0), a.balance - a.debt
        FROM account AS a
        LEFT JOIN moved AS m ON m.holder_id = a.holder_id AND m.account_id = a.id
        WHERE a.guarded AND a.balance - a.debt <> coalesce(m.net, 0)
    """,
    "account of a transfer": """
        SELECT t.id, 'two open accounts of ' || t.unit || ', one of them its holder''s',
               'debit ' || coalesce(d.unit || ' of ' || d.holder_id, 'unknown')
               || ', credit ' || coalesce(c.unit || ' of ' || c.holder_id, 'unknown')
        FROM transfer AS t
        LEFT JOIN account AS d ON d.id = t.debit_account_id
        LEFT JOIN account AS c ON c.id = t.credit_account_id
        WHERE d.unit IS DISTINCT FROM t.unit OR c.unit IS DISTINCT FROM t.unit
           OR t.holder_id NOT IN (d.holder_id, c.holder_id)
    """,
    "transfers of a posting": """
        SELECT p.id, p.transfer_count || ' transfers', coalesce(t.count, 0) || ' transfers'
        FROM posting AS p
        FULL JOIN (
            SELECT posting_id, count(*) AS count, count(DISTINCT position) AS places,
                   max(position) + 1 AS beyond
            FROM transfer GROUP BY posting_id
        ) AS t ON t.posting_id = p.id
        WHERE p.transfer_count IS DISTINCT FROM t.count
           OR t.count IS DISTINCT FROM t.places OR t.count IS DISTINCT FROM t.beyond
    """,
    "reversal": """
        SELECT r.reverses_id, 'at most ' || coalesce(max(o.amount), 0), sum(r.amount)
        FROM transfer AS r
        LEFT JOIN transfer AS o ON o.holder_id = r.holder_id AND o.id = r.reverses_id
        WHERE r.reverses_id IS NOT NULL
        GROUP BY r.holder_id, r.reverses_id
        HAVING sum(r.amount) > coalesce(max(o.amount), 0)
    """,
}


def audit(session: Session) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS)


def run_checks(session: Session, checks: dict[str, str]) -> Iterator[Drift]:
    """Run queries of the shape of CHECKS; used by the packages above for their own tables."""
    for check, query in checks.items():
        rows = session.execute(text(query), execution_options={"yield_per": FETCH_ROWS})
        for subject, expected, found in rows:
            yield Drift(check, str(subject), str(expected), str(found))
