"""Joining: company costs nobody anything, and each has an outcome of their own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.orm import Session

from service.db import Database
from service.entries import _of_the_database
from service.errors import TooBusy
from service.joining import Joining

SOON_S = 20.0  # Nothing here takes long; a test that hangs ends.


class Gate:
    """Work that waits for its turn, so that a test knows who is inside."""

    def __init__(self) -> None:
        self.inside, self.open = threading.Semaphore(0), threading.Event()
        self.rounds: list[list[Any]] = []

    def work(self, items: Sequence[Any]) -> list[Any]:
        self.rounds.append(list(items))
        self.inside.release()
        assert self.open.wait(SOON_S)
        return [self.of(item) for item in items]

    def of(self, item: Any) -> Any:
        if isinstance(item, BaseException):
            raise item
        return f"done {item}"


@pytest.fixture
def pool():
    with ThreadPoolExecutor(24) as pool:
        yield pool


def waiting(joining: Joining, count: int) -> None:
    """Until one leads and so many wait: they have no outcome before the gate opens."""
    never = threading.Event()
    for _ in range(int(SOON_S * 200)):
        if joining._led and len(joining._waiting) == count:
            return
        never.wait(0.005)
    raise AssertionError(f"{len(joining._waiting)} wait, not {count}")


def behind_the_first(
    joining: Joining, gate: Gate, pool: ThreadPoolExecutor, items: Sequence[Any], first: Any = 0
) -> list[Future]:
    """One inside the first round, the others waiting in the order given."""
    futures = [pool.submit(joining.do, first)]
    assert gate.inside.acquire(timeout=SOON_S)
    for number, item in enumerate(items, 1):
        futures.append(pool.submit(joining.do, item))
        waiting(joining, number)
    return futures


def outcome(future: Future) -> Any:
    fault = future.exception(SOON_S)
    return future.result() if fault is None else fault


def test_one_alone_works_at_once_and_alone():
    gate = Gate()
    gate.open.set()
    joining = Joining(gate.work)

    assert [joining.do(n) for n in range(3)] == ["done 0", "done 1", "done 2"]
    assert gate.rounds == [[0], [1], [2]]


def test_who_comes_meanwhile_goes_together_in_the_next_round(pool):
    gate = Gate()
    joining = Joining(gate.work)
    futures = behind_the_first(joining, gate, pool, range(1, 20))

    gate.open.set()

    assert [outcome(future) for future in futures] == [f"done {n}" for n in range(20)]
    assert gate.rounds == [[0], list(range(1, 20))]


def test_a_round_takes_no_more_than_its_bound_in_the_order_of_arrival(pool):
    gate = Gate()
    joining = Joining(gate.work, joined_max=4)
    futures = behind_the_first(joining, gate, pool, range(1, 11))

    gate.open.set()

    assert [outcome(future) for future in futures] == [f"done {n}" for n in range(11)]
    assert gate.rounds == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_a_fault_is_its_own_items_alone(pool):
    gate = Gate()
    joining = Joining(gate.work)
    poison, other = ValueError("bad"), KeyError("worse")
    futures = behind_the_first(joining, gate, pool, [1, poison, 3, other])

    gate.open.set()

    assert [outcome(future) for future in futures] == [
        "done 0", "done 1", poison, "done 3", other,
    ]  # fmt: skip
    assert gate.rounds == [[0], [1, poison, 3, other], [1], [poison], [3], [other]]
    assert joining.do(5) == "done 5"


def test_a_fault_that_concerns_all_is_not_tried_for_each(pool):
    gate = Gate()
    joining = Joining(gate.work, shared=lambda fault: isinstance(fault, OSError))
    away = OSError("away")
    futures = behind_the_first(joining, gate, pool, [1, away, 3])

    gate.open.set()

    assert [outcome(future) for future in futures] == ["done 0", away, away, away]
    assert len(gate.rounds) == 2


def test_when_what_concerns_all_comes_while_each_is_tried_alone_the_rest_are_not_tried(pool):
    gate = Gate()
    joining = Joining(gate.work, shared=lambda fault: isinstance(fault, OSError))
    poison, away = ValueError("bad"), OSError("away")
    futures = behind_the_first(joining, gate, pool, [1, poison, away, 4])

    gate.open.set()

    assert [outcome(future) for future in futures] == ["done 0", "done 1", poison, away, away]
    assert gate.rounds == [[0], [1, poison, away, 4], [1], [poison], [away]]


def test_a_leader_whose_thread_is_ended_takes_nobody_with_it(pool):
    """What was under way is told to come again; who waits behind it is served."""
    gate = Gate()
    joining = Joining(gate.work, joined_max=3)
    ended = SystemExit("worker is ended")
    futures = behind_the_first(joining, gate, pool, [1, ended, 3, 4, 5])

    gate.open.set()

    found = [outcome(future) for future in futures]
    assert found[0] == "done 0"
    assert isinstance(found[1], SystemExit)  # It led the round.
    assert [type(each) for each in found[2:4]] == [TooBusy, TooBusy]
    assert found[4:] == ["done 4", "done 5"]
    assert joining.do(6) == "done 6"


def test_work_that_answers_too_little_is_a_fault_and_nobody_waits_for_ever(pool):
    joining = Joining(lambda items: ["one too few"][1:])

    with pytest.raises(AssertionError):
        joining.do(1)
    with pytest.raises(AssertionError):
        joining.do(2)


def test_too_many_waiting_are_turned_away_at_once(pool):
    gate = Gate()
    joining = Joining(gate.work, waiting_max=2)
    futures = behind_the_first(joining, gate, pool, [1, 2])

    with pytest.raises(TooBusy):
        joining.do(3)

    gate.open.set()
    assert [outcome(future) for future in futures] == ["done 0", "done 1", "done 2"]


def test_nobody_waits_longer_than_their_patience_and_the_queue_forgets_them(pool):
    gate = Gate()
    joining = Joining(gate.work, patience_s=0.01)
    futures = behind_the_first(joining, gate, pool, [])

    with pytest.raises(TooBusy):
        joining.do(1)

    assert not joining._waiting
    gate.open.set()
    assert outcome(futures[0]) == "done 0"
    assert joining.do(2) == "done 2"
    assert gate.rounds == [[0], [2]]


def test_who_is_being_worked_on_waits_for_the_outcome(pool):
    """It may be committed: an answer that is known soon is better than none."""
    first, second = Gate(), Gate()
    gates = iter([first, second])
    joining = Joining(lambda items: next(gates).work(items), patience_s=0.2)
    futures = behind_the_first(joining, first, pool, [1, 2])
    first.open.set()
    assert second.inside.acquire(timeout=SOON_S)

    threading.Event().wait(0.4)  # Longer than their patience.
    second.open.set()

    assert [outcome(future) for future in futures] == ["done 0", "done 1", "done 2"]


def test_the_last_of_a_queue_that_gives_up_hands_the_lead_on(pool):
    """Woken to lead and out of patience in the same instant, it must not leave it lying."""
    joining: Joining[int, str] = Joining(lambda items: [f"done {n}" for n in items])
    ticket = type("Ticket", (), {"leads": True, "finished": False, "woken": None})()
    joining._led = True
    joining._waiting.append(ticket)

    joining._leave(ticket)

    assert joining.do(1) == "done 1"


def test_a_closed_one_lets_nobody_in_and_finishes_what_is_there(pool):
    gate = Gate()
    joining = Joining(gate.work)
    futures = behind_the_first(joining, gate, pool, [1, 2])

    assert joining.close(patience_s=0.01) is False
    with pytest.raises(TooBusy):
        joining.do(3)
    gate.open.set()

    assert joining.close(patience_s=SOON_S) is True
    assert [outcome(future) for future in futures] == ["done 0", "done 1", "done 2"]


# --- On a real database ---------------------------------------------------------------------------


@pytest.fixture
def numbers(fresh_database, owner) -> Callable[[Sequence[int]], list[int]]:
    """Writes numbers above 0 in one transaction and answers their squares."""
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE number (n BIGINT PRIMARY KEY CHECK (n > 0))"))
        connection.execute(text("GRANT SELECT, INSERT ON number TO tanhui_service"))

    def write(session: Session, items: Sequence[int]) -> list[int]:
        session.execute(
            text("INSERT INTO number SELECT unnest(CAST(:items AS bigint[]))"),
            {"items": list(items)},
        )
        return [n * n for n in items]

    return lambda items: fresh_database.transact(lambda session: write(session, items))


def kept(database: Database) -> set[int]:
    return set(database.transact(lambda s: s.scalars(text("SELECT n FROM number")).all()))


def test_twenty_threads_each_have_their_own_answer(pool, numbers, fresh_database):
    transactions = []
    joining = Joining(lambda items: transactions.append(len(items)) or numbers(items))
    together = threading.Barrier(20)

    def send(n: int) -> int:
        together.wait(SOON_S)
        return joining.do(n)

    assert list(pool.map(send, range(1, 21))) == [n * n for n in range(1, 21)]
    assert kept(fresh_database) == set(range(1, 21))
    assert sum(transactions) == 20


def test_one_poisoned_row_hurts_no_other(pool, numbers, fresh_database):
    """The database refuses the row, and with it the transaction in which all were."""
    started, go = threading.Event(), threading.Event()

    def first_waits(items: Sequence[int]) -> list[int]:
        started.set()
        assert go.wait(SOON_S)
        return numbers(items)

    joining = Joining(first_waits, shared=_of_the_database)
    futures = [pool.submit(joining.do, 100)]
    assert started.wait(SOON_S)
    for place, n in enumerate((1, 2, 2**70, 3, -4, 5), 1):
        futures.append(pool.submit(joining.do, n))
        waiting(joining, place)

    go.set()

    found = [outcome(future) for future in futures]
    assert [each if isinstance(each, int) else "refused" for each in found] == [
        10_000, 1, 4, "refused", 9, "refused", 25,
    ]  # fmt: skip
    assert isinstance(found[3], DataError)
    assert kept(fresh_database) == {100, 1, 2, 3, 5}


def test_a_database_that_is_away_is_asked_once_for_all(pool):
    """A connection takes seconds to fail: one after the other they would take minutes."""
    asked = []
    go = threading.Event()
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")

    def work(items: Sequence[str]) -> list[str]:
        asked.append(len(items))
        assert go.wait(SOON_S)
        return database.transact(lambda session: list(session.scalars(text("SELECT 1"))))

    joining = Joining(work, shared=_of_the_database)
    futures = [pool.submit(joining.do, uuid4().hex) for _ in range(6)]
    waiting(joining, 5)
    go.set()

    assert {type(outcome(future)) for future in futures} == {OperationalError}
    assert asked == [1, 5]
    database.dispose()
