"""What offers could still cost: each part of it, and never more than the budgets."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from rewards.models import Budget, Offer, OfferStock, Redemption, Settlement, TopUp, Voucher
from rewards.offers.liability import liability
from rewards.redeeming.redemption import redeem
from rewards.settling.payables import NewLine, owe
from rewards.settling.settlements import (
    STATES,
    approve,
    confirm,
    dispute,
    listed_by_programme,
    pay,
    void,
)
from tests.catalogues import a_programme
from tests.makers import CODES, NOW, a_buyer, a_resident, programme_holder
from tests.settlements import NOW as SETTLED_AT
from tests.settlements import a_drafted, lines_for
from tests.shopping import a_merchant, a_version, an_offer

TODAY = date(2026, 11, 21)


@pytest.fixture
def programme(session):
    return a_programme(session).holder_id


@pytest.fixture
def merchant(session, programme):
    return a_merchant(session, programme)


def report(session, programme, *, day=TODAY, now=NOW):
    session.flush()
    session.expire_all()
    return liability(session, programme, day=day, now=now)


def budget_of(session, offer_id):
    return session.get_one(Budget, session.get_one(Offer, offer_id).budget_id)


def buy(session, programme, offer_id, units=1):
    buyer = a_buyer(session, a_resident(session, points=1_000), programme_holder_id=programme)
    return buyer.holder_id, redeem(
        session, uuid4(), buyer=buyer, offer_id=offer_id, units=units, codes=CODES, now=NOW
    )


def test_of_a_programme_without_offers_there_is_nothing(session, programme):
    found = report(session, programme)
    assert (list(found.offers), found.total_fen, found.stock_points) == ([], 0, 0)


def test_stock_costs_its_price_by_unit_and_takes_points(session, programme, merchant):
    paid = an_offer(session, programme, merchant, stock_units=7, settlement_fen=300)
    free = an_offer(session, programme, merchant, stock_units=5, price_points=20)

    found = report(session, programme)

    by_id = {each.offer.id: each for each in found.offers}
    assert (by_id[paid].stock_units, by_id[paid].stock_fen) == (7, 2_100)
    assert by_id[paid].stock_points == 700
    assert (by_id[free].stock_fen, by_id[free].stock_points) == (0, 100)
    assert (found.stock_fen, found.stock_points, found.total_fen) == (2_100, 800, 2_100)


def test_stock_costs_no_more_than_its_budget_has_left(session, programme, merchant):
    offer_id = an_offer(
        session, programme, merchant, stock_units=100, settlement_fen=300, budget_fen=1_000
    )
    (row,) = report(session, programme).offers
    assert (row.stock_units, row.stock_fen, row.stock_points) == (3, 900, 300)

    budget, stock = budget_of(session, offer_id), session.get_one(OfferStock, offer_id)
    budget.drawn_fen = stock.reserved_fen = 400
    found = report(session, programme)
    assert found.offers[0].stock_fen == found.stock_fen == 900

    budget = budget_of(session, offer_id)
    budget.drawn_fen = 800  # 400 of it spent.
    found = report(session, programme)
    assert (found.offers[0].stock_units, found.stock_fen) == (2, 600)


def test_offers_of_one_budget_share_what_it_has_left(session, programme, merchant):
    first = an_offer(
        session, programme, merchant, stock_units=10, settlement_fen=100, budget_fen=1_200
    )
    budget_id = session.get_one(Offer, first).budget_id
    more = {"stock_units": 10, "settlement_fen": 100, "budget_id": budget_id}
    an_offer(session, programme, merchant, **more)

    found = report(session, programme)

    assert [each.stock_fen for each in found.offers] == [1_000, 1_000]
    assert found.stock_fen == 1_200


def test_of_a_budget_that_is_over_only_what_is_reserved_is_spent(session, programme, merchant):
    offer_id = an_offer(session, programme, merchant, stock_units=10, settlement_fen=100)
    budget, stock = budget_of(session, offer_id), session.get_one(OfferStock, offer_id)
    budget.valid_to = TODAY + timedelta(days=1)
    budget.drawn_fen = stock.reserved_fen = 250
    assert report(session, programme).stock_fen == 1_000
    assert report(session, programme, day=TODAY + timedelta(days=1)).stock_fen == 200


@pytest.mark.parametrize("state", ["draft", "ended"])
def test_what_is_not_published_costs_nothing(session, programme, merchant, state):
    an_offer(session, programme, merchant, settlement_fen=300, state=state)
    assert report(session, programme).total_fen == 0


def test_a_paused_offer_may_go_on_and_one_whose_sale_is_over_does_not(session, programme, merchant):
    an_offer(session, programme, merchant, settlement_fen=300, state="paused")
    over = an_offer(session, programme, merchant, settlement_fen=300, on_sale_to=NOW)
    found = report(session, programme)
    assert found.stock_fen == 3_000
    assert over not in {each.offer.id for each in found.offers}


def test_open_vouchers_cost_by_the_version_they_were_redeemed_by(session, programme, merchant):
    offer_id = an_offer(session, programme, merchant, stock_units=10, settlement_fen=300)
    vouchers = [buy(session, programme, offer_id) for _ in range(2)]
    a_version(session, offer_id, settlement_fen=500, price_points=120)
    vouchers.append(buy(session, programme, offer_id))

    (row,) = report(session, programme).offers
    assert (row.open_units, row.open_fen, row.open_points) == (3, 1_100, 320)
    assert (row.stock_units, row.stock_fen) == (7, 3_500)

    ended = ("consumed_at", "cancelled_at", "expired_at")
    for column, (_, redeemed) in zip(ended, vouchers, strict=True):
        found = session.query(Voucher).filter_by(redemption_id=redeemed.id).one()
        setattr(found, column, NOW)
    (row,) = report(session, programme).offers
    assert (row.open_units, row.open_fen) == (0, 0)


def test_open_vouchers_of_an_ended_offer_still_cost(session, programme, merchant):
    offer_id = an_offer(session, programme, merchant, settlement_fen=300)
    buy(session, programme, offer_id)
    session.get_one(Offer, offer_id).state = "ended"

    found = report(session, programme)

    (row,) = found.offers
    assert (row.offer.id, row.stock_units, row.open_units, row.open_fen) == (offer_id, 0, 1, 300)
    assert (found.stock_fen, found.open_fen, found.total_fen) == (0, 300, 300)


def test_a_top_up_in_flight_is_open(session, programme, merchant):
    offer_id = an_offer(session, programme, merchant, kind="top_up", settlement_fen=900)
    holder_id, id_ = a_resident(session), uuid4()
    session.add(
        Redemption(
            holder_id=holder_id, id=id_, offer_id=offer_id, spent_points=100, redeemed_at=NOW,
            version=1, units=1, state="pending",
        )
    )  # fmt: skip
    order = TopUp(
        holder_id=holder_id, redemption_id=id_, order_id=uuid4(), offer_id=offer_id,
        amount_fen=900, hold_id=uuid4(), hold_ends_at=NOW, state="ordered", tries=0, next_at=NOW,
        ordered_at=NOW,
    )  # fmt: skip
    session.add(order)

    (row,) = report(session, programme).offers
    assert (row.open_units, row.open_fen, row.open_points) == (1, 900, 100)

    redemption = session.get_one(Redemption, (holder_id, id_))
    redemption.state = "done"
    order.state, order.next_at, order.ended_at = "done", None, NOW
    (row,) = report(session, programme).offers
    assert row.open_units == 0


def test_what_is_owed_is_the_ledgers_word_and_split_by_what_is_settled(
    session, programme, merchant
):
    offer_id = an_offer(session, programme, merchant, settlement_fen=300, stock_units=0)

    def line(amount_fen, **more):
        kind = "refund" if "reverses_id" in more else "consumption"
        new = NewLine(merchant, programme, kind, amount_fen, offer_id, 1, uuid4(), NOW, **more)
        return owe(session, [new], actor="tests", now=NOW)[0]

    first = line(300)
    line(200)
    line(-300, reverses_id=first)
    line(450)
    found = report(session, programme)
    assert (found.unsettled_fen, found.unpaid_fen, found.total_fen) == (650, 0, 650)

    settlement = Settlement(
        merchant_id=merchant, id=uuid4(), programme_holder_id=programme,
        period_from=date(2026, 10, 1), period_to=date(2026, 11, 1), state="draft", lines=3,
        owed_fen=500, returned_fen=300, drafted_by="a", drafted_at=NOW,
    )  # fmt: skip
    session.add(settlement)
    found = report(session, programme)
    assert (found.unsettled_fen, found.unpaid_fen) == (450, 200)

    settlement.state = "void"
    assert report(session, programme).unpaid_fen == 0


def test_of_settlements_in_every_state_it_says_what_their_list_says(session):
    """Merchant n is owed 10ⁿ fen in a period that is over; its settlement is in state n."""
    programme = programme_holder(session)
    before = report(session, programme)

    def settlement(n, state):
        lines_for(session, merchant_id := a_merchant(session, programme), [10**n])
        key = a_drafted(session, merchant_id)
        if state == "drafting":
            session.get_one(Settlement, key).state = state
        if state in ("confirmed", "approved", "paid"):
            confirm(session, key, actor="manager", now=SETTLED_AT)
        if state in ("approved", "paid"):
            approve(session, key, actor="second", now=SETTLED_AT)
        if state == "paid":
            pay(session, key, payment_reference="b", actor="cashier", now=SETTLED_AT)
        if state == "disputed":
            dispute(session, key, reason="r", actor="manager", now=SETTLED_AT)
        if state == "void":
            void(session, key)
        return key.id

    own = {settlement(n, state) for n, state in enumerate(STATES)}

    found = report(session, programme)
    listed = [
        one
        for one in listed_by_programme(session, programme, state=None, limit=10_000)
        if one.id in own
    ]
    assert sorted(one.state for one in listed) == sorted(STATES)
    payable_fen = {one.state: one.owed_fen - one.returned_fen for one in listed}
    assert (payable_fen.pop("void"), payable_fen.pop("paid")) == (0, 100_000)
    assert found.unpaid_fen - before.unpaid_fen == sum(payable_fen.values()) == 11_111
    assert found.unsettled_fen - before.unsettled_fen == 1_000_000  # Free for another.


def test_another_programmes_is_another_ones(session, programme, merchant):
    offer_id = an_offer(session, programme, merchant, settlement_fen=300)
    buy(session, programme, offer_id)
    assert report(session, a_programme(session).holder_id).total_fen == 0
