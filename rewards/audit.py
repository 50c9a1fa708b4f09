"""Audit: every redemption was paid once and has its voucher; every use of a voucher is known."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from ledgers.audit import Drift, Progress, merged, no_progress, run_checks

CHECKS: dict[str, str] = {
    "payment of a redemption": """
        SELECT coalesce(r.id, t.posting_id), coalesce(r.spent_points, 0), coalesce(t.points, 0)
        FROM (SELECT * FROM redemption WHERE holder_id BETWEEN :first AND :last) AS r
        FULL JOIN (
            SELECT holder_id, posting_id, reference, sum(amount) AS points
            FROM transfer WHERE kind = 'spend' AND holder_id BETWEEN :first AND :last
            GROUP BY holder_id, posting_id, reference
        ) AS t ON t.holder_id = r.holder_id AND t.posting_id = r.id
        WHERE r.spent_points IS DISTINCT FROM t.points
          AND NOT EXISTS (SELECT FROM hold AS h
                          WHERE h.holder_id = t.holder_id AND h.ended_by = t.posting_id)
    """,
}

_REDEMPTIONS = "SELECT id FROM redemption ORDER BY id"
_VOUCHERS = "SELECT redemption_id, count(*) FROM voucher GROUP BY redemption_id ORDER BY 1"
_USED = """
    SELECT code_sha256, consumption_id, consumed_at FROM voucher
    WHERE consumed_at IS NOT NULL ORDER BY code_sha256
"""
_USES = "SELECT code_sha256, id, consumed_at FROM consumption ORDER BY code_sha256"


def audit(session: Session, *, progress: Progress = no_progress) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS, progress=progress)
    for redemption_id, redemption, vouchers in merged(session, _REDEMPTIONS, _VOUCHERS):
        count = vouchers[0] if vouchers else 0
        if redemption is None or count != 1:
            subject = str(redemption_id)
            yield Drift("voucher of a redemption", subject, "1 voucher", f"{count} vouchers")
    for code, voucher, use in merged(session, _USED, _USES):
        if voucher != use:
            expected, found = (str(row[1]) if row else "unused" for row in (use, voucher))
            subject = str((use or voucher or (code,))[0])
            yield Drift("use of a voucher", subject, expected, found)
