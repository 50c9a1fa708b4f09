"""Settlements: a merchant's million vouchers of a month, from the draft to paid; exports; a file of
the merchant's held against them.

The vouchers are rows (``benchmarks.settlement_rows``); the audit of the rewards finds them right,
before and after. What is measured is the program's own way: slices, sums, steps, the posting of the
payment. The baseline changes lines one by one, as objects.
Usage: ``python -m benchmarks.settlements [VOUCHERS]``.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import IO, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from benchmarks.machine import fresh_database, machine
from benchmarks.settlement_rows import seed
from rewards.audit import audit
from rewards.models import SettlementLine
from rewards.settling import settlements
from rewards.settling.drafting import Key, begin
from rewards.settling.periods import Period, month_of
from rewards.settling.reconciling import of_settlement
from rewards.voucher_codes import Codes
from service.db import Database
from service.settling import as_csv, as_workbook, drafts, exporting, files

ZONE = ZoneInfo("Asia/Shanghai")
MARK_S = 60
BASELINE_LINES = 5_000


def last_month() -> Period:
    """The calendar month before this one, which has partitions."""
    today = datetime.now(ZONE).date()
    year, months = divmod(today.year * 12 + today.month - 2, 12)
    return month_of(date(year, months + 1, 1), ZONE)


def peak_mib() -> float:
    """The most memory that this process had since it was last forgotten."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024


@contextmanager
def measured(what: str, count: int) -> Iterator[Callable[[], float]]:
    """Print how long it took, the most memory meanwhile, and by how much that was more."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Forgets the peak.
    before_mib, begun, ended = peak_mib(), time.perf_counter(), [0.0]
    yield lambda: ended[0]
    ended[0] = time.perf_counter() - begun
    grown_mib = peak_mib() - before_mib
    speed = f"{ended[0]:.1f} s, {count / ended[0]:,.0f}/s"
    print(f"{what}: {speed}, peak {peak_mib():.0f} MiB, {grown_mib:+.0f} MiB")


def baseline_s(database: Database, merchant_id: UUID) -> float:
    """Seconds a line, object by object; taken back."""
    begun = time.perf_counter()
    settlement_id = uuid4()
    with Session(database.engine) as session:
        query = select(SettlementLine).where(SettlementLine.merchant_id == merchant_id)
        for line in session.scalars(query.limit(BASELINE_LINES)):
            line.settlement_id = settlement_id
            session.flush()
        session.rollback()
    return (time.perf_counter() - begun) / BASELINE_LINES


def settle(database: Database, key: Key, period: Period) -> None:
    """From nothing to paid, as the API and the job do it."""
    now = datetime.now(UTC)
    transact = database.transact
    transact(lambda session: begin(session, key, period, actor="anna", now=now))
    found = drafts.go_on(database, key, now=now, seconds=3600)
    assert found.state == "draft"
    transact(lambda session: settlements.confirm(session, key, actor="mia", now=now))
    transact(lambda session: settlements.approve(session, key, actor="ben", now=now))
    transact(
        lambda session: settlements.pay(session, key, payment_reference="1", actor="eva", now=now)
    )


def spent(pieces: Iterable[bytes]) -> float:
    """Take all of a file; its size in MiB."""
    return sum(map(len, pieces)) / 2**20


def statement(database: Database, key: Key, into: IO[bytes]) -> None:
    """The merchant's own file, which says what we say."""
    into.write(b"consumption_id,consumed_at,amount_fen\n")
    with Session(database.engine) as session:
        query = select(
            SettlementLine.consumption_id, SettlementLine.occurred_at, SettlementLine.amount_fen
        ).where(SettlementLine.merchant_id == key.merchant_id)
        rows = session.execute(query.execution_options(yield_per=5_000))
        into.writelines(f"{id_},{at.isoformat()},{fen}\n".encode() for id_, at, fen in rows)
    into.seek(0)


def compare(database: Database, key: Key, file: IO[bytes]) -> None:
    """Hold the file against the lines; nothing differs."""
    codes = Codes(b"v" * 32, b"p" * 32)
    found = files.report(database, file, lambda _: (of_settlement(key), ZONE), codes=codes)
    assert not found.summary.differing, found.summary
    found.file.close()


def audited(database: Database) -> None:
    """The rewards are right, to the last voucher."""
    begun = time.perf_counter()
    with database.snapshot(unhurried=True) as session:
        found = list(islice(audit(session), 10))
    assert not found, found
    print(f"audit of the rewards: nothing drifts ({time.perf_counter() - begun:.0f} s)")


def run(url: str, lines: int) -> None:
    """All figures, printed."""
    database, period = Database(url), last_month()
    database.transact(lambda session: load(session, now=datetime.now(UTC)))
    with measured(f"seeding {lines:,} redemptions, vouchers, consumptions and lines", lines):
        merchant_id = seed(url, database, period, lines)
    audited(database)
    key = Key(merchant_id, uuid4())
    each_s = baseline_s(database, merchant_id)
    with measured(f"settlement of {lines:,} vouchers, draft to paid", lines) as took:
        settle(database, key, period)
    ratio = each_s * lines / took()
    mark = "met" if took() <= MARK_S * lines / 1_000_000 else "MISSED"
    print(f"mark of {MARK_S} s a million: {mark}")
    print(f"baseline, line by line as objects: {each_s * lines:.0f} s, {ratio:.0f} times as long")
    audited(database)
    write_files(database, key, lines)
    with tempfile.TemporaryFile() as file:
        statement(database, key, cast(IO[bytes], file))
        with measured("reconciliation of a file of as many lines", lines):
            compare(database, key, cast(IO[bytes], file))
    database.dispose()


def write_files(database: Database, key: Key, lines: int) -> None:
    """The settlement as CSV and as a workbook."""
    about = database.transact(lambda session: exporting.read(session, key))
    with measured("CSV", lines):
        size = spent(as_csv.csv_of(database, about))
    print(f"  {size:.0f} MiB")
    with measured("XLSX", lines):
        size = spent(files.chunks(as_workbook.workbook_of(database, about)))
    print(f"  {size:.0f} MiB")


def main() -> None:
    """Seed, measure and print."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(machine())
    with fresh_database() as url:
        run(url, lines)


if __name__ == "__main__":
    main()
