"""Stock, the day's limit and the budget: one guarded row, and what is drawn."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from rewards.errors import SoldOut
from rewards.models import Budget, Offer, OfferStock, OfferVersion
from rewards.offers.publishing import end
from rewards.redeeming.errors import BudgetExhausted, DailyLimitReached, OfferEnded
from rewards.redeeming.stock import Back, give_back, give_back_many, take
from rewards.redeeming.terms import load
from tests.makers import programme_holder
from tests.shopping import a_merchant, an_offer

DAY = date(2026, 11, 21)


@pytest.fixture
def offered(session):
    """The terms of a new offer."""
    issuer = programme_holder(session)
    merchant_id = a_merchant(session, issuer)
    return lambda **terms: load(session, an_offer(session, issuer, merchant_id, **terms))


def row(session, terms) -> OfferStock:
    session.expire_all()
    return session.get_one(OfferStock, terms.offer.id)


def drawn(session, terms) -> tuple[int, int]:
    """Of the budget, and what of it waits at the offer; both in fen."""
    stock = row(session, terms)
    return session.get_one(Budget, terms.offer.budget_id).drawn_fen, stock.reserved_fen


def test_units_are_taken_until_none_is_left(session, offered):
    terms = offered(stock_units=3)
    take(session, terms, 2, day=DAY)

    with pytest.raises(SoldOut):
        take(session, terms, 2, day=DAY)

    take(session, terms, 1, day=DAY)
    assert row(session, terms).stock_units == 0


def test_a_day_has_its_limit_and_the_next_day_its_own(session, offered):
    terms = offered(daily_units=2)
    take(session, terms, 1, day=DAY)
    take(session, terms, 1, day=DAY)

    with pytest.raises(DailyLimitReached) as refusal:
        take(session, terms, 1, day=DAY)

    assert (refusal.value.daily_units, refusal.value.opens_on) == (2, "2026-11-22")
    take(session, terms, 2, day=DAY + timedelta(days=1))
    assert row(session, terms).stock_units == 6


def test_who_comes_late_from_the_day_before_counts_for_today(session, offered):
    terms = offered(daily_units=2)
    take(session, terms, 1, day=DAY)
    take(session, terms, 1, day=DAY - timedelta(days=1))

    with pytest.raises(DailyLimitReached):
        take(session, terms, 1, day=DAY)


def test_a_limit_of_a_later_version_counts_what_was_taken_before_it(session, offered):
    terms = offered()
    take(session, terms, 2, day=DAY)
    later = replace(terms, version=OfferVersion(settlement_fen=0, daily_units=2))

    with pytest.raises(DailyLimitReached):
        take(session, later, 1, day=DAY)


def test_what_comes_back_on_the_same_day_can_be_had_again(session, offered):
    terms = offered(daily_units=2, stock_units=2)
    take(session, terms, 2, day=DAY)
    give_back(session, terms.offer.id, 1, fen=0, day=DAY, restock=True)

    take(session, terms, 1, day=DAY)
    with pytest.raises(SoldOut):
        take(session, terms, 1, day=DAY)


def test_what_comes_back_on_another_day_raises_no_days_limit(session, offered):
    terms = offered(daily_units=2)
    take(session, terms, 1, day=DAY)
    take(session, terms, 2, day=DAY + timedelta(days=1))
    give_back(session, terms.offer.id, 1, fen=0, day=DAY, restock=True)

    with pytest.raises(DailyLimitReached):
        take(session, terms, 1, day=DAY + timedelta(days=1))
    assert row(session, terms).stock_units == 8


def test_money_is_drawn_in_chunks(session, offered):
    terms = offered(settlement_fen=100, budget_fen=1_000_000)
    take(session, terms, 1, day=DAY)

    assert drawn(session, terms) == (10_000, 9_900)
    for _ in range(5):
        take(session, terms, 1, day=DAY)
    assert drawn(session, terms) == (10_000, 9_400)


def test_of_a_small_budget_small_parts_are_drawn_and_no_more_than_it_has(session, offered):
    terms = offered(settlement_fen=100, budget_fen=1_050, stock_units=50)
    for _ in range(10):
        take(session, terms, 1, day=DAY)

    with pytest.raises(BudgetExhausted) as refusal:
        take(session, terms, 1, day=DAY)

    assert refusal.value.budget_id == terms.offer.budget_id
    total, reserved = drawn(session, terms)
    assert total == 1_000 + reserved
    assert reserved < 100
    assert row(session, terms).stock_units == 40


@pytest.mark.parametrize(
    ("day", "open_"),
    [(date(2015, 12, 31), False), (date(2040, 1, 1), False), (date(2039, 12, 31), True)],
)
def test_a_budget_pays_on_its_days_only(session, offered, day, open_):
    terms = offered(settlement_fen=100)
    if open_:
        take(session, terms, 1, day=day)
    else:
        with pytest.raises(BudgetExhausted):
            take(session, terms, 1, day=day)


def test_money_comes_back_to_the_offer_without_its_unit(session, offered):
    terms = offered(settlement_fen=100)
    take(session, terms, 1, day=DAY)
    before = drawn(session, terms)
    give_back(session, terms.offer.id, 1, fen=100, day=DAY, restock=False)

    assert drawn(session, terms) == (before[0], before[1] + 100)
    assert (row(session, terms).stock_units, row(session, terms).day_units) == (9, 1)


def test_what_comes_back_to_one_offer_names_it_in_so_many_words(session, offered, statements):
    """Or Citus would ask every shard while the row that buyers queue for is locked."""
    terms = offered()
    take(session, terms, 1, day=DAY)

    with statements() as seen:
        give_back(session, terms.offer.id, 1, fen=0, day=DAY, restock=True)

    assert not [sql for sql in seen if "unnest" in sql]


def test_an_ended_offers_money_comes_back_to_its_budget(session, offered):
    ended, other = offered(settlement_fen=100), offered(settlement_fen=100)
    for terms in (ended, other):
        take(session, terms, 2, day=DAY)
    session.execute(update(Offer).where(Offer.id == ended.offer.id).values(state="ended"))

    give_back_many(session, [Back(t.offer.id, 1, 100, DAY, True) for t in (ended, other)])

    assert drawn(session, ended) == (100, 0)
    assert drawn(session, other) == (10_000, 9_900)


def test_an_offer_that_ended_meanwhile_draws_nothing_more(session, offered):
    terms = offered(settlement_fen=100)
    take(session, terms, 1, day=DAY)
    end(session, terms.offer.id, now=datetime(2026, 11, 21, tzinfo=UTC))

    with pytest.raises(OfferEnded):
        take(session, terms, 1, day=DAY)  # By the terms as they were read before.

    assert drawn(session, terms) == (100, 0)
    assert row(session, terms).stock_units == 9


def test_many_come_back_at_once_each_to_its_own(session, offered):
    first, second = offered(daily_units=9), offered()
    for terms in (first, second):
        take(session, terms, 3, day=DAY)

    give_back_many(
        session,
        [
            Back(first.offer.id, 1, 0, DAY, True),
            Back(second.offer.id, 1, 0, DAY, False),
            Back(first.offer.id, 1, 0, DAY - timedelta(days=1), True),
        ],
    )

    assert (row(session, first).stock_units, row(session, first).day_units) == (9, 2)
    assert (row(session, second).stock_units, row(session, second).day_units) == (7, 3)
    give_back_many(session, [])
