"""Donation projects: their goals, and how far residents have brought them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from rewards.errors import UnknownMerchant
from rewards.merchants.errors import MerchantEnded
from rewards.models import Redemption
from rewards.offers import projects
from rewards.offers.budget_errors import GoalNotPositive, ProjectReused, UnknownProject
from rewards.redeeming.redemption import redeem
from tests.catalogues import a_programme
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder
from tests.shopping import a_merchant, an_offer


@pytest.fixture
def programme(session):
    return programme_holder(session)


@pytest.fixture
def merchant(session, programme):
    return a_merchant(session, programme)


def put(session, programme, merchant, *, closed=False, now=NOW, **changes):
    new = projects.NewProject(
        uuid4(), programme, merchant, "梭梭林", "Saxaul grove", "种树", "Trees", 10_000
    )
    new = new._replace(**changes)
    return projects.put(session, new, closed=closed, made_by="li.na", now=now)


def test_its_texts_change_and_it_closes_and_opens_again(session, programme, merchant):
    made = put(session, programme, merchant)
    changed = put(session, programme, merchant, id=made.id, text_zh="在甘肃种树")
    assert (changed.id, changed.text_zh, changed.closed_at) == (made.id, "在甘肃种树", None)

    later = NOW + timedelta(days=1)
    assert put(session, programme, merchant, id=made.id, closed=True).closed_at == NOW
    assert put(session, programme, merchant, id=made.id, closed=True, now=later).closed_at == NOW
    assert put(session, programme, merchant, id=made.id).closed_at is None


def test_name_merchant_goal_and_programme_stay(session, programme, merchant):
    made = put(session, programme, merchant)
    for changes in (
        {"name_zh": "另一片林"},
        {"goal_points": 20_000},
        {"merchant_id": a_merchant(session, programme)},
        {"programme_holder_id": a_programme(session).holder_id},
    ):
        with pytest.raises(ProjectReused):
            put(session, programme, merchant, id=made.id, **changes)
    with pytest.raises(UnknownProject):
        projects.get(session, uuid4())


@pytest.mark.parametrize("goal_points", [0, -1])
def test_a_goal_is_above_zero(session, programme, merchant, goal_points):
    with pytest.raises(GoalNotPositive):
        put(session, programme, merchant, goal_points=goal_points)


def test_who_receives_is_a_merchant_of_the_programme_that_has_not_ended(session, programme):
    elsewhere = a_merchant(session, a_programme(session).holder_id)
    ended = a_merchant(session, programme, state="ended")
    for merchant, refusal in (
        (elsewhere, UnknownMerchant),
        (uuid4(), UnknownMerchant),
        (ended, MerchantEnded),
    ):
        with pytest.raises(refusal):
            put(session, programme, merchant)


def test_progress_is_what_was_given_and_not_got_back(session, programme, merchant):
    here, there = (put(session, programme, merchant).id for _ in range(2))
    nothing = put(session, programme, merchant).id
    offers = {
        project: an_offer(
            session, programme, merchant, kind="donation", project_id=project,
            price_points=10, expiry_returns=False, stock_units=1_000,
        )
        for project in (here, there)
    }  # fmt: skip
    buyer = a_buyer(session, a_resident(session, points=1_000))

    def give(project, units):
        id_ = uuid4()
        redeem(
            session, id_, buyer=buyer, offer_id=offers[project], units=units, codes=CODES, now=NOW
        )
        return id_

    give(here, 3)
    give(here, 4)
    taken_back = session.get_one(Redemption, (buyer.holder_id, give(there, 5)))
    found = projects.progress(session, programme)
    assert (found[here], found[there], found.get(nothing)) == (70, 50, None)

    taken_back.state, taken_back.ended_at, taken_back.ended_by = "cancelled", NOW, "tests"
    session.flush()
    assert projects.progress(session, programme).get(there) is None
    assert projects.progress(session, a_programme(session).holder_id) == {}


def test_the_list_is_of_one_programme_and_pages_by_id(session):
    programme = a_programme(session).holder_id
    merchant = a_merchant(session, programme)
    made = sorted(put(session, programme, merchant).id for _ in range(3))
    first = projects.listed(session, programme_holder_id=programme, limit=2)
    rest = projects.listed(session, programme_holder_id=programme, after=first[-1].id, limit=2)
    assert [each.id for each in (*first, *rest)] == made
