"""Audit: recompute everything from transfers and report any drift, each thing named.

Streams from a snapshot that the caller holds open. Work over everybody is done in ranges of
holders, and what is compared in order is merged while it is read, so memory stays flat on both
sides however large the ledger. No query joins rows of two holders (design, section 7).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ledgers.folding import bucket_drifts
from ledgers.ids import uuid7_floor
from ledgers.log.audit import audit_log
from ledgers.log.tiles import LogFolder
from ledgers.models import Account, SnapshotMonth
from ledgers.slices import all_bounds, count_slices
from ledgers.snapshots import start_of

FETCH_ROWS = 1_000
Progress = Callable[[str, int, int], None]  # What is checked, how much of it is done, of how much.


def no_progress(_check: str, _done: int, _of: int) -> None:
    """For those who do not watch."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that does not add up: which check, about what, and the two figures."""

    check: str
    subject: str
    expected: str
    found: str


# Each is asked for a range of holders, answers rows of (subject, expected, found), and no row where
# all is well.
CHECKS: dict[str, str] = {
    "balance": """
        SELECT a.id, coalesce(m.net, 0), a.balance - a.debt
        FROM account AS a
        LEFT JOIN (
            SELECT holder_id, account_id, sum(amount) AS net FROM (
                SELECT holder_id, credit_account_id AS account_id, amount FROM transfer
                WHERE holder_id BETWEEN :first AND :last
                UNION ALL
                SELECT holder_id, debit_account_id, -amount FROM transfer
                WHERE holder_id BETWEEN :first AND :last
            ) AS sides GROUP BY holder_id, account_id
        ) AS m ON m.holder_id = a.holder_id AND m.account_id = a.id
        WHERE a.holder_id BETWEEN :first AND :last AND a.guarded
          AND a.balance - a.debt <> coalesce(m.net, 0)
    """,
    "lot": """
        SELECT coalesce(m.account_id, l.account_id) || ' ' || coalesce(m.expires_on, l.expires_on),
               coalesce(m.net, 0), coalesce(l.remaining, 0)
        FROM (
            SELECT s.holder_id, s.account_id, s.expires_on, sum(s.amount) AS net FROM (
                SELECT holder_id, credit_account_id AS account_id, expires_on, amount
                FROM transfer WHERE holder_id BETWEEN :first AND :last AND expires_on IS NOT NULL
                UNION ALL
                SELECT holder_id, debit_account_id, expires_on, -amount
                FROM transfer WHERE holder_id BETWEEN :first AND :last AND expires_on IS NOT NULL
            ) AS s JOIN account AS a ON a.holder_id = s.holder_id AND a.id = s.account_id
            WHERE a.guarded GROUP BY s.holder_id, s.account_id, s.expires_on
        ) AS m
        FULL JOIN (SELECT * FROM lot WHERE holder_id BETWEEN :first AND :last) AS l
            ON l.holder_id = m.holder_id AND l.account_id = m.account_id
            AND l.expires_on = m.expires_on
        WHERE coalesce(m.net, 0) <> coalesce(l.remaining, 0)
    """,
    "lots of an account": """
        SELECT a.id, 'at most ' || a.balance, sum(l.remaining)
        FROM account AS a JOIN lot AS l ON l.holder_id = a.holder_id AND l.account_id = a.id
        WHERE a.holder_id BETWEEN :first AND :last
        GROUP BY a.holder_id, a.id, a.balance HAVING sum(l.remaining) > a.balance
    """,
    "held": """
        SELECT a.id, coalesce(h.held, 0), a.held
        FROM account AS a
        LEFT JOIN (
            SELECT holder_id, account_id, sum(amount) AS held FROM hold
            WHERE state = 'held' AND holder_id BETWEEN :first AND :last
            GROUP BY holder_id, account_id
        ) AS h ON h.holder_id = a.holder_id AND h.account_id = a.id
        WHERE a.holder_id BETWEEN :first AND :last AND a.held <> coalesce(h.held, 0)
    """,
    "capture of a hold": """
        SELECT h.id, h.captured, coalesce(sum(t.amount), 0)
        FROM hold AS h
        LEFT JOIN transfer AS t ON t.holder_id = h.holder_id AND t.posting_id = h.ended_by
            AND t.kind = 'spend'
        WHERE h.holder_id BETWEEN :first AND :last AND h.state = 'captured'
        GROUP BY h.holder_id, h.id, h.captured HAVING h.captured <> coalesce(sum(t.amount), 0)
    """,
    "account of a transfer": """
        SELECT t.id, 'two accounts of ' || t.unit || ', one of them its holder''s',
               'debit ' || coalesce(d.unit, 'unknown') || ', credit ' || coalesce(c.unit, 'unknown')
        FROM transfer AS t
        LEFT JOIN account AS d ON d.holder_id = t.holder_id AND d.id = t.debit_account_id
        LEFT JOIN account AS c ON c.holder_id = t.holder_id AND c.id = t.credit_account_id
        WHERE t.holder_id BETWEEN :first AND :last AND (
            coalesce(d.unit, c.unit) IS DISTINCT FROM t.unit
            OR coalesce(c.unit, d.unit) IS DISTINCT FROM t.unit
            OR (d.id IS NULL AND (CAST(:system AS jsonb) ->> t.debit_account_id::text)
                IS DISTINCT FROM t.unit)
            OR (c.id IS NULL AND (CAST(:system AS jsonb) ->> t.credit_account_id::text)
                IS DISTINCT FROM t.unit))
    """,
    "reversal": """
        SELECT r.reverses_id, 'at most ' || coalesce(max(o.amount), 0), sum(r.amount)
        FROM transfer AS r
        LEFT JOIN transfer AS o ON o.holder_id = r.holder_id AND o.id = r.reverses_id
        WHERE r.holder_id BETWEEN :first AND :last AND r.reverses_id IS NOT NULL
        GROUP BY r.holder_id, r.reverses_id
        HAVING sum(r.amount) > coalesce(max(o.amount), 0)
    """,
}

