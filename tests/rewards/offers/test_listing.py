"""A resident is shown what they may redeem; a merchant all that is theirs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from rewards.errors import UnknownOffer
from rewards.models import Merchant, Shop
from rewards.offers.errors import UnknownOfferVersion
from rewards.offers.listing import (
    get_listed,
    of_everybody,
    of_merchant,
    on_sale,
    shown,
    versions,
)
from rewards.offers.publishing import end, pause
from rewards.offers.putting import put_stock
from rewards.redeeming.buyers import Buyer
from tests.makers import NOW, a_buyer, a_resident, programme_holder
from tests.rewards.offers.drafted import FROM, TO, a_draft, a_merchant, published


@pytest.fixture
def free(session):
    return a_merchant(session, price_rule="free", fixed_fen=None)


@pytest.fixture
def buyer(session):
    return a_buyer(session, a_resident(session))


def ids(session, buyer, merchant_id, **more):
    more.setdefault("now", NOW)
    rows = on_sale(session, buyer=buyer, merchant_id=merchant_id, **more)
    return [row.offer.id for row in rows]


def test_the_cheapest_first_with_what_is_left(session, free, buyer):
    dear = published(session, a_draft(session, free, price_points=300))
    cheap = published(session, a_draft(session, free, price_points=200, title_zh="水"))
    put_stock(session, cheap.id, uuid4(), units=7, made_by="t", now=NOW)

    first, second = on_sale(session, buyer=buyer, now=NOW, merchant_id=free)

    assert (first.offer.id, first.version.title_zh, first.stock_units) == (cheap.id, "水", 7)
    assert (second.offer.id, second.stock_units, second.merchant.id) == (dear.id, 0, free)


@pytest.mark.parametrize("state", ["draft", "paused", "ended"])
def test_only_what_is_published(session, free, buyer, state):
    row = a_draft(session, free)
    if state != "draft":
        published(session, row)
        {"paused": pause, "ended": end}[state](session, row.offer_id, now=NOW)

    assert ids(session, buyer, free) == []


def test_only_of_an_approved_merchant(session, free, buyer):
    published(session, a_draft(session, free))
    session.get_one(Merchant, free).state = "suspended"
    session.flush()

    assert ids(session, buyer, free) == []


@pytest.mark.parametrize(
    ("now", "there"),
    [
        (FROM - timedelta(microseconds=1), False),
        (FROM, True),
        (TO - timedelta(microseconds=1), True),
        (TO, False),
    ],
)
def test_only_in_the_time_of_its_sale(session, free, buyer, now, there):
    offer = published(session, a_draft(session, free))

    assert ids(session, buyer, free, now=now) == [offer.id] * there


def test_not_once_its_vouchers_would_have_expired(session, free, buyer):
    until = datetime(2026, 6, 1, tzinfo=UTC)
    offer = published(session, a_draft(session, free, valid_until=until))

    assert ids(session, buyer, free, now=until - timedelta(seconds=1)) == [offer.id]
    assert ids(session, buyer, free, now=until) == []


@pytest.mark.parametrize(
    ("codes", "there"),
    [
        ((), True),
        (("310118001",), True),
        (("310118",), True),
        (("510105", "31"), True),
        (("310118002",), False),
        (("3101180011",), False),
        (("510105",), False),
    ],
)
def test_only_for_where_one_lives(session, free, buyer, codes, there):
    offer = published(session, a_draft(session, free, division_codes=codes))

    assert ids(session, replace(buyer, division_code="310118001"), free) == [offer.id] * there


def test_only_for_the_scenes_to_which_one_consents(session, free, buyer):
    offer = published(session, a_draft(session, free, scene_codes=("a.walk", "b.ride")))

    assert ids(session, replace(buyer, scene_codes=frozenset({"b.ride"})), free) == [offer.id]
    assert ids(session, replace(buyer, scene_codes=frozenset({"c"})), free) == []
    assert ids(session, replace(buyer, scene_codes=frozenset()), free) == []


def test_only_of_ones_programme(session, free, buyer):
    published(session, a_draft(session, free))

    assert ids(session, replace(buyer, programme_holder_id=uuid4()), free) == []
    assert ids(session, Buyer(uuid4(), None), free) == []


def test_by_kind_and_by_page(session, free, buyer):
    drafts = [a_draft(session, free, kind=kind) for kind in ("goods", "voucher", "voucher")]
    offers = sorted(published(session, row).id for row in drafts)

    assert ids(session, buyer, free) == offers  # Of one price: by id.
    goods = ids(session, buyer, free, kind="goods")
    assert goods == [drafts[0].offer_id]
    first = ids(session, buyer, free, limit=2)
    rest = ids(session, buyer, free, limit=2, after=(120, first[-1]))
    assert [*first, *rest] == offers


def test_an_offer_is_shown_by_the_terms_of_now_or_of_then(session, free, buyer):
    first = a_draft(session, free, text_zh="热的")
    published(session, first)
    published(session, a_draft(session, free, offer_id=first.offer_id, text_zh="冷的"))
    a_draft(session, free, offer_id=first.offer_id, text_zh="没有")

    now = shown(session, first.offer_id, buyer=buyer)
    then = shown(session, first.offer_id, buyer=buyer, version=1)

    assert (now.version.text_zh, then.version.text_zh) == ("冷的", "热的")
    for version in (3, 4):  # Never published, never there.
        with pytest.raises(UnknownOfferVersion):
            shown(session, first.offer_id, buyer=buyer, version=version)


def test_an_offer_is_shown_after_its_end_but_not_before_it_began(session, free, buyer):
    row = a_draft(session, free)
    with pytest.raises(UnknownOffer):
        shown(session, row.offer_id, buyer=buyer)

    published(session, row)
    end(session, row.offer_id, now=NOW)

    assert shown(session, row.offer_id, buyer=buyer).offer.state == "ended"
    with pytest.raises(UnknownOffer):
        shown(session, row.offer_id, buyer=replace(buyer, programme_holder_id=uuid4()))


def test_shops_are_those_that_take_it_and_are_open(session, free, buyer):
    (first,) = session.query(Shop).filter_by(merchant_id=free)
    facts = {"name_zh": "二号店", "name_en": "Second", "address": "路 2 号"}
    second = Shop(id=uuid4(), merchant_id=free, made_by="t", made_at=NOW, **facts)
    session.add(second)
    session.flush()
    everywhere = published(session, a_draft(session, free))
    here = published(session, a_draft(session, free, shop_ids=(second.id,)))

    def shops(offer):
        return {shop.id for shop in shown(session, offer.id, buyer=buyer).shops}

    assert (shops(everywhere), shops(here)) == ({first.id, second.id}, {second.id})
    first.closed_at = NOW
    session.flush()
    assert shops(everywhere) == {second.id}


def test_a_merchant_sees_all_of_its_own(session, free):
    draft = a_draft(session, free)
    a_draft(session, free, offer_id=draft.offer_id, price_points=5)
    ended = published(session, a_draft(session, free))
    end(session, ended.id, now=NOW)
    a_draft(session, a_merchant(session, price_rule="free", fixed_fen=None))

    found = {each.offer.id: each for each in of_merchant(session, free)}

    assert found.keys() == {draft.offer_id, ended.id}
    assert (found[draft.offer_id].newest.version, found[draft.offer_id].stock) == (2, None)
    assert found[ended.id].stock.stock_units == 0
    first = of_merchant(session, free, limit=1)
    assert [*first, *of_merchant(session, free, after=first[0].offer.id)] == [
        found[id_] for id_ in sorted(found)
    ]
    assert found.keys() <= {each.offer.id for each in of_everybody(session, limit=10_000)}


def test_versions_are_the_history(session, free):
    row = a_draft(session, free)
    a_draft(session, free, offer_id=row.offer_id, price_points=5)

    assert [each.price_points for each in versions(session, free, row.offer_id)] == [120, 5]
    assert [each.version for each in versions(session, free, row.offer_id, after=1)] == [2]
    for merchant_id in (uuid4(), a_merchant(session)):
        with pytest.raises(UnknownOffer):
            versions(session, merchant_id, row.offer_id)
        with pytest.raises(UnknownOffer):
            get_listed(session, merchant_id, row.offer_id)
    assert (
        programme_holder(session)
        == get_listed(session, None, row.offer_id).offer.programme_holder_id
    )
