"""A merchant's file against our lines, as a report: its counts, the first that differ, or all of
them as CSV.
"""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from rewards.settling.reconciling import Finding, Hashes, Ours, Summary, reconcile
from rewards.settling.statements import read_statement
from rewards.voucher_codes import Codes, code_sha256
from service.db import Database

FILE_MAX_BYTES = 64 * 1024 * 1024  # Some 700,000 lines.
FIRST_FINDINGS = 200
IN_MEMORY_BYTES = 1024 * 1024
COLUMNS = (
    *("kind", "line", "consumption_id", "theirs_fen", "ours_fen", "theirs_at", "ours_at"),
    "times",
)


class Report(NamedTuple):
    """``findings`` are the first; all of them are in ``file``, a CSV that the caller closes."""

    summary: Summary
    findings: list[Finding]
    file: IO[bytes]


def hashes_for(codes: Codes, merchant_id: UUID) -> Hashes:
    """Ours, where the code could be one, and the merchant's own."""

    def hashes(code: str) -> tuple[bytes, ...]:
        own, pool = code_sha256(code), codes.pool_hash(merchant_id, code)
        return (own, pool) if own else (pool,)

    return hashes


def report(
    database: Database,
    file: IO[bytes],
    ours: Callable[[Session], tuple[Ours, ZoneInfo]],
    *,
    codes: Codes,
) -> Report:
    """Compare in one transaction. ``ours`` says with which lines, and the zone of times without an
    offset.

    Raises UnreadableStatement, and what ``ours`` raises.
    """

    def work(session: Session) -> Report:
        which, zone = ours(session)
        spool: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - closed by who streams it.
        text = io.TextIOWrapper(spool, "utf-8-sig", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        first: list[Finding] = []

        def tell(finding: Finding) -> None:
            if len(first) < FIRST_FINDINGS:
                first.append(finding)
            writer.writerow(_row(finding, zone))

        summary = reconcile(
            session,
            which,
            read_statement(file, zone),
            hashes=hashes_for(codes, which.merchant_id),
            tell=tell,
        )
        text.detach()
        spool.seek(0)
        return Report(summary, first, spool)

    return database.transact(work)


def _row(finding: Finding, zone: ZoneInfo) -> tuple[object, ...]:
    theirs_at, ours_at = (
        at.astimezone(zone).isoformat() if at else None
        for at in (finding.theirs_at, finding.ours_at)
    )
    return (*finding[:5], theirs_at, ours_at, finding.times)


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The file piece by piece, and closed."""
    with file:
        while chunk := file.read(IN_MEMORY_BYTES):
            yield chunk
