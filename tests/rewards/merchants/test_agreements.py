"""Agreements: what holds together, and that they only ever shrink."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from sqlalchemy import select

from rewards.merchants import agreements
from rewards.merchants.errors import (
    AgreementInUse,
    AgreementReused,
    MerchantEnded,
    PriceRuleDoesNotFit,
    UnknownAgreement,
)
from rewards.models import Agreement, Offer, OfferVersion
from tests.makers import NOW, programme_holder
from tests.shopping import a_merchant, an_offer

ZONE = "Asia/Shanghai"
FROM, TO = date(2026, 1, 1), date(2028, 1, 1)


@pytest.fixture
def merchant(session):
    return a_merchant(session, programme_holder(session))


def put(session, merchant, **changes):
    terms = agreements.NewAgreement(uuid4(), merchant, FROM, TO, "fixed", 800, None, "2026-031")
    new = terms._replace(**changes)
    return agreements.put(session, new, zone=ZONE, made_by="li.na", now=NOW)


@pytest.mark.parametrize(
    ("rule", "fixed_fen", "share_bp"),
    [("fixed", 1, None), ("share", None, 10_000), ("free", None, None)],
)
def test_each_rule_has_its_own_price(session, merchant, rule, fixed_fen, share_bp):
    found = put(session, merchant, price_rule=rule, fixed_fen=fixed_fen, share_bp=share_bp)
    assert (found.price_rule, found.fixed_fen, found.share_bp) == (rule, fixed_fen, share_bp)


@pytest.mark.parametrize(
    ("rule", "fixed_fen", "share_bp"),
    [
        ("fixed", None, None),
        ("fixed", None, 5_000),
        ("fixed", 800, 5_000),
        ("share", None, None),
        ("share", 800, None),
        ("free", 800, None),
        ("free", None, 5_000),
    ],
)
def test_another_price_is_refused(session, merchant, rule, fixed_fen, share_bp):
    with pytest.raises(PriceRuleDoesNotFit) as caught:
        put(session, merchant, price_rule=rule, fixed_fen=fixed_fen, share_bp=share_bp)
    assert caught.value.wrong == "price_rule"


def test_an_agreement_ends_after_it_begins(session, merchant):
    with pytest.raises(PriceRuleDoesNotFit) as caught:
        put(session, merchant, valid_to=FROM)
    assert caught.value.wrong == "validity"


def test_several_hold_at_once(session, merchant):
    made = {put(session, merchant).id for _ in range(2)}
    assert {each.id for each in agreements.listed(session, merchant, limit=9)} == made


def test_an_agreement_is_shortened_and_nothing_else(session, merchant):
    found = put(session, merchant)
    assert put(session, merchant, id=found.id).valid_to == TO
    earlier = date(2027, 6, 1)
    assert put(session, merchant, id=found.id, valid_to=earlier).valid_to == earlier
    other = a_merchant(session, programme_holder(session))
    for changes in (
        {"valid_to": TO},
        {"valid_to": earlier, "fixed_fen": 900},
        {"valid_to": earlier, "valid_from": date(2025, 1, 1)},
        {"valid_to": earlier, "document": "2026-032"},
        {"valid_to": earlier, "merchant_id": other},
    ):
        with pytest.raises(AgreementReused):
            put(session, merchant, id=found.id, **changes)
    with pytest.raises(UnknownAgreement):
        agreements.get(session, other, found.id)
    assert agreements.get(session, merchant, found.id).fixed_fen == 800


def test_what_is_on_sale_by_it_is_not_left_without(session, merchant):
    to = datetime(2027, 3, 1, 12, tzinfo=UTC)  # The evening of 1 March in Shanghai.
    offer_id = an_offer(
        session, programme_holder(session), merchant, settlement_fen=500, on_sale_to=to
    )
    query = select(OfferVersion.agreement_id).where(OfferVersion.offer_id == offer_id)
    found = session.get_one(Agreement, session.scalars(query).one())

    def shorten(day):
        terms = {name: getattr(found, name) for name in agreements.NewAgreement._fields}
        return put(session, merchant, **terms | {"valid_to": day})

    with pytest.raises(AgreementInUse) as caught:
        shorten(date(2027, 3, 1))
    assert (caught.value.open_offers, caught.value.needed_to) == (1, "2027-03-02")
    assert shorten(date(2027, 3, 2)).valid_to == date(2027, 3, 2)
    session.get_one(Offer, offer_id).state = "ended"
    session.flush()
    assert shorten(date(2027, 3, 1)).valid_to == date(2027, 3, 1)


def test_a_sale_that_ends_at_midnight_needs_no_day_more(session, merchant):
    midnight = datetime(2027, 2, 28, 16, tzinfo=UTC)
    offer_id = an_offer(
        session, programme_holder(session), merchant, settlement_fen=500, on_sale_to=midnight
    )
    found = session.get_one(Agreement, session.get_one(OfferVersion, (offer_id, 1)).agreement_id)
    terms = {name: getattr(found, name) for name in agreements.NewAgreement._fields}
    with pytest.raises(AgreementInUse) as caught:
        put(session, merchant, **terms | {"valid_to": date(2027, 2, 28)})
    assert caught.value.needed_to == "2027-03-01"
    assert put(session, merchant, **terms | {"valid_to": date(2027, 3, 1)})


def test_nothing_is_agreed_with_who_has_ended(session):
    ended = a_merchant(session, programme_holder(session), state="ended")
    with pytest.raises(MerchantEnded):
        put(session, ended)
