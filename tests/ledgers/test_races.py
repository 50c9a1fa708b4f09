"""Real threads, real commits: one winner, no deadlock, nobody waits for another resident."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, account_key
from ledgers.errors import InsufficientPoints
from ledgers.posting import post
from tests.makers import NOW, a_resident, balance, earning, spending

THREADS = 12


def test_of_many_spenders_only_as_many_win_as_there_are_points(database):
    holder_id = database.transact(lambda s: a_resident(s, points=50))

    def spend(_: int) -> bool:
        posting = database.transact(lambda s: spending(s, holder_id, 10))
        try:
            return database.transact(lambda s: post(s, posting, now=NOW)).written
        except InsufficientPoints:
            return False

    with ThreadPoolExecutor(THREADS) as pool:
        won = list(pool.map(spend, range(2 * THREADS)))

    assert won.count(True) == 5
    assert database.transact(lambda s: balance(s, holder_id)) == 0


def test_of_many_senders_of_one_posting_one_writes(database):
    holder_id = database.transact(a_resident)
    posting = database.transact(lambda s: earning(s, holder_id, 7))

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(
            pool.map(
                lambda _: database.transact(lambda s: post(s, posting, now=NOW)), range(THREADS)
            )
        )

    assert [answer.written for answer in answers].count(True) == 1
    assert database.transact(lambda s: balance(s, holder_id)) == 7


def test_batches_over_the_same_residents_do_not_deadlock(database):
    holders = database.transact(lambda s: [a_resident(s) for _ in range(40)])
    single = database.transact(lambda s: earning(s, holders[0], 1))
    transfers = [
        single.transfers[0]._replace(holder_id=h, credit=account_key(h, "point", PERSONAL))
        for h in holders
    ]

    def send(number: int) -> None:
        order = transfers if number % 2 else transfers[::-1]
        posting = replace(single, id=uuid4(), transfers=order)
        with Session(database.engine) as session, session.begin():
            post(session, posting, now=NOW)  # No retry here: a deadlock would show.

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, range(3 * THREADS)))

    totals = database.transact(lambda s: [balance(s, h) for h in holders])
    assert totals == [3 * THREADS] * len(holders)


def test_two_residents_postings_lock_no_row_in_common(database):
    """The second resident's posting commits while the first's is still open."""
    first, second = database.transact(lambda s: [a_resident(s, points=5) for _ in range(2)])
    for_first, for_second = database.transact(
        lambda s: [earning(s, holder, 3) for holder in (first, second)]
    )

    def hold_open(session) -> None:
        post(session, for_first, now=NOW)

        def beside(other) -> None:
            other.execute(text("SET LOCAL lock_timeout = '200ms'"))
            post(other, for_second, now=NOW)

        database.transact(beside)

    database.transact(hold_open)
    assert database.transact(lambda s: balance(s, second)) == 8
