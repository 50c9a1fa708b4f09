"""Settlements: a merchant's million vouchers of a month, from the draft to paid; exports; a file of
the merchant's held against them.

The lines and their transfers are written by SQL as tills leave them, in postings of 5,000; what is
measured is the program's own way: slices, sums, steps, the posting of the payment. The baseline
changes lines one by one, as objects. Usage: ``python -m benchmarks.settlements [VOUCHERS]``.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import IO, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.loading import load
from activities.catalogue.models import Programme
from benchmarks.machine import fresh_database, machine
from ledgers.accounts import CLEARING, ISSUED, account_key, open_payable
from ledgers.folding import system_balances
from rewards.models import Merchant, SettlementLine, Shop
from rewards.settling import settlements
from rewards.settling.drafting import Key, begin
from rewards.settling.periods import Period, month_of
from rewards.settling.reconciling import of_settlement
from rewards.voucher_codes import Codes
from service.db import Database, owner_engine
from service.settling import as_csv, as_workbook, drafts, exporting, files

PROGRAMME = "demo-2016"
ZONE = ZoneInfo("Asia/Shanghai")
MARK_S = 60
BASELINE_LINES = 5_000
A_POSTING = 5_000
FEN = 1_250

_SEED = """
CREATE TEMPORARY TABLE seed AS
SELECT i, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
               || lpad(to_hex(i), 12, '0'))::uuid AS id
FROM (SELECT i, date_trunc('milliseconds', CAST(:first AS timestamptz)
          + i / :each * CAST(:step AS interval)) AS at
      FROM generate_series(0, :lines - 1) AS i) AS s;
"""
_POSTINGS = """
INSERT INTO posting (id, kind, actor, content_sha256, transfer_count, recorded_at)
SELECT ('00000000000000000001' || lpad(to_hex(i / :each), 12, '0'))::uuid, 'payable', 'bench',
    sha256((i / :each)::text::bytea), count(*), at FROM seed GROUP BY i / :each, at
"""
_QUEUE = "INSERT INTO log_queue (posting_id, recorded_at) SELECT id, recorded_at FROM posting"
_LINES = """
INSERT INTO settlement_line (merchant_id, id, kind, amount_fen, offer_id, version, redemption_id,
    consumption_id, shop_id, occurred_at, recorded_at)
SELECT :merchant, id, 'consumption', :fen, :offer, 1, gen_random_uuid(), gen_random_uuid(), :shop,
    at, at FROM seed
"""
_TRANSFERS = """
INSERT INTO transfer (holder_id, id, posting_id, position, unit, debit_account_id,
    credit_account_id, amount, kind, reference, occurred_at)
SELECT :merchant, id, ('00000000000000000001' || lpad(to_hex(i / :each), 12, '0'))::uuid,
    i % :each, 'fen', :debit, :credit, :fen, 'owe', id, at FROM seed
"""


def last_month() -> Period:
    """The calendar month before this one, which has partitions."""
    today = datetime.now(ZONE).date()
    year, months = divmod(today.year * 12 + today.month - 2, 12)
    return month_of(date(year, months + 1, 1), ZONE)


def seed(url: str, database: Database, period: Period, lines: int) -> UUID:
    """A merchant with so many lines and transfers, as the schema's owner; answers its id."""
    merchant_id, shop_id = uuid4(), uuid4()
    made = {"made_by": "bench", "made_at": period.begins_at}

    def work(session: Session) -> UUID:
        programme = session.get_one(Programme, PROGRAMME).holder_id
        names = {"name_zh": "示范便利店", "name_en": "Demo shop"}
        session.add(Merchant(id=merchant_id, programme_holder_id=programme, **names, **made))
        session.flush()
        session.add(Shop(id=shop_id, merchant_id=merchant_id, address="一路 1 号", **names, **made))
        open_payable(session, programme, [merchant_id], now=period.begins_at)
        return programme

    programme = database.transact(work)
    step = (period.ends_at - period.begins_at - timedelta(days=2)) / (lines // A_POSTING + 1)
    names = {
        "lines": lines,
        "first": period.begins_at + timedelta(days=1),
        "step": step,
        "each": A_POSTING,
        "merchant": merchant_id,
        "offer": uuid4(),
        "shop": shop_id,
        "fen": FEN,
        "debit": UUID(account_key(programme, "fen", ISSUED).id),
        "credit": UUID(account_key(merchant_id, "fen", CLEARING).id),
    }
    engine = owner_engine(url)
    with engine.begin() as connection:
        for statement in (_SEED, _POSTINGS, _QUEUE, _LINES, _TRANSFERS):
            connection.execute(text(statement), names)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE settlement_line, transfer, posting"))
    engine.dispose()
    return merchant_id


def peak_mib() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(what: str, count: int) -> Iterator[Callable[[], float]]:
    """Print how long it took, and the process's peak."""
    begun, ended = time.perf_counter(), [0.0]
    yield lambda: ended[0]
    ended[0] = time.perf_counter() - begun
    print(f"{what}: {ended[0]:.1f} s, {count / ended[0]:,.0f}/s, peak {peak_mib():.0f} MiB")


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
    with measured("  its slices and sums", 1):
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


def run(url: str, lines: int) -> None:
    """All figures, printed."""
    database, period = Database(url), last_month()
    database.transact(lambda session: load(session, now=datetime.now(UTC)))
    merchant_id = seed(url, database, period, lines)
    key = Key(merchant_id, uuid4())
    owed = database.transact(lambda session: system_balances(session, merchant_id))
    assert owed["fen", CLEARING] == lines * FEN
    each_s = baseline_s(database, merchant_id)
    begun_mib = peak_mib()
    with measured(f"settlement of {lines:,} vouchers, draft to paid", lines) as took:
        settle(database, key, period)
    ratio = each_s * lines / took()
    mark = "met" if took() <= MARK_S * lines / 1_000_000 else "MISSED"
    grown = peak_mib() - begun_mib
    print(f"mark of {MARK_S} s a million: {mark}; memory grew by {grown:.1f} MiB")
    print(f"baseline, line by line as objects: {each_s * lines:.0f} s, {ratio:.0f} times as long")
    left = database.transact(lambda session: system_balances(session, merchant_id))
    assert left["fen", CLEARING] == 0
    about = database.transact(lambda session: exporting.read(session, key))
    with measured("CSV", lines):
        size = spent(as_csv.csv_of(database, about))
    print(f"  {size:.0f} MiB")
    with measured("XLSX", lines):
        size = spent(files.chunks(as_workbook.workbook_of(database, about)))
    print(f"  {size:.0f} MiB")
    with tempfile.TemporaryFile() as file:
        statement(database, key, cast(IO[bytes], file))
        with measured("reconciliation of a file of as many lines", lines):
            compare(database, key, cast(IO[bytes], file))
    database.dispose()


def main() -> None:
    """Seed, measure and print."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(machine())
    with fresh_database() as url:
        run(url, lines)


if __name__ == "__main__":
    main()
