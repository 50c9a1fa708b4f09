"""Drafting by several at once, with real commits: a day is settled once, a line counted once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from uuid import UUID, uuid4

import pytest

from rewards.models import Settlement
from rewards.settling.drafting import Key, begin, claim_slice, finish_draft
from rewards.settling.errors import SettlementPeriodClosed
from rewards.settling.settlements import listed
from service.db import Database
from tests.makers import programme_holder
from tests.settlements import FIRST, NOW, lines_for
from tests.shopping import a_merchant

DRAFTERS = 6


@pytest.fixture
def merchant_id(database: Database) -> UUID:
    def work(session) -> UUID:
        id_ = a_merchant(session, programme_holder(session))
        lines_for(session, id_, [100] * 50)
        return id_

    return database.transact(work)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DRAFTERS) as found:
        yield found


def test_of_many_periods_with_a_day_in_common_one_is_closed(
    database: Database, merchant_id: UUID, pool: ThreadPoolExecutor
) -> None:
    together = Barrier(DRAFTERS)

    def draft(number: int) -> UUID | SettlementPeriodClosed:
        since = FIRST.since + timedelta(days=number)  # No two begin on the same day.
        key, period = Key(merchant_id, uuid4()), FIRST._replace(since=since)
        together.wait()
        try:
            work = partial(begin, key=key, period=period, actor="anna", now=NOW)
            return database.transact(work).id
        except SettlementPeriodClosed as refusal:
            return refusal

    answers = list(pool.map(draft, range(DRAFTERS)))
    (made,) = (answer for answer in answers if isinstance(answer, UUID))
    assert {answer.settlement_id for answer in answers if answer != made} == {made}
    stands = database.transact(lambda session: listed(session, merchant_id, limit=10))
    assert [one.id for one in stands] == [made]


def test_the_same_settlement_begun_and_claimed_by_many_has_each_line_once(
    database: Database, merchant_id: UUID, pool: ThreadPoolExecutor
) -> None:
    key, together = Key(merchant_id, uuid4()), Barrier(DRAFTERS)

    def draft(number: int) -> Settlement:
        together.wait()
        database.transact(partial(begin, key=key, period=FIRST, actor=f"{number}", now=NOW))
        claim = partial(claim_slice, key=key, period=FIRST, lines_max=7)
        place = None
        while place := database.transact(partial(claim, after=place)).after:
            pass
        return database.transact(partial(finish_draft, key=key, now=NOW))

    for found in pool.map(draft, range(DRAFTERS)):
        assert (found.state, found.lines, found.owed_fen) == ("draft", 50, 5_000)
