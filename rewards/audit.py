"""Audit: every redemption was paid once and has its voucher; every use of a voucher is known."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from ledgers.audit import Drift, run_checks

CHECKS: dict[str, str] = {
    "payment of a redemption": """
        SELECT coalesce(r.id, t.reference), coalesce(r.spent_points, 0), coalesce(t.points, 0)
        FROM redemption AS r
        FULL JOIN (
            SELECT holder_id, reference, sum(amount) AS points
            FROM transfer WHERE kind = 'spend' GROUP BY holder_id, reference
        ) AS t ON t.holder_id = r.holder_id AND t.reference = r.id
        WHERE r.spent_points IS DISTINCT FROM t.points
    """,
    "voucher of a redemption": """
        SELECT r.id, '1 voucher', count(v.code_sha256) || ' vouchers'
        FROM redemption AS r LEFT JOIN voucher AS v ON v.redemption_id = r.id
        GROUP BY r.holder_id, r.id HAVING count(v.code_sha256) <> 1
    """,
    "use of a voucher": """
        SELECT coalesce(v.consumption_id, c.id), coalesce(c.consumed_at::text, 'no use'),
               coalesce(v.consumed_at::text, 'unused')
        FROM (SELECT * FROM voucher WHERE consumed_at IS NOT NULL) AS v
        FULL JOIN consumption AS c ON c.code_sha256 = v.code_sha256
        WHERE c.id IS DISTINCT FROM v.consumption_id
           OR c.consumed_at IS DISTINCT FROM v.consumed_at
    """,
}


def audit(session: Session) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS)
