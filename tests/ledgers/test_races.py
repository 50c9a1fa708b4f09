"""Real threads, real commits: one winner, no deadlock, nobody waits for another resident."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from ledgers.accounts import PERSONAL, REDEEMED, account_key, of_holder
from ledgers.errors import (
    HoldEnded,
    InsufficientPoints,
    NotReversible,
)
from ledgers.holds import NewHold, capture, get_hold, lapse_due_holds, release, reserve
from ledgers.models import Transfer
from ledgers.posting import Posted, post
from ledgers.reversal import reverse
from tests.ledgers.storm import THREADS, Jobs, Storm, at_once, unretried
from tests.makers import NOW, a_resident, balance, earning, programme_holder, spending

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def racing(database_url):
    with unretried(database_url) as database:
        yield database


@pytest.fixture
def racing_alone(fresh_database_url):
    """For jobs, which take whatever is due."""
    with unretried(fresh_database_url) as database:
        yield database


def kinds(answers) -> Counter[str]:
    """How many wrote, how many were told that it was written before, how many were refused how."""
    return Counter(
        ("written" if answer.written else "known")
        if isinstance(answer, Posted)
        else type(answer).__name__
        for answer in answers
    )


def figures(database, holder_id: UUID) -> tuple[int, int, int]:
    accounts = database.transact(lambda s: of_holder(s, holder_id))
    account = next(a for a in accounts if a.unit == "point")
    return account.balance, account.held, account.debt


def a_hold(holder_id: UUID, points: int) -> NewHold:
    return NewHold(uuid4(), holder_id, points, uuid4(), "test", TOMORROW)


def held(database, points: int, *, of: int) -> NewHold:
    """A resident who has reserved a part of what is there."""
    holder_id = database.transact(lambda s: a_resident(s, points=of))
    hold = a_hold(holder_id, points)
    database.transact(lambda s: reserve(s, hold, now=NOW))
    return hold


def capturing(hold: NewHold, programme: UUID, capture_id: UUID):
    return lambda s: capture(
        s,
        capture_id,
        holder_id=hold.holder_id,
        hold_id=hold.id,
        points=hold.points,
        credit=account_key(programme, "point", REDEEMED),
        actor="test",
        now=NOW,
    )


def releasing(hold: NewHold):
    return lambda s: release(s, holder_id=hold.holder_id, hold_id=hold.id, actor="test", now=NOW)


def lapsing(session) -> int:
    return lapse_due_holds(session, now=TOMORROW)


def posting(content):
    return lambda s: post(s, content, now=NOW)


# --- One account ----------------------------------------------------------------------------------


def test_of_many_spenders_only_as_many_win_as_there_are_points(racing):
    holder_id = racing.transact(lambda s: a_resident(s, points=50))
    spends = racing.transact(lambda s: [spending(s, holder_id, 10) for _ in range(THREADS)])

    answers = at_once(racing, [posting(spend) for spend in spends])

    assert kinds(answers) == {"written": 5, "InsufficientPoints": THREADS - 5}
    assert figures(racing, holder_id) == (0, 0, 0)


def test_of_many_holds_only_as_many_win_as_there_are_points(racing):
    holder_id = racing.transact(lambda s: a_resident(s, points=100))
    holds = [a_hold(holder_id, 60) for _ in range(THREADS)]

    answers = at_once(racing, [lambda s, h=h: reserve(s, h, now=NOW) for h in holds])

    assert kinds(answers) == {"Hold": 1, "InsufficientPoints": THREADS - 1}
    assert figures(racing, holder_id) == (100, 60, 0)


def test_one_hold_sent_many_times_is_reserved_once(racing):
    holder_id = racing.transact(lambda s: a_resident(s, points=100))
    hold = a_hold(holder_id, 60)

    answers = at_once(racing, [lambda s: reserve(s, hold, now=NOW)] * THREADS)

    assert kinds(answers) == {"Hold": THREADS}
    assert figures(racing, holder_id) == (100, 60, 0)


def test_holds_and_spends_of_the_same_points_never_add_up_to_more(racing):
    holder_id = racing.transact(lambda s: a_resident(s, points=100))
    spends = racing.transact(lambda s: [spending(s, holder_id, 30) for _ in range(THREADS // 2)])
    holds = [a_hold(holder_id, 30) for _ in range(THREADS // 2)]

    answers = at_once(
        racing,
        [posting(spend) for spend in spends]
        + [lambda s, h=h: reserve(s, h, now=NOW) for h in holds],
    )

    found = kinds(answers)
    assert found["written"] + found["Hold"] == 3
    assert found["InsufficientPoints"] == THREADS - 3
    assert figures(racing, holder_id) == (100 - 30 * found["written"], 30 * found["Hold"], 0)


# --- One hold -------------------------------------------------------------------------------------


def test_of_many_captures_of_one_hold_one_wins(racing):
    hold = held(racing, 60, of=100)
    programme = racing.transact(programme_holder)

    answers = at_once(racing, [capturing(hold, programme, uuid4()) for _ in range(THREADS)])

    assert kinds(answers) == {"written": 1, "HoldEnded": THREADS - 1}
    assert {e.state for e in answers if isinstance(e, HoldEnded)} == {"captured"}
    assert figures(racing, hold.holder_id) == (40, 0, 0)


def test_one_capture_sent_many_times_spends_once_and_answers_all(racing):
    hold = held(racing, 60, of=100)
    programme = racing.transact(programme_holder)

    answers = at_once(racing, [capturing(hold, programme, uuid4())] * THREADS)

    assert kinds(answers) == {"written": 1, "known": THREADS - 1}
    assert figures(racing, hold.holder_id) == (40, 0, 0)


def test_captured_released_or_lapsed_a_hold_ends_once(racing_alone):
    database = racing_alone
    programme = database.transact(programme_holder)
    source = random.Random(5)  # noqa: S311
    for _ in range(5):
        hold = held(database, 60, of=100)
        captures = [capturing(hold, programme, uuid4()) for _ in range(6)]
        acts = [*captures, *[releasing(hold)] * 7, *[lapsing] * 7]
        source.shuffle(acts)

        answers = at_once(database, acts)

        stands = database.transact(lambda s, h=hold: get_hold(s, h.holder_id, h.id))
        found = kinds(answers)
        lapsed = sum(answer for answer in answers if isinstance(answer, int))
        ways = {"captured": found["written"], "released": found["Hold"] // 7, "lapsed": lapsed}
        assert ways == {"captured": 0, "released": 0, "lapsed": 0} | {stands.state: 1}
        refused = {"captured": 5 + 7, "released": 6, "lapsed": 6 + 7}[stands.state]
        assert found["HoldEnded"] == refused
        assert {e.state for e in answers if isinstance(e, HoldEnded)} == {stands.state}
        assert stands.captured == (60 if stands.state == "captured" else 0)
        assert figures(database, hold.holder_id) == (100 - stands.captured, 0, 0)


# --- One spend ------------------------------------------------------------------------------------


def a_spend(database, points: int) -> Transfer:
    def work(session) -> Transfer:
        holder_id = a_resident(session, points=points)
        spend = spending(session, holder_id, points)
        post(session, spend, now=NOW)
        return session.scalars(select(Transfer).where(Transfer.posting_id == spend.id)).one()

    return database.transact(work)


def refunding(spend: Transfer, points: int | None, reversal_id: UUID):
    return lambda s: reverse(
        s,
        reversal_id,
        holder_id=spend.holder_id,
        amounts={spend.id: points},
        actor="test",
        reason="test",
        now=NOW,
    )


@pytest.mark.parametrize(("points", "won"), [(9, 11), (100, 1), (None, 1)])
def test_refunds_of_one_spend_never_add_up_to_more_than_it(racing, points, won):
    spend = a_spend(racing, 100)

    answers = at_once(racing, [refunding(spend, points, uuid4()) for _ in range(THREADS)])

    assert kinds(answers) == {"written": won, "NotReversible": THREADS - won}
    assert figures(racing, spend.holder_id) == (won * (points or 100), 0, 0)


def test_one_refund_sent_many_times_gives_back_once(racing):
    spend = a_spend(racing, 100)

    answers = at_once(racing, [refunding(spend, 30, uuid4())] * THREADS)

    assert kinds(answers) == {"written": 1, "known": THREADS - 1}
    assert figures(racing, spend.holder_id) == (30, 0, 0)


# --- One posting id -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [earning, spending])
def test_of_many_senders_of_one_posting_one_writes(racing, kind):
    holder_id = racing.transact(lambda s: a_resident(s, points=100))
    content = racing.transact(lambda s: kind(s, holder_id, 7))

    answers = at_once(racing, [posting(content)] * THREADS)

    assert kinds(answers) == {"written": 1, "known": THREADS - 1}
    assert figures(racing, holder_id) == (107 if kind is earning else 93, 0, 0)


@pytest.mark.parametrize("kind", [earning, spending])
@pytest.mark.parametrize("residents", [1, THREADS])
def test_of_many_contents_under_one_posting_id_one_wins(racing, kind, residents):
    holders = racing.transact(lambda s: [a_resident(s, points=100) for _ in range(residents)])
    posting_id = uuid4()
    contents = racing.transact(
        lambda s: [
            replace(kind(s, holders[n % residents], 1 + n), id=posting_id) for n in range(THREADS)
        ]
    )

    answers = at_once(racing, [posting(content) for content in contents])

    assert kinds(answers) == {"written": 1, "PostingReused": THREADS - 1}
    (won,) = [n for n, answer in enumerate(answers) if isinstance(answer, Posted)]
    change = 1 + won if kind is earning else -1 - won
    found = [figures(racing, holder_id)[0] for holder_id in holders]
    assert found == [100 + change * (n == won % residents) for n in range(residents)]


# --- Many residents -------------------------------------------------------------------------------


def test_batches_over_the_same_residents_do_not_deadlock(racing):
    holders = racing.transact(lambda s: [a_resident(s) for _ in range(40)])
    single = racing.transact(lambda s: earning(s, holders[0], 1))
    transfers = [
        single.transfers[0]._replace(holder_id=h, credit=account_key(h, "point", PERSONAL))
        for h in holders
    ]
    contents = [
        replace(single, id=uuid4(), transfers=transfers if n % 2 else transfers[::-1])
        for n in range(THREADS)
    ]

    answers = at_once(racing, [posting(content) for content in contents])

    assert kinds(answers) == {"written": THREADS}
    totals = racing.transact(lambda s: [balance(s, h) for h in holders])
    assert totals == [THREADS] * len(holders)


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


# --- Anything -------------------------------------------------------------------------------------

HAPPENED = {
    *("earn", "earn_together", "spend", "hold", "capture", "release"),
    *("refund", "claw_back", "lapse_lots", "lapse_holds"),
}
REFUSED = {InsufficientPoints, HoldEnded, NotReversible}


def assert_a_storm_it_was(storm: Storm) -> None:
    assert {act for act, outcome in storm.outcomes if outcome == "done"} == HAPPENED
    refusals = {outcome for _, outcome in storm.outcomes}
    assert refusals >= {refusal.__name__ for refusal in REFUSED}


def test_whatever_many_do_to_a_few_residents_adds_up(racing_alone, owner):
    storm = Storm(racing_alone, owner, residents=3, seed=20)

    for _ in range(3):
        storm.blow(steps=8)
        assert storm.drifts() == []

    assert_a_storm_it_was(storm)


def test_whatever_many_do_while_jobs_run_adds_up(racing_alone, fresh_database_url, owner, tmp_path):
    storm = Storm(racing_alone, owner, residents=3, seed=21)
    with unretried(fresh_database_url) as beside:
        jobs = Jobs(beside, tmp_path / "log")
        for _ in range(3):
            storm.blow(steps=8, beside=jobs.all)
            assert storm.drifts(jobs.folder) == []
        jobs.finish(storm.now + timedelta(days=40))

        assert storm.drifts(jobs.folder) == []
    assert_a_storm_it_was(storm)
    assert set(+jobs.done) == {"leaves", "folded", "lapsed", "holds", "slices"}
