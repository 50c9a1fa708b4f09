"""Audit: every redemption was paid and ended once, every line is what the ledger says is owed,
every settlement is the sum of its lines; and what ``rewards.crosschecks`` compares.
"""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from ledgers.audit import Drift, Progress, no_progress, run_checks
from rewards.crosschecks import CROSSCHECKS

# What an operator corrected by hand (``ledgers.corrections``) is neither the redemption's payment
# nor its return. What was captured of a hold without a redemption was not for an offer.
CHECKS: dict[str, str] = {
    "payment of a redemption": """
        SELECT coalesce(r.id, t.reference), coalesce(r.points, 0), coalesce(t.points, 0)
        FROM (
            SELECT holder_id, id, CASE WHEN state IN ('pending', 'failed') THEN 0
                                       ELSE spent_points - returned_points END AS points
            FROM redemption WHERE holder_id BETWEEN :first AND :last
        ) AS r
        FULL JOIN (
            SELECT m.holder_id, m.reference, count(*) FILTER (WHERE m.kind = 'spend') AS spends,
                   sum(CASE WHEN m.kind = 'spend' THEN m.amount ELSE -m.amount END) AS points
            FROM transfer AS m
            WHERE m.kind IN ('spend', 'refund', 'refund_in_grace')
              AND m.holder_id BETWEEN :first AND :last
              AND NOT EXISTS (SELECT FROM correction AS c
                              WHERE c.holder_id = m.holder_id AND c.id = m.posting_id)
            GROUP BY m.holder_id, m.reference
        ) AS t ON t.holder_id = r.holder_id AND t.reference = r.id
        WHERE CASE WHEN r.id IS NULL
            THEN t.spends > 0 AND NOT EXISTS (
                SELECT FROM hold AS h
                WHERE h.holder_id = t.holder_id AND h.reference = t.reference)
            ELSE r.points <> coalesce(t.points, 0) END
    """,
    "top-up of a redemption": """
        SELECT coalesce(r.id, t.redemption_id), coalesce(t.state, 'no top-up'),
               coalesce(r.state, 'no redemption')
        FROM (
            SELECT holder_id, redemption_id, CASE state WHEN 'ordered' THEN 'pending'
                WHEN 'done' THEN 'done' ELSE 'failed' END AS state
            FROM top_up WHERE holder_id BETWEEN :first AND :last
        ) AS t
        FULL JOIN (
            SELECT r.holder_id, r.id, r.state
            FROM redemption AS r JOIN offer AS o ON o.id = r.offer_id
            WHERE r.holder_id BETWEEN :first AND :last AND o.kind = 'top_up'
        ) AS r ON r.holder_id = t.holder_id AND r.id = t.redemption_id
        WHERE r.state IS DISTINCT FROM t.state
    """,
    "transfer of a line": """
        SELECT coalesce(l.id, t.reference), coalesce(l.amount_fen, 0), coalesce(t.fen, 0)
        FROM (
            SELECT merchant_id, id, amount_fen FROM settlement_line
            WHERE merchant_id BETWEEN :first AND :last AND amount_fen <> 0
        ) AS l
        FULL JOIN (
            SELECT holder_id, reference,
                   sum(CASE WHEN kind = 'owe' THEN amount ELSE -amount END) AS fen
            FROM transfer
            WHERE holder_id BETWEEN :first AND :last AND kind IN ('owe', 'owe_back')
            GROUP BY holder_id, reference
        ) AS t ON t.holder_id = l.merchant_id AND t.reference = l.id
        WHERE l.amount_fen IS DISTINCT FROM t.fen
    """,
    "line that is taken back": """
        SELECT b.reverses_id, coalesce(-l.amount_fen, 0), b.amount_fen
        FROM settlement_line AS b
        LEFT JOIN settlement_line AS l ON l.merchant_id = b.merchant_id AND l.id = b.reverses_id
        WHERE b.merchant_id BETWEEN :first AND :last AND b.reverses_id IS NOT NULL
          AND (l.id IS NULL OR b.amount_fen <> -l.amount_fen
               OR b.redemption_id <> l.redemption_id)
    """,
    "what a merchant is owed": """
        SELECT a.holder_id, coalesce(l.fen, 0) - coalesce(p.fen, 0), coalesce(t.fen, 0)
        FROM account AS a
        LEFT JOIN (
            SELECT merchant_id, sum(amount_fen) AS fen FROM settlement_line
            WHERE merchant_id BETWEEN :first AND :last GROUP BY merchant_id
        ) AS l ON l.merchant_id = a.holder_id
        LEFT JOIN (
            SELECT merchant_id, sum(owed_fen - returned_fen) AS fen FROM settlement
            WHERE merchant_id BETWEEN :first AND :last AND state = 'paid' GROUP BY merchant_id
        ) AS p ON p.merchant_id = a.holder_id
        LEFT JOIN (
            SELECT m.holder_id,
                   sum(CASE WHEN m.credit_account_id = c.id THEN m.amount ELSE -m.amount END) AS fen
            FROM account AS c JOIN transfer AS m ON m.holder_id = c.holder_id
                AND c.id IN (m.credit_account_id, m.debit_account_id)
            WHERE c.holder_id BETWEEN :first AND :last
              AND NOT c.guarded AND c.unit = 'fen' AND c.kind = 'clearing'
            GROUP BY m.holder_id
        ) AS t ON t.holder_id = a.holder_id
        WHERE a.holder_id BETWEEN :first AND :last
          AND NOT a.guarded AND a.unit = 'fen' AND a.kind = 'clearing'
          AND coalesce(l.fen, 0) - coalesce(p.fen, 0) <> coalesce(t.fen, 0)
    """,
    "sums of a settlement": """
        SELECT coalesce(s.id, l.settlement_id),
               concat(coalesce(l.lines, 0), ' lines, ', coalesce(l.owed_fen, 0), ' owed, ',
                      coalesce(l.returned_fen, 0), ' returned'),
               concat(coalesce(s.lines, 0), ' lines, ', coalesce(s.owed_fen, 0), ' owed, ',
                      coalesce(s.returned_fen, 0), ' returned')
        FROM (
            SELECT merchant_id, id, lines, owed_fen, returned_fen,
                   state NOT IN ('drafting', 'void') AS is_summed
            FROM settlement WHERE merchant_id BETWEEN :first AND :last
        ) AS s
        FULL JOIN (
            SELECT merchant_id, settlement_id, count(*) AS lines,
                   coalesce(sum(amount_fen) FILTER (WHERE amount_fen > 0), 0) AS owed_fen,
                   coalesce(-sum(amount_fen) FILTER (WHERE amount_fen < 0), 0) AS returned_fen
            FROM settlement_line
            WHERE merchant_id BETWEEN :first AND :last AND settlement_id IS NOT NULL
            GROUP BY merchant_id, settlement_id
        ) AS l ON l.merchant_id = s.merchant_id AND l.settlement_id = s.id
        WHERE coalesce(s.lines, 0) <> coalesce(l.lines, 0)
           OR s.id IS NULL
           OR s.owed_fen <> CASE WHEN s.is_summed THEN coalesce(l.owed_fen, 0) ELSE 0 END
           OR s.returned_fen <> CASE WHEN s.is_summed THEN coalesce(l.returned_fen, 0) ELSE 0 END
    """,
    "payment of a settlement": """
        SELECT coalesce(s.id, t.reference), coalesce(s.fen, 0), coalesce(t.fen, 0)
        FROM (
            SELECT merchant_id, id, owed_fen - returned_fen AS fen FROM settlement
            WHERE merchant_id BETWEEN :first AND :last AND state = 'paid'
              AND owed_fen > returned_fen
        ) AS s
        FULL JOIN (
            SELECT holder_id, reference, sum(amount) AS fen FROM transfer
            WHERE holder_id BETWEEN :first AND :last AND unit = 'fen' AND kind = 'settle'
            GROUP BY holder_id, reference
        ) AS t ON t.holder_id = s.merchant_id AND t.reference = s.id
        WHERE s.fen IS DISTINCT FROM t.fen
    """,
}


def audit(session: Session, *, progress: Progress = no_progress) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot."""
    yield from run_checks(session, CHECKS, progress=progress)
    for check, compare in CROSSCHECKS.items():
        progress(check, 0, 1)
        for subject, expected, found in compare(session):
            yield Drift(check, str(subject), str(expected), str(found))
        progress(check, 1, 1)
