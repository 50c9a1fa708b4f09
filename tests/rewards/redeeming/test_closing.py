"""What a resident who leaves has redeemed, and what they give up."""

from uuid import uuid4

import pytest

from rewards.models import CodeDevice, OfferStock, Redemption
from rewards.redeeming.closing import bought, forfeit
from rewards.redeeming.redemption import redeem
from rewards.redeeming.top_ups import HELD_FOR, order
from service.identity.closing import Wish, close
from service.identity.errors import OpenOrders
from tests.makers import CODES, NOW, a_buyer, a_resident, an_offer
from tests.shopping import a_pool

GIVING_UP = Wish("holder:test", "", forfeit_vouchers=True)


def redeemed(session, holder_id, **offer):
    sold, id_ = an_offer(session, **offer), uuid4()
    if offer.get("kind") == "pool_code":
        a_pool(session, sold.id, [uuid4().hex], CODES)
    buy = order if offer.get("kind") == "top_up" else redeem
    more = {} if buy is order else {"codes": CODES}
    buy(session, id_, buyer=a_buyer(session, holder_id), offer_id=sold.id, now=NOW, **more)
    return id_, sold.id


def test_a_merchants_own_code_is_found_and_given_up_too(session):
    holder_id = a_resident(session, points=300)
    id_, _ = redeemed(session, holder_id, kind="pool_code")

    (one,) = bought(session, holder_id, codes=CODES)
    assert (one.redemption.id, one.voucher_state) == (id_, "unused")
    assert close(session, holder_id, GIVING_UP, codes=CODES, now=NOW).forfeited_vouchers == 1

    (one,) = bought(session, holder_id, codes=CODES)
    assert (one.voucher_state, one.redemption.state) == ("lapsed", "expired")
    assert close(session, holder_id, GIVING_UP, codes=CODES, now=NOW).forfeited_vouchers == 1


def test_what_is_given_up_returns_no_points_and_the_budgets_money(session):
    holder_id = a_resident(session, points=300)
    id_, offer_id = redeemed(session, holder_id, settlement_fen=1_500)
    session.expire_all()
    reserved_fen = session.get_one(OfferStock, offer_id).reserved_fen

    (lost,) = forfeit(session, bought(session, holder_id, codes=CODES), by="x", now=NOW)

    session.expire_all()
    assert lost.redemption.id == id_
    redemption = session.get_one(Redemption, (holder_id, id_))
    assert (redemption.state, redemption.returned_points, redemption.ended_by) == (
        "expired",
        0,
        "x",
    )
    assert session.get_one(OfferStock, offer_id).reserved_fen == reserved_fen + 1_500


def test_a_top_up_on_its_way_refuses_the_closing(session):
    holder_id = a_resident(session, points=300)
    id_, _ = redeemed(session, holder_id, kind="top_up")

    with pytest.raises(OpenOrders) as refusal:
        close(session, holder_id, GIVING_UP, codes=CODES, now=NOW)

    assert [one["redemption_id"] for one in refusal.value.top_ups] == [str(id_)]


def test_a_top_up_that_is_open_after_its_hold_lapsed_refuses_the_closing_too(session):
    holder_id = a_resident(session, points=300)
    id_, _ = redeemed(session, holder_id, kind="top_up")

    with pytest.raises(OpenOrders) as refusal:
        close(session, holder_id, GIVING_UP, codes=CODES, now=NOW + HELD_FOR)

    assert refusal.value.holds == []
    assert [one["redemption_id"] for one in refusal.value.top_ups] == [str(id_)]


def test_phones_are_signed_off_and_their_names_forgotten(session):
    holder_id, id_ = a_resident(session), uuid4()
    session.add(CodeDevice(id=id_, holder_id=holder_id, name="my phone", made_at=NOW, last_step=0))
    session.flush()

    close(session, holder_id, GIVING_UP, codes=CODES, now=NOW)

    session.expire_all()
    device = session.get_one(CodeDevice, id_)
    assert (device.name, device.ended_at) == ("", NOW)
