"""The ledger, side by side in one run: (a) the classical way, (b) ``post`` in batches of 5,000.

(a) is one transaction a transfer, both balances locked in order, one hot issuing account, 20
connections; generously all in one round trip, as a function in the database. (b) is one connection
posting from the issuing account to residents' accounts drawn at random. Usage:
``python -m benchmarks.ledger [SECONDS]``.
"""

import gc
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import make_url

from benchmarks.machine import fresh_database, machine
from ledgers.accounts import ISSUED, PERSONAL, account_key, open_personal, open_system
from ledgers.posting import NewPosting, NewTransfer, post
from service.db import Database

HOLDERS = 100_000
CONNECTIONS = 20
BATCH_TRANSFERS = 5_000
MARK = 15

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


def classical(url: str, seconds: float) -> float:
    """Transfers a second of (a)."""
    info = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(info, autocommit=True) as connection:
        connection.execute(CLASSICAL.replace("%d", str(HOLDERS)).encode())
        connection.execute("ANALYZE classical_account")

    def one(seed: int) -> int:
        source, done = random.Random(seed), 0
        with psycopg.connect(info, autocommit=True) as connection:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                credit = source.randint(1, HOLDERS)
                connection.execute("SELECT classical_post(0, %s, 1)", (credit,))
                done += 1
        return done

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(one, range(CONNECTIONS))) / seconds


def batches(url: str, seconds: float) -> float:
    """Transfers a second of (b), building the postings included."""
    database = Database(url)
    programme = uuid4()
    holders = [uuid4() for _ in range(HOLDERS)]
    now = datetime.now(UTC)
    database.transact(lambda session: open_system(session, programme, now=now))
    for start in range(0, HOLDERS, 10_000):
        some = holders[start : start + 10_000]
        database.transact(lambda session, some=some: open_personal(session, some, now=now))
    source, done = random.Random(5), 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        posting = _posting(programme, source.choices(holders, k=BATCH_TRANSFERS))
        database.transact(lambda session, p=posting: post(session, p, now=datetime.now(UTC)))
        done += BATCH_TRANSFERS
    rate = done / (time.perf_counter() - begun)
    database.dispose()
    return rate


def _posting(programme: UUID, holders: list[UUID]) -> NewPosting:
    issued, at = account_key(programme, "point", ISSUED), datetime.now(UTC)
    transfers = [
        NewTransfer(h, issued, account_key(h, "point", PERSONAL), 7, "earn", programme, at)
        for h in holders
    ]
    return NewPosting(uuid4(), "intake", "benchmark", transfers)


def main() -> None:
    """Run both and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    gc.freeze()  # As the service does at its start.
    print(machine())
    with fresh_database() as url:
        a, b = classical(url, seconds), batches(url, seconds)
        print(f"ledger: {HOLDERS:,} holders, {seconds:.0f} s each")
        print(f"  (a) classical, {CONNECTIONS} connections: {a:,.0f} transfers/s")
        print(f"  (b) post in batches of {BATCH_TRANSFERS:,}: {b:,.0f} transfers/s")
        print(f"  ratio {b / a:.1f} (mark: {MARK})")


if __name__ == "__main__":
    main()
