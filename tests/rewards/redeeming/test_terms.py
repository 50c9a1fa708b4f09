"""Whether an offer is for this resident now, and until when a voucher is good."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from rewards.errors import OfferNotOnSale, UnknownOffer
from rewards.models import DonationProject, Offer, OfferVersion
from rewards.redeeming.errors import (
    MerchantSuspended,
    NotForDivision,
    NotForScenes,
    OfferEnded,
    OfferPaused,
    UnitsOutOfBounds,
)
from rewards.redeeming.terms import Terms, check_sale, check_units, expires_at, load
from tests.makers import NOW, XIAYANG, a_buyer, a_resident, programme_holder
from tests.shopping import a_merchant, a_project, an_offer

SHANGHAI = "Asia/Shanghai"


def checked(session, *, merchant_state="approved", at=NOW, of=None, **offer):
    """What ``check_sale`` says of an offer to a resident of Xiayang who consents to nothing."""
    issuer = programme_holder(session)
    merchant_id = a_merchant(session, issuer, state=merchant_state)
    terms = load(session, an_offer(session, issuer, merchant_id, **offer))
    return check_sale(terms, a_buyer(session, a_resident(session), **of or {}), at)


def test_what_is_published_and_on_sale_is_for_everybody(session):
    assert checked(session) is None


@pytest.mark.parametrize(
    ("offer", "refusal"),
    [
        ({"state": "draft"}, UnknownOffer),
        ({"state": "paused"}, OfferPaused),
        ({"state": "ended"}, OfferEnded),
        ({"merchant_state": "suspended"}, MerchantSuspended),
        ({"merchant_state": "ended"}, MerchantSuspended),
        ({"on_sale_from": NOW + timedelta(seconds=1)}, OfferNotOnSale),
        ({"on_sale_to": NOW}, OfferNotOnSale),
        ({"valid_until": NOW}, OfferNotOnSale),
        ({"division_codes": ["310115", "310118002"]}, NotForDivision),
        ({"scene_codes": ["demo.bike"]}, NotForScenes),
    ],
)
def test_whatever_keeps_an_offer_from_a_resident_is_said(session, offer, refusal):
    with pytest.raises(refusal):
        checked(session, **offer)


@pytest.mark.parametrize("codes", [["31"], ["310118"], ["510105", XIAYANG]])
def test_an_offer_of_a_division_is_for_all_who_live_within_it(session, codes):
    assert checked(session, division_codes=codes) is None


def test_who_consents_to_one_of_the_scenes_qualifies(session):
    offer = {"scene_codes": ["demo.bike", "demo.walking"]}

    assert checked(session, **offer, of={"scene_codes": frozenset({"demo.walking"})}) is None
    with pytest.raises(NotForScenes) as refusal:
        checked(session, **offer, of={"scene_codes": frozenset({"demo.metro"})})
    assert refusal.value.scene_codes == ["demo.bike", "demo.walking"]


@pytest.mark.parametrize("programme_holder_id", [None, uuid4()])
def test_another_programmes_offer_is_unknown(session, programme_holder_id):
    with pytest.raises(UnknownOffer):
        checked(session, of={"programme_holder_id": programme_holder_id})


def test_an_offer_never_published_has_no_terms(session):
    issuer = programme_holder(session)
    offer_id = an_offer(session, issuer, a_merchant(session, issuer))
    session.execute(update(Offer).where(Offer.id == offer_id).values(version=0, state="draft"))

    with pytest.raises(UnknownOffer):
        load(session, offer_id)


def test_nothing_is_given_to_a_project_that_has_closed(session):
    issuer = programme_holder(session)
    merchant_id = a_merchant(session, issuer)
    project_id = a_project(session, issuer, merchant_id)
    session.get_one(DonationProject, project_id).closed_at = NOW
    session.flush()
    offer_id = an_offer(session, issuer, merchant_id, kind="donation", project_id=project_id)

    with pytest.raises(OfferEnded):
        check_sale(load(session, offer_id), a_buyer(session, a_resident(session)), NOW)


@pytest.mark.parametrize(
    ("kind", "units", "fits"),
    [("voucher", 1, True), ("voucher", 2, False), ("voucher", 0, False), ("donation", 0, False),
     ("donation", 10_000, True), ("donation", 10_001, False)],
)  # fmt: skip
def test_several_units_at_once_are_for_donations(kind, units, fits):
    terms = Terms(Offer(kind=kind), OfferVersion(), "approved")
    if fits:
        check_units(terms, units)
    else:
        with pytest.raises(UnitsOutOfBounds):
            check_units(terms, units)


LATE = datetime(2026, 11, 21, 15, 59, 59, tzinfo=UTC)  # A second before midnight in Shanghai.


@pytest.mark.parametrize(
    ("days", "until", "redeemed_at", "ends"),
    [
        (None, None, LATE, None),
        (1, None, LATE, datetime(2026, 11, 22, 16, tzinfo=UTC)),
        (1, None, LATE + timedelta(seconds=1), datetime(2026, 11, 23, 16, tzinfo=UTC)),
        (None, LATE, LATE - timedelta(days=9), LATE),
        (30, LATE, LATE - timedelta(days=9), LATE),
        (2, LATE, LATE - timedelta(days=9), datetime(2026, 11, 14, 16, tzinfo=UTC)),
    ],
)
def test_a_voucher_is_good_to_the_end_of_a_day_of_the_programme(days, until, redeemed_at, ends):
    version = OfferVersion(valid_days=days, valid_until=until)

    assert expires_at(version, redeemed_at, SHANGHAI) == ends
