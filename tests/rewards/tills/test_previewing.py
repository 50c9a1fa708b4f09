"""Who looks at a code is told what taking it would give, and takes nothing."""

from datetime import timedelta

import pytest

from rewards.errors import UnknownVoucher, VoucherConsumed
from rewards.models import Voucher
from rewards.tills.errors import VoucherExpired, VoucherNotHere
from rewards.tills.previewing import preview
from rewards.voucher_codes import code_sha256
from tests.makers import CODES, NOW
from tests.rewards.tills.tilling import a_counter


@pytest.fixture
def counter(session):
    return a_counter(session)


def look(counter, code, **more):
    given = {"merchant_id": counter.merchant_id, "codes": CODES, "now": NOW} | more
    return preview(counter.session, code=code, **given)


def test_a_look_tells_what_would_be_handed_over_and_takes_nothing(counter):
    code = counter.code()

    found = look(counter, code.lower())

    assert (found.offer_id, found.version, found.title_en) == (counter.offer_id, 1, "A coffee")
    assert counter.session.get_one(Voucher, code_sha256(code)).consumed_at is None
    assert counter.take(code).title_zh == found.title_zh


def test_a_look_refuses_as_the_taking_would(counter):
    code = counter.code()
    with pytest.raises(UnknownVoucher):
        look(counter, "0000-0000-0000-0000-0")
    with pytest.raises(UnknownVoucher):  # Another merchant's is none.
        look(a_counter(counter.session), code)
    counter.take(code)
    with pytest.raises(VoucherConsumed):
        look(counter, code)


def test_a_look_holds_to_the_shop_and_the_day(counter):
    only = a_counter(counter.session, shop_ids=[counter.shop_id], valid_days=1)
    with pytest.raises(VoucherNotHere):
        look(only, only.code())
    with pytest.raises(VoucherExpired):
        look(only, only.code(), now=NOW + timedelta(days=5))


def test_a_merchants_own_code_is_looked_at_as_it_is_written(session):
    counter = a_counter(session, kind="pool_code")
    counter.pool("cinema-1")
    code = counter.code()

    assert look(counter, f" {code} ").offer_id == counter.offer_id
    with pytest.raises(UnknownVoucher):
        look(counter, code.upper())
