"""kill -9 of a process that drafts or voids, at any of its statements; then somebody goes on."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select

from ledgers.folding import system_balances
from rewards.models import SettlementLine
from rewards.settling.drafting import Key, begin
from rewards.settling.settlements import void
from service.db import Database
from service.settling.drafts import finish_all, go_on
from tests.makers import programme_holder
from tests.settlements import LATELY, lines_for
from tests.shopping import a_merchant

pytestmark = pytest.mark.once

LINES, A_SLICE, KILLS = 60, 7, 3


def lives(url: str, merchant_id: str, settlement_id: str, step: str, *nths: str) -> None:
    """One life after the other, each forked from what is imported once; prints how each ended."""
    key = Key(UUID(merchant_id), UUID(settlement_id))
    for nth in map(int, nths):
        if (child := os.fork()) == 0:
            live(url, key, step, nth)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def live(url: str, key: Key, step: str, nth: int) -> None:
    """Draft or void in small slices, and die at the nth statement or commit."""
    now, left, database = datetime.now(UTC), [nth], Database(url)

    def passed(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", passed)
    event.listen(database.engine, "commit", passed)
    if step == "draft":
        database.transact(lambda s: begin(s, key, LATELY, actor="anna", now=now))
    else:
        database.transact(lambda s: void(s, key))
    go_on(database, key, now=now, seconds=60, lines_a_slice=A_SLICE)


def killed(url: str, key: Key, step: str, nths: Sequence[int]) -> int:
    """How many were killed on the way; the others did what was left."""
    words = [sys.executable, "-m", "tests.service.settling.test_settling_killed"]
    words += [url, str(key.merchant_id), str(key.id), step, *map(str, nths)]
    root = Path(__file__).parents[3]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended = [int(line) for line in done.stdout.split()]
    assert len(ended) == len(nths)
    assert {0, -signal.SIGKILL} >= set(ended), done.stderr
    return ended.count(-signal.SIGKILL)


@pytest.fixture
def key(database: Database) -> Key:
    def work(session) -> UUID:
        merchant_id = a_merchant(session, programme_holder(session))
        lines_for(session, merchant_id, [100] * LINES, at=LATELY.begins_at)
        return merchant_id

    return Key(database.transact(work), uuid4())


def claimed(database: Database, key: Key) -> int:
    query = select(func.count()).where(
        SettlementLine.merchant_id == key.merchant_id, SettlementLine.settlement_id == key.id
    )
    return database.transact(lambda session: session.scalar(query))


def test_what_a_killed_process_left_is_drafted_and_voided_to_the_end(
    database: Database, database_url: str, key: Key
) -> None:
    source = random.Random(6)  # noqa: S311
    kills = killed(database_url, key, "draft", [source.randint(5, 40) for _ in range(KILLS)])
    finish_all(database, now=datetime.now(UTC), seconds=60)
    found = go_on(database, key, now=datetime.now(UTC))
    assert (found.state, found.lines, found.owed_fen) == ("draft", LINES, 100 * LINES)
    assert claimed(database, key) == LINES
    balances = database.transact(lambda session: system_balances(session, key.merchant_id))
    assert balances["fen", "clearing"] == 100 * LINES

    kills += killed(database_url, key, "void", [source.randint(2, 20) for _ in range(KILLS)])
    found = go_on(database, key, now=datetime.now(UTC), seconds=60)
    assert (found.state, found.lines) == ("void", 0)
    assert claimed(database, key) == 0
    assert kills >= KILLS


if __name__ == "__main__":
    lives(*sys.argv[1:])
