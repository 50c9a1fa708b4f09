"""The ledger at 1 million accounts, filled to 10 million transfers, beside the classical way.

In one run, on a server of its own: (a) the classical way, one transaction a transfer, both balances
locked in order, one hot issuing account, written as one would in a program; and the same generously
in one round trip, as a function in the database. (b) single postings. Both from 20 connections of
two processes, as the service has two workers. (c) batches of 5,000 transfers in the shape of
intake: of 2,500 residents drawn at random each earns CO2e and points, which land in lots; with two
connections sending at once, as two partners would, from 1 to 10 million transfers, over the months
for which there are partitions; and for comparison with one. (d) balances at an instant, and
statement pages, then.

Usage: ``python -m benchmarks.ledger [MILLIONS]``.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from multiprocessing import get_context
from threading import Lock
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import make_url

from benchmarks.machine import fresh_database, machine
from ledgers.accounts import ISSUED, PERSONAL, account_key, open_personal, open_system
from ledgers.models import ExpiryPolicy
from ledgers.posting import NewPosting, NewTransfer, post
from ledgers.snapshots import next_month, take_slice
from ledgers.statements import balance_at, page
from service import garbage
from service.db import Database

HOLDERS = 500_000  # Two accounts each.
CONNECTIONS, PROCESSES = 20, 2
BATCH_TRANSFERS = 5_000
SINGLES_S = 15
READS = 2_000

CLASSICAL = """
CREATE TABLE classical_account (id bigint PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE classical_transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    debit_id bigint NOT NULL REFERENCES classical_account,
    credit_id bigint NOT NULL REFERENCES classical_account,
    amount bigint NOT NULL CHECK (amount > 0),
    occurred_at timestamptz NOT NULL
);
INSERT INTO classical_account SELECT n, 0 FROM generate_series(0, %d) AS n;
CREATE FUNCTION classical_post(debit bigint, credit bigint, moved bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM classical_account WHERE id IN (debit, credit) ORDER BY id FOR UPDATE;
    INSERT INTO classical_transfer (debit_id, credit_id, amount, occurred_at)
        VALUES (debit, credit, moved, now());
    UPDATE classical_account SET balance = balance - moved WHERE id = debit;
    UPDATE classical_account SET balance = balance + moved WHERE id = credit;
END $$;
"""


def classical_statements(connection: psycopg.Connection, credit: int) -> None:
    """A transfer as one would write it in a program: five statements and a commit."""
    with connection.transaction():
        lock = (
            "SELECT id, balance FROM classical_account WHERE id IN (0, %s) ORDER BY id FOR UPDATE"
        )
        connection.execute(lock, (credit,)).fetchall()
        connection.execute(
            "INSERT INTO classical_transfer (debit_id, credit_id, amount, occurred_at)"
            " VALUES (0, %s, 1, now())",
            (credit,),
        )
        change = "UPDATE classical_account SET balance = balance + %s WHERE id = %s"
        connection.execute(change, (-1, 0))
        connection.execute(change, (1, credit))


def classical_function(connection: psycopg.Connection, credit: int) -> None:
    """The same as a function in the database: one round trip."""
    connection.execute("SELECT classical_post(0, %s, 1)", (credit,))


def classical(url: str, one: str, seed: int) -> int:
    """Transfers of (a) by one process."""
    transfer = {"program": classical_statements, "function": classical_function}[one]

    def work(number: int) -> int:
        source, done = random.Random(seed * 100 + number), 0
        with psycopg.connect(_info(url), autocommit=True) as connection:
            end = time.perf_counter() + SINGLES_S
            while time.perf_counter() < end:
                transfer(connection, source.randint(1, HOLDERS))
                done += 1
        return done

    return _by_threads(work)


def singles(url: str, programme: UUID, holders: list[UUID], seed: int) -> int:
    """Transfers of (b) by one process."""
    database, now = Database(url), datetime.now(UTC)
    ledger = Ledger(programme, holders)
    garbage.settle()

    def work(number: int) -> int:
        source, done = random.Random(seed * 100 + number), 0
        end = time.perf_counter() + SINGLES_S
        while time.perf_counter() < end:
            posting = ledger.single(source.choice(holders))
            database.transact(lambda session, p=posting: post(session, p, now=now))
            done += 1
        return done

    return _by_threads(work)


def _by_threads(work: Callable[[int], int]) -> int:
    with ThreadPoolExecutor(CONNECTIONS // PROCESSES) as pool:
        return sum(pool.map(work, range(CONNECTIONS // PROCESSES)))


def by_processes(work: Callable[..., int], *arguments: object) -> float:
    """Transfers a second of several processes at once, each with its share of the connections."""
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        done = [pool.submit(work, *arguments, seed) for seed in range(PROCESSES)]
        return sum(future.result() for future in done) / SINGLES_S


def _info(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Ledger:
    """A programme with an expiry policy, and its residents."""

    def __init__(self, programme: UUID, holders: list[UUID]) -> None:
        self.programme, self.holders = programme, holders
        self.start = datetime.now(UTC)
        self.source = random.Random(5)
        self.issued = {
            unit: account_key(self.programme, unit, ISSUED) for unit in ("mg_co2e", "point")
        }

    @classmethod
    def opened(cls, database: Database, holders: int = HOLDERS) -> "Ledger":
        """A new one, with all its accounts."""
        ledger = cls(uuid4(), [uuid4() for _ in range(holders)])
        policy = ExpiryPolicy(
            issuer_id=ledger.programme,
            valid_from=date(2020, 1, 1),
            zone="Asia/Shanghai",
            ends="year",
            periods=1,
            grace_days=30,
            document="benchmark",
        )
        now = ledger.start
        database.transact(lambda session: open_system(session, ledger.programme, now=now))
        database.transact(lambda session: session.add(policy))
        for at in range(0, holders, 10_000):
            some = ledger.holders[at : at + 10_000]
            database.transact(lambda session, some=some: open_personal(session, some, now=now))
        return ledger

    def single(self, holder_id: UUID) -> NewPosting:
        """One resident earns points."""
        return NewPosting(uuid4(), "intake", "benchmark", [self._earning(holder_id, "point")])

    def batch(self) -> NewPosting:
        """2,500 residents earn CO2e and points, as a batch of intake posts them."""
        residents = sorted(self.source.choices(self.holders, k=BATCH_TRANSFERS // 2))
        transfers = [
            self._earning(holder_id, unit)
            for holder_id in residents
            for unit in ("mg_co2e", "point")
        ]
        return NewPosting(uuid4(), "intake", "benchmark", transfers)

    def _earning(self, holder_id: UUID, unit: str) -> NewTransfer:
        credit = account_key(holder_id, unit, PERSONAL)
        return NewTransfer(holder_id, self.issued[unit], credit, 7, "earn", holder_id, self.start)


def batches(database: Database, ledger: Ledger, transfers: int) -> list[float]:
    """Transfers a second of (c), for each million, building the postings included.

    A year's worth: each batch is recorded a little later than the one before.
    """
    count = transfers // BATCH_TRANSFERS
    step = timedelta(days=330) / count
    a_million = 1_000_000 // BATCH_TRANSFERS
    ended_at: list[float] = [time.perf_counter()]
    numbers, turn = iter(range(1, count + 1)), Lock()

    def work(_: int) -> None:
        while True:
            with turn:
                if (n := next(numbers, None)) is None:
                    return
                posting = ledger.batch()
            now = ledger.start + n * step
            database.transact(lambda session, p=posting, now=now: post(session, p, now=now))
            if n % a_million == 0:
                ended_at.append(time.perf_counter())

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    return [1_000_000 / (after - before) for before, after in pairwise(ended_at)]


def one_connection(database: Database, ledger: Ledger, seconds: float = 15) -> float:
    """Transfers a second of (c) with one connection."""
    later, done = ledger.start + timedelta(days=331), 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        posting = ledger.batch()
        database.transact(lambda session, p=posting: post(session, p, now=later))
        done += BATCH_TRANSFERS
    return done / (time.perf_counter() - begun)


def history(database: Database, ledger: Ledger) -> tuple[float, float, float]:
    """Median milliseconds of (d): balance at an instant, newest page, page behind a cursor."""
    end = ledger.start + timedelta(days=331)
    while (month := database.transact(lambda s: next_month(s, now=end))) is not None:
        database.transact(lambda s, month=month: take_slice(s, month, now=end))
    source = random.Random(7)
    instants, newest, older = [], [], []
    with database.snapshot() as session:
        for _ in range(READS):
            holder_id = source.choice(ledger.holders)
            account_id = UUID(account_key(holder_id, "point", PERSONAL).id)
            at = ledger.start + timedelta(days=330 * source.random())
            instants.append(
                _ms(lambda h=holder_id, a=account_id, at=at: balance_at(session, h, a, at))
            )
            found = page(session, holder_id, account_id, limit=5)
            newest.append(_ms(lambda h=holder_id, a=account_id: page(session, h, a, limit=50)))
            if found.next_before:
                cursor = found.next_before
                older.append(
                    _ms(lambda h=holder_id, a=account_id, c=cursor: page(session, h, a, before=c))
                )
            session.expire_all()
    return statistics.median(instants), statistics.median(newest), statistics.median(older or [0])


def _ms(read: Callable[[], object]) -> float:
    begun = time.perf_counter()
    read()
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    """Run all and print."""
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(machine())
    with fresh_database() as url:
        database = Database(url)
        with psycopg.connect(_info(url), autocommit=True) as connection:
            connection.execute(CLASSICAL.replace("%d", str(HOLDERS)).encode())
            connection.execute("ANALYZE classical_account")
        ledger = Ledger.opened(database)
        print(f"{2 * HOLDERS:,} accounts; {CONNECTIONS} connections, {SINGLES_S} s each")
        in_program = by_processes(classical, url, "program")
        in_database = by_processes(classical, url, "function")
        single = by_processes(singles, url, ledger.programme, ledger.holders[:50_000])
        print(
            f"  (a) classical: {in_program:,.0f}/s in a program, {in_database:,.0f}/s as a function"
        )
        print(f"  (b) post: {single:,.0f}/s: {single / in_program:.1f} and"
              f" {single / in_database:.1f} times that (mark: 2)")  # fmt: skip
        garbage.settle()  # As the service does at its start; the residents here are no part of it.
        rates = batches(database, ledger, millions * 1_000_000)
        print(f"batches of {BATCH_TRANSFERS:,}, two connections, by million of transfers stored:")
        print("  " + " ".join(f"{rate:,.0f}" for rate in rates))
        print(f"  median {statistics.median(rates):,.0f} transfers/s (mark: 40,000)")
        print(f"  first million to last: {1 - rates[-1] / rates[0]:+.1%} slower (mark: 15 %)")
        print(f"  then with one connection: {one_connection(database, ledger):,.0f} transfers/s")
        instant, newest, older = history(database, ledger)
        print(f"with {millions} million stored, medians of {READS:,} (mark: 5 ms):")
        print(f"  balance at an instant {instant:.2f} ms")
        print(f"  newest page of a statement {newest:.2f} ms, page behind a cursor {older:.2f} ms")
        database.dispose()


if __name__ == "__main__":
    main()
