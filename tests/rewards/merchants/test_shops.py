"""Shops and scanners, each one merchant's."""

from datetime import timedelta
from uuid import uuid4

import pytest

from rewards.merchants import scanners, shops
from rewards.merchants.errors import (
    MerchantEnded,
    ScannerReused,
    ShopReused,
    UnknownScanner,
    UnknownShop,
)
from tests.makers import NOW, programme_holder
from tests.shopping import a_merchant

KEY = b"s" * 32


@pytest.fixture
def merchant(session):
    return a_merchant(session, programme_holder(session))


@pytest.fixture
def other(session):
    return a_merchant(session, programme_holder(session))


def a_shop(session, merchant, *, closed=False, now=NOW, **changes):
    new = shops.NewShop(uuid4(), merchant, "公园路店", "Park Road", "公园路 1 号")
    new = new._replace(**changes)
    return shops.put(session, new, closed=closed, made_by="li.na", now=now)


def a_scanner(session, merchant, *, now=NOW, **changes):
    new = scanners.NewScanner(uuid4(), merchant, None, "一号收银台")._replace(**changes)
    return scanners.make(session, new, KEY, made_by="li.na", now=now)


def test_a_shop_opens_changes_closes_and_opens_again(session, merchant):
    shop = a_shop(session, merchant)
    moved = a_shop(session, merchant, id=shop.id, address="公园路 2 号")
    assert (moved.id, moved.address, moved.closed_at) == (shop.id, "公园路 2 号", None)

    later = NOW + timedelta(days=1)
    assert a_shop(session, merchant, id=shop.id, closed=True).closed_at == NOW
    assert a_shop(session, merchant, id=shop.id, closed=True, now=later).closed_at == NOW
    assert a_shop(session, merchant, id=shop.id).closed_at is None


def test_a_shop_stays_its_merchants(session, merchant, other):
    shop = a_shop(session, merchant)
    with pytest.raises(ShopReused):
        a_shop(session, other, id=shop.id)
    with pytest.raises(UnknownShop):
        shops.get(session, other, shop.id)
    assert shops.get(session, merchant, shop.id).id == shop.id
    assert shop.id not in {each.id for each in shops.listed(session, other, limit=9)}


def test_who_has_ended_opens_nothing(session):
    ended = a_merchant(session, programme_holder(session), state="ended")
    with pytest.raises(MerchantEnded):
        a_shop(session, ended)
    with pytest.raises(MerchantEnded):
        a_scanner(session, ended)


def test_a_scanners_key_is_told_for_ten_minutes_and_follows_from_its_id(session, merchant):
    made = a_scanner(session, merchant)
    assert made.key == scanners.key_of(KEY, made.scanner.id)
    assert len(made.key) == 32

    def again(minutes):
        at = NOW + timedelta(minutes=minutes)
        return a_scanner(session, merchant, id=made.scanner.id, now=at).key

    assert again(9) == made.key
    assert again(10) is None
    assert scanners.key_of(KEY, uuid4()) != made.key
    assert scanners.key_of(b"t" * 32, made.scanner.id) != made.key


def test_a_scanner_is_never_another_one(session, merchant, other):
    shop = a_shop(session, merchant)
    scanner = a_scanner(session, merchant, shop_id=shop.id).scanner
    for changes in ({"name": "二号"}, {"shop_id": None}, {"merchant_id": other}):
        with pytest.raises(ScannerReused):
            a_scanner(session, **{"merchant": merchant, "id": scanner.id, "shop_id": shop.id} | (
                changes if "merchant_id" not in changes else {"merchant": other}
            ))  # fmt: skip
    with pytest.raises(UnknownShop):
        a_scanner(session, other, shop_id=shop.id)


def test_a_retired_scanner_stays_retired(session, merchant, other):
    scanner = a_scanner(session, merchant).scanner
    with pytest.raises(UnknownScanner):
        scanners.retire(session, other, scanner.id, now=NOW)
    later = NOW + timedelta(days=1)
    assert scanners.retire(session, merchant, scanner.id, now=NOW).retired_at == NOW
    assert scanners.retire(session, merchant, scanner.id, now=later).retired_at == NOW
    with pytest.raises(ScannerReused):
        a_scanner(session, merchant, id=scanner.id)
    assert scanners.get(session, merchant, scanner.id).retired_at == NOW
    with pytest.raises(UnknownScanner):
        scanners.get(session, other, scanner.id)


def test_lists_page_by_id(session, merchant):
    made = sorted(a_scanner(session, merchant).scanner.id for _ in range(3))
    first = scanners.listed(session, merchant, limit=2)
    rest = scanners.listed(session, merchant, limit=2, after=first[-1].id)
    assert [each.id for each in (*first, *rest)] == made
    opened = sorted(a_shop(session, merchant).id for _ in range(3))
    first = shops.listed(session, merchant, limit=2)
    rest = shops.listed(session, merchant, limit=9, after=first[-1].id)
    found = [each.id for each in (*first, *rest)]
    assert set(opened) < set(found)
    assert found == sorted(found)
