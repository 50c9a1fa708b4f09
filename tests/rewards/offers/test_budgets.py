"""Budgets: made, raised, lowered, and how they stand."""

from datetime import date
from uuid import uuid4

import pytest

from rewards.models import Budget, Offer, OfferStock
from rewards.offers import budgets
from rewards.offers.budget_errors import (
    BudgetDoesNotFit,
    BudgetDrawn,
    BudgetReused,
    UnknownBudget,
)
from rewards.redeeming.redemption import redeem
from tests.catalogues import a_programme
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder
from tests.shopping import a_merchant, an_offer

FROM, TO = date(2026, 1, 1), date(2027, 1, 1)


@pytest.fixture
def programme(session):
    return a_programme(session).holder_id


def put(session, programme, **changes):
    new = budgets.NewBudget(uuid4(), programme, "四季度", FROM, TO, 10_000)._replace(**changes)
    return budgets.put(session, new, made_by="li.na", now=NOW)


def test_a_budget_is_made_raised_lowered_renamed_and_prolonged(session, programme):
    made = put(session, programme)
    assert (made.total_fen, made.drawn_fen, made.made_by) == (10_000, 0, "li.na")

    for changes in (
        {"total_fen": 20_000},
        {"total_fen": 5_000},
        {"name": "全年"},
        {"valid_to": date(2028, 1, 1)},
    ):
        changed = put(session, programme, id=made.id, **changes)
        assert {name: getattr(changed, name) for name in changes} == changes
    assert budgets.get(session, made.id) is made


def test_it_is_not_lowered_below_what_is_drawn(session, programme):
    made = put(session, programme)
    made.drawn_fen = 4_000
    session.flush()

    with pytest.raises(BudgetDrawn) as caught:
        put(session, programme, id=made.id, total_fen=3_999)

    assert (caught.value.total_fen, caught.value.drawn_fen) == (3_999, 4_000)
    assert put(session, programme, id=made.id, total_fen=4_000).total_fen == 4_000


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [({"total_fen": -1}, "total_fen"), ({"valid_to": FROM}, "validity")],
)
def test_what_does_not_hold_together_is_refused(session, programme, changes, wrong):
    with pytest.raises(BudgetDoesNotFit) as caught:
        put(session, programme, **changes)
    assert caught.value.wrong == wrong


def test_its_programme_and_first_day_stay(session, programme):
    made = put(session, programme)
    for changes in (
        {"programme_holder_id": a_programme(session).holder_id},
        {"valid_from": date(2025, 1, 1)},
    ):
        with pytest.raises(BudgetReused):
            put(session, programme, id=made.id, **changes)
    with pytest.raises(UnknownBudget):
        budgets.get(session, uuid4())


def test_the_list_is_of_one_programme_and_pages_by_id(session, programme):
    made = sorted(put(session, programme).id for _ in range(3))
    put(session, a_programme(session).holder_id)

    def page(**more):
        found = budgets.listed(session, programme_holder_id=programme, **more)
        return [each.id for each in found]

    assert page(limit=2) == made[:2]
    assert page(limit=2, after=made[1]) == made[2:]


def test_what_is_drawn_is_reserved_or_spent(session):
    programme = programme_holder(session)
    offer_id = an_offer(
        session, programme, a_merchant(session, programme), settlement_fen=500, budget_fen=100_000
    )
    budget = session.get_one(Budget, session.get_one(Offer, offer_id).budget_id)
    (before,) = budgets.drawn(session, [budget])
    assert (before.reserved_fen, before.spent_fen, before.left_fen) == (0, 0, 100_000)

    buyer = a_buyer(session, a_resident(session, points=1_000))
    for _ in range(2):
        redeem(session, uuid4(), buyer=buyer, offer_id=offer_id, codes=CODES, now=NOW)
    session.expire_all()

    (after,) = budgets.drawn(session, [budget])
    assert after.spent_fen == 1_000
    assert after.reserved_fen == session.get_one(OfferStock, offer_id).reserved_fen
    assert after.reserved_fen + after.spent_fen + after.left_fen == 100_000
