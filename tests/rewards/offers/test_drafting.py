"""A draft is one that its merchant, kind and agreement allow; every edit is a new version."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from rewards.errors import UnknownMerchant
from rewards.models import Merchant, Offer, OfferStock, OfferVersion
from rewards.offers.errors import (
    AgreementNotInForce,
    BudgetMissing,
    MerchantNotApproved,
    OfferReused,
    OfferStateRefuses,
    PriceNotPositive,
    ProjectMissing,
    SaleWindowReversed,
    ShopNotOfMerchant,
    TermNotOfKind,
    TitleMissing,
    UnknownPicture,
)
from rewards.offers.publishing import end
from tests import shopping
from tests.makers import NOW, programme_holder
from tests.rewards.offers.drafted import (
    FROM,
    TO,
    a_budget,
    a_draft,
    a_merchant,
    a_project,
    an_agreement,
    published,
)


@pytest.fixture
def free(session):
    return a_merchant(session, price_rule="free", fixed_fen=None)


def test_a_draft_is_an_offer_that_nobody_can_buy(session, free):
    row = a_draft(session, free, division_codes=("310118",), cancel_hours=24)

    offer = session.get_one(Offer, row.offer_id)
    assert (offer.state, offer.version, offer.merchant_id) == ("draft", 0, free)
    assert offer.programme_holder_id == programme_holder(session)
    assert (row.version, row.made_by, row.published_at) == (1, "anna", None)
    assert (row.division_codes, row.cancel_hours) == (["310118"], 24)
    assert session.get(OfferStock, row.offer_id) is None


def test_every_edit_is_a_version_and_the_same_again_is_none(session, free):
    first = a_draft(session, free)

    second = a_draft(session, free, offer_id=first.offer_id, price_points=130)
    again = a_draft(session, free, offer_id=first.offer_id, price_points=130)

    assert (first.version, second.version, again.version) == (1, 2, 2)
    assert first.price_points == 120
    back = a_draft(session, free, offer_id=first.offer_id)
    assert back.version == 3  # Only the newest is a retry.


@pytest.mark.parametrize(
    ("agreement", "face_value_fen", "settlement_fen"),
    [
        ({"fixed_fen": 750}, 0, 750),
        ({"price_rule": "share", "fixed_fen": None, "share_bp": 8_333}, 1_999, 1_665),
        ({"price_rule": "free", "fixed_fen": None}, 1_999, 0),
    ],
)
def test_a_unit_costs_what_the_agreement_says(session, agreement, face_value_fen, settlement_fen):
    merchant_id = a_merchant(session, **agreement)

    row = a_draft(session, merchant_id, face_value_fen=face_value_fen, budget_id=a_budget(session))

    assert row.settlement_fen == settlement_fen
    assert row.agreement_id is not None


def test_a_share_of_no_face_value_is_refused(session):
    merchant_id = a_merchant(session, price_rule="share", fixed_fen=None, share_bp=5_000)

    with pytest.raises(TermNotOfKind) as refusal:
        a_draft(session, merchant_id, budget_id=a_budget(session))
    assert refusal.value.field == "face_value_fen"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"price_points": 0}, PriceNotPositive),
        ({"price_points": -5}, PriceNotPositive),
        ({"title_zh": " "}, TitleMissing),
        ({"title_en": ""}, TitleMissing),
        ({"on_sale_from": TO, "on_sale_to": FROM}, SaleWindowReversed),
        ({"on_sale_to": FROM}, SaleWindowReversed),
        ({"shop_ids": (uuid4(),)}, ShopNotOfMerchant),
        ({"pictures": ("ab" * 32,)}, UnknownPicture),
        ({"agreement_id": uuid4()}, AgreementNotInForce),
        ({"on_sale_to": datetime(2028, 1, 2, tzinfo=UTC)}, AgreementNotInForce),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(session, free, changes, refusal):
    with pytest.raises(refusal):
        a_draft(session, free, **changes)
    assert session.query(Offer).filter_by(merchant_id=free).count() == 0


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("voucher", {"price_points": 1_000_000_001}, "price_points"),
        ("voucher", {"daily_units": 0}, "daily_units"),
        ("voucher", {"resident_week_units": -1}, "resident_week_units"),
        ("voucher", {"valid_days": 0}, "valid_days"),
        ("voucher", {"valid_until": FROM}, "valid_until"),
        ("voucher", {"cancel_hours": 8_785}, "cancel_hours"),
        ("voucher", {"face_value_fen": -1}, "face_value_fen"),
        ("pool_code", {"cancel_hours": 1}, "cancel_hours"),
        ("pool_code", {"expiry_returns": True}, "expiry_returns"),
        ("donation", {"cancel_hours": 1}, "cancel_hours"),
        ("donation", {"valid_days": 3}, "valid_days"),
        ("top_up", {}, "face_value_fen"),
        ("top_up", {"face_value_fen": 500, "expiry_returns": True}, "expiry_returns"),
    ],
)
def test_a_kind_has_terms_that_it_cannot_have(session, free, kind, changes, field):
    with pytest.raises(TermNotOfKind) as refusal:
        a_draft(session, free, kind=kind, **changes)
    assert refusal.value.field == field


def test_shops_are_the_merchants_own_and_open(session, free):
    shop = session.query(shopping.Shop).filter_by(merchant_id=free).one()
    assert a_draft(session, free, shop_ids=(shop.id,)).shop_ids == [shop.id]

    theirs = session.query(shopping.Shop).filter_by(merchant_id=a_merchant(session)).one()
    shop.closed_at = NOW
    session.flush()

    for each in (shop, theirs):
        with pytest.raises(ShopNotOfMerchant):
            a_draft(session, free, shop_ids=(each.id,))


def test_an_agreement_of_another_merchant_is_none(session, free):
    theirs = an_agreement(session, a_merchant(session))

    with pytest.raises(AgreementNotInForce):
        a_draft(session, free, agreement_id=theirs)


def test_an_agreement_covers_the_programmes_days_of_the_sale(session):
    merchant_id = a_merchant(session, valid_to=date(2026, 12, 1))
    budget_id = a_budget(session)
    midnight = datetime(2026, 11, 30, 16, tzinfo=UTC)  # In Shanghai.

    a_draft(session, merchant_id, on_sale_to=midnight, budget_id=budget_id)
    late = midnight + timedelta(microseconds=1)
    with pytest.raises(AgreementNotInForce):
        a_draft(session, merchant_id, on_sale_to=late, budget_id=budget_id)


def test_what_costs_needs_a_budget_of_the_programme(session):
    merchant_id = a_merchant(session)

    for budget_id in (None, uuid4(), a_budget(session, uuid4())):
        with pytest.raises(BudgetMissing) as refusal:
            a_draft(session, merchant_id, budget_id=budget_id)
        assert refusal.value.settlement_fen == 800


def test_a_donation_names_an_open_project_of_the_merchant_and_nothing_else_does(session, free):
    project_id = a_project(session, free)
    assert a_draft(session, free, kind="donation", project_id=project_id).version == 1

    wrong = [
        ("donation", None),
        ("donation", uuid4()),
        ("donation", a_project(session, a_merchant(session))),
        ("donation", a_project(session, free, closed_at=NOW)),
        ("voucher", project_id),
    ]
    for kind, id_ in wrong:
        with pytest.raises(ProjectMissing):
            a_draft(session, free, kind=kind, project_id=id_)


def test_kind_merchant_and_budget_stay(session, free):
    row = a_draft(session, free)

    other = a_merchant(session, price_rule="free", fixed_fen=None)
    changes = [
        (other, {}),
        (free, {"kind": "goods"}),
        (free, {"budget_id": a_budget(session)}),
    ]
    for merchant_id, more in changes:
        with pytest.raises(OfferReused):
            a_draft(session, merchant_id, offer_id=row.offer_id, **more)


def test_who_ended_drafts_nothing(session, free):
    row = a_draft(session, free)
    end(session, row.offer_id, now=NOW)
    with pytest.raises(OfferStateRefuses):
        a_draft(session, free, offer_id=row.offer_id, price_points=1)

    session.get_one(Merchant, free).state = "ended"
    session.flush()
    with pytest.raises(MerchantNotApproved):
        a_draft(session, free)
    with pytest.raises(UnknownMerchant):
        a_draft(session, uuid4())


def test_a_published_version_is_not_touched_by_the_next_draft(session, free):
    first = a_draft(session, free)
    published(session, first)

    a_draft(session, free, offer_id=first.offer_id, price_points=999)

    offer = session.get_one(Offer, first.offer_id, populate_existing=True)
    assert (offer.state, offer.version, offer.price_points) == ("published", 1, 120)
    kept = session.get_one(OfferVersion, (first.offer_id, 1), populate_existing=True)
    assert kept.price_points == 120
