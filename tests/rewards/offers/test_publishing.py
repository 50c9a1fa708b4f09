"""What holds, and whether it is on sale: draft → published ⇄ paused → ended."""

from datetime import UTC, date, datetime

import pytest

from ledgers.accounts import of_holder
from rewards.errors import UnknownOffer
from rewards.models import (
    Agreement,
    Budget,
    DonationProject,
    Merchant,
    OfferStock,
    OfferVersion,
    WebhookEndpoint,
    WebhookMessage,
)
from rewards.offers.errors import (
    AgreementNotInForce,
    MerchantNotApproved,
    OfferStateRefuses,
    ProjectMissing,
    UnknownOfferVersion,
)
from rewards.offers.publishing import end, pause, publish, resume
from rewards.redeeming.redemption import redeem
from rewards.redeeming.terms import load
from tests.makers import CODES, NOW, a_buyer, a_resident
from tests.rewards.offers.drafted import a_budget, a_draft, a_merchant, a_project, published


@pytest.fixture
def free(session):
    return a_merchant(session, price_rule="free", fixed_fen=None)


def put(session, offer_id, units=5):
    session.get_one(OfferStock, offer_id).stock_units = units
    session.flush()


def test_a_published_version_is_on_sale(session, free):
    row = a_draft(session, free)

    offer = published(session, row)

    assert (offer.state, offer.version, offer.title_zh) == ("published", 1, "茶")
    assert (row.published_by, row.published_at) == ("ben", NOW)
    stock = session.get_one(OfferStock, offer.id)
    assert (stock.stock_units, stock.put_units) == (0, 0)


def test_the_same_again_changes_nothing(session, free):
    row = a_draft(session, free)
    published(session, row)

    again = publish(session, row.offer_id, 1, published_by="carl", now=NOW)

    assert (again.state, row.published_by) == ("published", "ben")


def test_what_was_redeemed_keeps_the_terms_of_then(session, free):
    first = a_draft(session, free, price_points=100)
    offer = published(session, first)
    put(session, offer.id)
    buyer = a_buyer(session, a_resident(session, points=500))
    ids = {"buyer": buyer, "offer_id": offer.id, "codes": CODES, "now": NOW}
    before = redeem(session, first.offer_id, **ids)

    published(session, a_draft(session, free, offer_id=offer.id, price_points=150))
    after = redeem(session, free, **ids)

    assert (before.version, before.spent_points) == (1, 100)
    assert (after.version, after.spent_points) == (2, 150)
    kept = session.get_one(OfferVersion, (offer.id, 1))
    assert kept.price_points == 100


def test_an_earlier_version_may_hold_again(session, free):
    first = a_draft(session, free)
    published(session, first)
    published(session, a_draft(session, free, offer_id=first.offer_id, price_points=150))

    back = published(session, first)

    assert (back.version, back.price_points) == (1, 120)


def test_an_unknown_version_or_offer_is_refused(session, free):
    row = a_draft(session, free)

    with pytest.raises(UnknownOfferVersion):
        publish(session, row.offer_id, 2, published_by="ben", now=NOW)
    with pytest.raises(UnknownOffer):
        publish(session, free, 1, published_by="ben", now=NOW)


@pytest.mark.parametrize("state", ["draft", "suspended"])
def test_only_an_approved_merchant_sells(session, state):
    row = a_draft(session, a_merchant(session, state=state), budget_id=a_budget(session))

    with pytest.raises(MerchantNotApproved):
        published(session, row)


def test_an_agreement_that_was_shortened_publishes_nothing(session, free):
    row = a_draft(session, free)
    session.query(Agreement).filter_by(merchant_id=free).one().valid_to = date(2026, 12, 1)
    session.flush()

    with pytest.raises(AgreementNotInForce):
        published(session, row)


def test_a_closed_project_takes_no_donations(session, free):
    project_id = a_project(session, free)
    row = a_draft(session, free, kind="donation", project_id=project_id)
    session.get_one(DonationProject, project_id).closed_at = NOW
    session.flush()

    with pytest.raises(ProjectMissing):
        published(session, row)