_SNAPSHOTS = """
    SELECT coalesce(m.account_id, s.account_id) || ' ' || :month, coalesce(m.net, 0),
           coalesce(s.net, 0)
    FROM (
        SELECT a.holder_id, a.id AS account_id,
               sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END) AS net
        FROM transfer AS t JOIN account AS a ON a.holder_id = t.holder_id
             AND a.id IN (t.credit_account_id, t.debit_account_id)
        WHERE t.holder_id BETWEEN :first AND :last AND t.id < :high
        GROUP BY a.holder_id, a.id
    ) AS m
    FULL JOIN (
        SELECT DISTINCT ON (holder_id, account_id) holder_id, account_id, net
        FROM balance_snapshot
        WHERE holder_id BETWEEN :first AND :last AND month <= CAST(:month AS date)
        ORDER BY holder_id, account_id, month DESC
    ) AS s ON s.holder_id = m.holder_id AND s.account_id = m.account_id
    WHERE coalesce(m.net, 0) <> coalesce(s.net, 0)
"""


def audit(
    session: Session, folder: LogFolder | None = None, *, progress: Progress = no_progress
) -> Iterator[Drift]:
    """Every drift there is; ``session`` is an unchanging snapshot.

    ``folder`` is the published log, compared leaf by leaf where it is given.
    """
    yield from run_checks(session, CHECKS, progress=progress)
    yield from _check_snapshots(session, progress)
    yield from _check_postings(session, progress)
    for subject, expected, found in bucket_drifts(session):
        yield Drift("folded balance", subject, expected, found)
    for check, subject, expected, found in audit_log(session, folder, progress):
        yield Drift(check, subject, expected, found)


def run_checks(
    session: Session, checks: Mapping[str, str], *, progress: Progress = no_progress
) -> Iterator[Drift]:
    """Run queries of the shape of CHECKS, each range by range; used by the packages above for
    their own tables.
    """
    slices = count_slices(session)
    system = _system_units(session)
    for check, query in checks.items():
        for done, (first, last) in enumerate(all_bounds(slices)):
            progress(check, done, slices)
            parameters: dict[str, object] = {"first": first, "last": last}
            if ":system" in query:
                parameters["system"] = system
            yield from _drifts(session, check, query, parameters)
        progress(check, slices, slices)


def _drifts(
    session: Session, check: str, query: str, parameters: Mapping[str, Any]
) -> Iterator[Drift]:
    rows = session.execute(text(query), parameters, execution_options={"yield_per": FETCH_ROWS})
    for subject, expected, found in rows:
        yield Drift(check, str(subject), str(expected), str(found))


def _system_units(session: Session) -> str:
    """The unit of each of the programmes' own accounts by id, as JSON: some dozens."""
    query = select(Account.id, Account.unit).where(~Account.guarded)
    return json.dumps({str(id_): unit for id_, unit in session.execute(query)})


def _check_snapshots(session: Session, progress: Progress) -> Iterator[Drift]:
    """The newest complete month alone: each month's sums follow from the one before."""
    query = select(func.max(SnapshotMonth.month)).where(SnapshotMonth.completed_at.is_not(None))
    if (month := session.scalar(query)) is None:
        return
    slices = count_slices(session)
    for done, (first, last) in enumerate(all_bounds(slices)):
        progress("snapshot", done, slices)
        parameters = {
            "first": first,
            "last": last,
            "month": month.isoformat(),
            "high": uuid7_floor(start_of(month)),
        }
        yield from _drifts(session, "snapshot", _SNAPSHOTS, parameters)
    progress("snapshot", slices, slices)


_POSTINGS = "SELECT id, transfer_count FROM posting ORDER BY id"
_COUNTS = """
    SELECT posting_id, count(*), count(DISTINCT position), max(position) + 1
    FROM transfer GROUP BY posting_id ORDER BY posting_id
"""


def _check_postings(session: Session, progress: Progress) -> Iterator[Drift]:
    check = "transfers of a posting"
    total = session.scalar(text("SELECT count(*) FROM posting")) or 0
    for done, (id_, posting, counted) in enumerate(merged(session, _POSTINGS, _COUNTS), 1):
        if counted is None:
            assert posting is not None
            yield Drift(check, str(id_), f"{posting[0]} transfers", "0 transfers")
        elif posting is None:
            yield Drift(check, str(id_), "a posting", f"{counted[0]} transfers without one")
        elif not posting[0] == counted[0] == counted[1] == counted[2]:
            found, places, beyond = counted
            expected = f"{posting[0]} transfers at places from 0"
            yield Drift(check, str(id_), expected, f"{found} at {places} places below {beyond}")
        if done % FETCH_ROWS == 0:
            progress(check, min(done, total), total)
    progress(check, total, total)


Row = tuple[Any, ...] | None


def merged(session: Session, left: str, right: str) -> Iterator[tuple[Any, Row, Row]]:
    """Two queries side by side, each ordered by its first column, which is unique in it.

    Answers (key, rest of the left row, rest of the right row), None where a side has no such key.
    Both are streamed: for tables that are not distributed alike, which cannot be joined.
    """
    streamed = {"yield_per": FETCH_ROWS}
    lefts = iter(session.execute(text(left), execution_options=streamed))
    rights = iter(session.execute(text(right), execution_options=streamed))
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], tuple(one[1:]), None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, tuple(other[1:])
            other = next(rights, None)
        else:
            yield one[0], tuple(one[1:]), tuple(other[1:])
            one, other = next(lefts, None), next(rights, None)