def test_the_merchant_can_be_owed_once_something_costs(session):
    merchant_id = a_merchant(session)
    row = a_draft(session, merchant_id, budget_id=a_budget(session))

    published(session, row)

    assert [(each.unit, each.kind) for each in of_holder(session, merchant_id)] == [
        ("fen", "clearing")
    ]


def test_paused_and_resumed(session, free):
    offer = published(session, a_draft(session, free))

    assert pause(session, offer.id, now=NOW).state == "paused"
    assert pause(session, offer.id, now=NOW).state == "paused"
    assert resume(session, offer.id, now=NOW).state == "published"
    assert resume(session, offer.id, now=NOW).state == "published"


def test_a_version_that_is_published_puts_a_paused_offer_on_sale(session, free):
    first = a_draft(session, free)
    offer = published(session, first)
    pause(session, offer.id, now=NOW)

    assert published(session, first).state == "published"


def test_a_draft_is_neither_paused_nor_resumed(session, free):
    row = a_draft(session, free)

    for step in (pause, resume):
        with pytest.raises(OfferStateRefuses):
            step(session, row.offer_id, now=NOW)


def test_a_suspended_merchants_offer_is_not_resumed(session, free):
    offer = published(session, a_draft(session, free))
    pause(session, offer.id, now=NOW)
    session.get_one(Merchant, free).state = "suspended"
    session.flush()

    with pytest.raises(MerchantNotApproved):
        resume(session, offer.id, now=NOW)


def test_ended_is_for_good(session, free):
    offer = published(session, a_draft(session, free))
    assert end(session, offer.id, now=NOW).state == "ended"
    assert end(session, offer.id, now=NOW).state == "ended"

    for step in (pause, resume):
        with pytest.raises(OfferStateRefuses):
            step(session, offer.id, now=NOW)
    with pytest.raises(OfferStateRefuses):
        publish(session, offer.id, 1, published_by="ben", now=NOW)
    assert load(session, offer.id).offer.state == "ended"


def test_a_draft_may_end_too(session, free):
    row = a_draft(session, free)

    assert end(session, row.offer_id, now=NOW).state == "ended"


def test_what_an_ended_offer_reserves_goes_back_to_its_budget(session):
    merchant_id, budget_id = a_merchant(session), a_budget(session)
    offer = published(session, a_draft(session, merchant_id, budget_id=budget_id))
    put(session, offer.id)
    buyer = a_buyer(session, a_resident(session, points=500))
    redeem(session, merchant_id, buyer=buyer, offer_id=offer.id, codes=CODES, now=NOW)
    budget = session.get_one(Budget, budget_id, populate_existing=True)
    stock = session.get_one(OfferStock, offer.id, populate_existing=True)
    assert (budget.drawn_fen - stock.reserved_fen, stock.reserved_fen > 0) == (800, True)

    end(session, offer.id, now=NOW)

    session.expire_all()
    assert session.get_one(Budget, budget_id).drawn_fen == 800
    assert session.get_one(OfferStock, offer.id).reserved_fen == 0


def test_the_merchants_systems_are_told(session, free):
    endpoint = WebhookEndpoint(
        id=free,
        merchant_id=free,
        url="https://shop.example/hook",
        kinds=["offer.published", "offer.paused", "offer.ended"],
        made_by="t",
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    session.add(endpoint)
    session.flush()
    offer = published(session, a_draft(session, free))
    pause(session, offer.id, now=NOW)
    pause(session, offer.id, now=NOW)
    resume(session, offer.id, now=NOW)
    end(session, offer.id, now=NOW)
    end(session, offer.id, now=NOW)

    query = session.query(WebhookMessage).filter_by(merchant_id=free).order_by(WebhookMessage.id)
    assert sorted(each.kind for each in query) == [
        "offer.ended",
        "offer.paused",
        "offer.published",
        "offer.published",
    ]
    assert all(str(offer.id) in each.body for each in query)
