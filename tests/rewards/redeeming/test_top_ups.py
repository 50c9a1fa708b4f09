from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.errors import InsufficientPoints
from ledgers.holds import lapse_due_holds
from ledgers.models import Hold, Posting, Transfer
from ledgers.reversal import reverse
from rewards.errors import RedemptionReused, SoldOut
from rewards.models import Budget, OfferStock, Redemption, SettlementLine, TopUp
from rewards.redeeming import top_up_queue
from rewards.redeeming.errors import BudgetExhausted, MerchantSuspended, ResidentLimitReached
from rewards.redeeming.gateways import Outcome
from rewards.redeeming.listing import page
from rewards.redeeming.top_up_answers import book, wait_after
from rewards.redeeming.top_up_errors import NotATopUp
from rewards.redeeming.top_ups import HELD_FOR, order, order_id_of
from tests.makers import CODES, NOW, a_buyer, a_resident, balance, programme_holder
from tests.shopping import a_merchant, an_offer

ZONE = "Asia/Shanghai"
DONE, REFUSED = Outcome("done", "R-1"), Outcome("refused", "no such card")
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def merchant(session):
    return a_merchant(session, programme_holder(session))


@pytest.fixture
def top_up(session, merchant):
    def make(**terms):
        terms = {"price_points": 100, "face_value_fen": 1_000, "settlement_fen": 950, **terms}
        return an_offer(session, programme_holder(session), merchant, kind="top_up", **terms)

    return make


@pytest.fixture
def ordered(session, top_up):
    """Somebody with 300 points who has ordered one top-up."""

    def make(*, points=300, now=NOW, **terms):
        offer_id = terms.pop("offer_id", None) or top_up(**terms)
        holder_id, id_ = a_resident(session, points=points), uuid4()
        order(session, id_, buyer=a_buyer(session, holder_id), offer_id=offer_id, now=now)
        return session.get_one(TopUp, (holder_id, id_))

    return make


def answer(session, top_up, outcome, *, now=LATER):
    return book(session, top_up.holder_id, top_up.redemption_id, outcome, zone=ZONE, now=now)


def held(session, holder_id):
    query = select(Hold).where(Hold.holder_id == holder_id, Hold.state == "held")
    return sum(hold.amount for hold in session.scalars(query))


def redemption_of(session, top_up):
    session.expire_all()
    return session.get_one(Redemption, (top_up.holder_id, top_up.redemption_id))


def stock_of(session, offer_id):
    session.expire_all()
    return session.get_one(OfferStock, offer_id)


def lines_of(session, top_up):
    query = select(SettlementLine).where(SettlementLine.redemption_id == top_up.redemption_id)
    return session.scalars(query).all()


def claw_back_all(session, holder_id):
    """What the resident had earned was a mistake."""
    query = select(Transfer.id).where(Transfer.holder_id == holder_id, Transfer.kind == "grant")
    amounts = dict.fromkeys(session.scalars(query))
    why = {"actor": "test", "reason": "a mistake", "now": LATER}
    reverse(session, uuid4(), holder_id=holder_id, amounts=amounts, **why)


@pytest.mark.parametrize("outcome", [None, REFUSED, DONE])
def test_how_it_stands_says_who_ordered_it_before_and_after_the_answer(session, top_up, outcome):
    offer_id, holder_id = top_up(), a_resident(session, points=300)
    others, own = uuid4(), uuid4()
    for id_, acting in ((others, "delegate:7"), (own, None)):
        buyer = a_buyer(session, holder_id)
        order(session, id_, buyer=buyer, offer_id=offer_id, now=NOW, acting=acting)
        if outcome is not None:
            answer(session, session.get_one(TopUp, (holder_id, id_)), outcome)

    listed = page(session, holder_id, codes=CODES).standings

    assert {one.redemption.id: one.acted_by for one in listed} == {others: "delegate:7", own: None}


def test_an_order_holds_the_points_and_takes_the_unit(session, ordered):
    found = ordered()

    assert redemption_of(session, found).state == "pending"
    assert (balance(session, found.holder_id), held(session, found.holder_id)) == (300, 100)
    stock = stock_of(session, found.offer_id)
    assert (stock.stock_units, stock.day_units) == (9, 1)
    assert (found.state, found.amount_fen, found.next_at) == (
        "ordered", 1_000, NOW + timedelta(seconds=5),
    )  # fmt: skip
    assert lines_of(session, found) == []


def test_done_captures_the_points_under_the_redemptions_id_and_owes_the_merchant(session, ordered):
    found = ordered()

    answer(session, found, DONE)

    assert redemption_of(session, found).state == "done"
    assert (balance(session, found.holder_id), held(session, found.holder_id)) == (200, 0)
    assert session.get_one(Posting, found.redemption_id).actor == f"holder:{found.holder_id}"
    (line,) = lines_of(session, found)
    assert (line.kind, line.amount_fen) == ("top_up", 950)
    assert (found.state, found.gateway_reference, found.next_at) == ("done", "R-1", None)


@pytest.mark.parametrize("outcome", [REFUSED, Outcome("cancelled")])
def test_what_will_never_be_done_gives_points_unit_and_money_back(session, ordered, outcome):
    found = ordered()
    before = stock_of(session, found.offer_id).reserved_fen

    answer(session, found, outcome)

    redemption = redemption_of(session, found)
    assert (redemption.state, redemption.returned_points) == ("failed", 100)
    assert (balance(session, found.holder_id), held(session, found.holder_id)) == (300, 0)
    stock = stock_of(session, found.offer_id)
    assert (stock.stock_units, stock.day_units) == (10, 0)
    assert stock.reserved_fen == before + 950
    assert lines_of(session, found) == []
    assert found.state == outcome.state


@pytest.mark.parametrize("state", ["pending", "absent", "unknown"])
def test_what_is_not_certain_changes_nothing_but_when_to_ask_again(session, ordered, state):
    found = ordered()

    for tries in range(3):
        answer(session, found, Outcome(state, "status 500"))
        assert (found.state, found.tries) == ("ordered", tries + 1)
        assert found.next_at == LATER + timedelta(seconds=5 * 2**tries)

    assert redemption_of(session, found).state == "pending"
    assert held(session, found.holder_id) == 100
    assert wait_after(10_000) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DONE, REFUSED),
        (DONE, Outcome("cancelled")),
        (DONE, Outcome("done", "R-2")),
        (REFUSED, DONE),
        (Outcome("cancelled"), DONE),
    ],
)
def test_the_first_final_answer_counts_and_another_is_listed(session, ordered, first, second):
    found = ordered()
    answer(session, found, first)
    booked = (balance(session, found.holder_id), redemption_of(session, found).state)

    answer(session, found, second, now=LATER + timedelta(days=3))
    answer(session, found, first, now=LATER + timedelta(days=4))

    assert (balance(session, found.holder_id), redemption_of(session, found).state) == booked
    assert stock_of(session, found.offer_id).stock_units == (9 if first is DONE else 10)
    assert len(lines_of(session, found)) == (first is DONE)
    assert found.state == first.state
    assert (found.answered, found.contradicted_at) == (second.said, LATER + timedelta(days=3))
    page = top_up_queue.contradicted(session, TopUp.offer_id == found.offer_id, limit=9)
    assert [each.order_id for each in page.top_ups] == [found.order_id]


@pytest.mark.parametrize(
    ("first", "second"),
    [(DONE, DONE), (REFUSED, REFUSED), (REFUSED, Outcome("cancelled")), (DONE, Outcome("unknown"))],
)
def test_the_same_answer_again_is_no_contradiction(session, ordered, first, second):
    found = ordered()
    answer(session, found, first)

    answer(session, found, second)

    assert found.contradicted_at is None
    assert balance(session, found.holder_id) == (200 if first is DONE else 300)


def test_ordering_again_answers_how_it_stands(session, ordered):
    found = ordered()
    buyer = a_buyer(session, found.holder_id)

    states = []
    for outcome in (None, DONE):
        if outcome:
            answer(session, found, outcome)
        again = order(session, found.redemption_id, buyer=buyer, offer_id=found.offer_id, now=LATER)
        states.append((again.state, again.spent_points, again.redeemed_at, again.acted_by))

    assert states == [("pending", 100, NOW, None), ("done", 100, NOW, None)]
    assert stock_of(session, found.offer_id).stock_units == 9


def test_who_ordered_for_the_resident_is_told_and_posted(session, top_up):
    holder_id, id_, offer_id = a_resident(session, points=300), uuid4(), top_up()
    buyer = a_buyer(session, holder_id)

    for _ in range(2):
        told = order(session, id_, buyer=buyer, offer_id=offer_id, now=NOW, acting="delegate:7")
        assert told.acted_by == "delegate:7"
    answer(session, session.get_one(TopUp, (holder_id, id_)), DONE)

    assert session.get_one(Posting, id_).actor == "delegate:7"


def test_an_id_stands_for_one_offer(session, ordered, top_up):
    found = ordered()
    buyer = a_buyer(session, found.holder_id)

    with pytest.raises(RedemptionReused):
        order(session, found.redemption_id, buyer=buyer, offer_id=top_up(), now=LATER)


def test_two_residents_with_one_id_are_two_orders_and_both_pay(session, ordered, top_up):
    first = ordered()
    second_id = a_resident(session, points=300)
    order(
        session,
        first.redemption_id,
        buyer=a_buyer(session, second_id),
        offer_id=first.offer_id,
        now=NOW,
    )
    second = session.get_one(TopUp, (second_id, first.redemption_id))

    assert first.order_id != second.order_id
    answer(session, first, DONE)
    answer(session, second, Outcome("done", "R-2"))

    assert [balance(session, each.holder_id) for each in (first, second)] == [200, 200]


def test_an_id_that_stands_for_a_posting_is_refused(session, ordered, top_up):
    found = ordered()
    answer(session, found, DONE)
    buyer = a_buyer(session, a_resident(session, points=300))

    with pytest.raises(RedemptionReused):
        order(session, found.redemption_id, buyer=buyer, offer_id=found.offer_id, now=LATER)


def test_refusals_hold_nothing_and_take_nothing(session, ordered, top_up, merchant):
    poor = a_buyer(session, a_resident(session, points=99))
    rich = a_buyer(session, a_resident(session, points=500))
    limited = ordered(resident_day_units=1)
    suspended = an_offer(
        session,
        programme_holder(session),
        a_merchant(session, programme_holder(session), state="suspended"),
        kind="top_up",
    )
    coffee = an_offer(session, programme_holder(session), merchant)
    cases = [
        (poor, top_up(), InsufficientPoints),
        (rich, top_up(stock_units=0), SoldOut),
        (rich, top_up(budget_fen=900), BudgetExhausted),
        (rich, suspended, MerchantSuspended),
        (rich, coffee, NotATopUp),
        (a_buyer(session, limited.holder_id), limited.offer_id, ResidentLimitReached),
    ]
    for buyer, offer_id, refusal in cases:
        before = held(session, buyer.holder_id)
        with pytest.raises(refusal), session.begin_nested():
            order(session, uuid4(), buyer=buyer, offer_id=offer_id, now=LATER)
        assert held(session, buyer.holder_id) == before


def test_a_failed_order_does_not_count_against_the_limit(session, ordered):
    found = ordered(resident_day_units=1)
    answer(session, found, REFUSED)

    again = order(
        session,
        uuid4(),
        buyer=a_buyer(session, found.holder_id),
        offer_id=found.offer_id,
        now=LATER,
    )

    assert again.state == "pending"


def test_a_hold_is_prolonged_while_the_order_is_open(session, ordered):
    found, now = ordered(), NOW

    for _ in range(10):
        now += timedelta(days=14)
        answer(session, found, Outcome("pending"), now=now)
        lapse_due_holds(session, now=now)
        assert found.hold_ends_at > now + timedelta(days=14)

    answer(session, found, DONE, now=now)
    assert balance(session, found.holder_id) == 200


def test_a_debt_that_came_meanwhile_takes_nothing_of_what_is_held(session, ordered):
    found, now = ordered(points=100), NOW + timedelta(days=20)
    claw_back_all(session, found.holder_id)

    answer(session, found, Outcome("pending"), now=now)

    assert held(session, found.holder_id) == 100
    answer(session, found, DONE, now=now)
    assert redemption_of(session, found).state == "done"


def test_after_a_month_of_silence_it_is_charged_all_the_same(session, ordered):
    found, late = ordered(), NOW + HELD_FOR + timedelta(days=1)
    lapse_due_holds(session, now=late)

    answer(session, found, DONE, now=late)

    assert (balance(session, found.holder_id), held(session, found.holder_id)) == (200, 0)


def test_after_a_month_of_silence_without_points_it_stays_open(session, ordered):
    found, late = ordered(points=100), NOW + HELD_FOR + timedelta(days=1)
    lapse_due_holds(session, now=late)
    buyer = a_buyer(session, found.holder_id)
    order(session, uuid4(), buyer=buyer, offer_id=found.offer_id, now=late)

    with pytest.raises(InsufficientPoints), session.begin_nested():
        answer(session, found, DONE, now=late)

    session.expire_all()
    assert redemption_of(session, found).state == "pending"


def test_a_budget_pays_for_no_more_than_was_done(session, ordered, top_up):
    offer_id = top_up(budget_fen=1_900)
    ordered(offer_id=offer_id)
    second = ordered(offer_id=offer_id)
    with pytest.raises(BudgetExhausted), session.begin_nested():
        ordered(offer_id=offer_id)
    answer(session, second, REFUSED)

    ordered(offer_id=offer_id)

    session.expire_all()
    budget = session.scalars(select(Budget).where(Budget.total_fen == 1_900)).one()
    assert (budget.drawn_fen, stock_of(session, offer_id).reserved_fen) == (1_900, 0)


def test_what_to_ask_next(session, ordered):
    found = ordered()
    ask = top_up_queue.question_of

    assert ask(found, LATER) == "order"
    for state, question in [("unknown", "look"), ("pending", "look"), ("absent", "order")]:
        answer(session, found, Outcome(state))
        assert ask(found, LATER) == question
        assert ask(found, NOW + top_up_queue.CANCEL_AFTER) == "cancel"


def test_the_longest_waiting_are_due_first_and_the_ended_never(session, ordered):
    orders = [ordered(now=NOW + timedelta(seconds=n)) for n in range(4)]
    answer(session, orders[0], DONE)
    answer(session, orders[1], Outcome("unknown"), now=NOW + timedelta(hours=2))
    ids = {each.order_id for each in orders}

    due = top_up_queue.due(session, now=LATER, limit=1_000)

    assert [each.order_id for each in due if each.order_id in ids] == [
        orders[2].order_id,
        orders[3].order_id,
    ]


def test_hanging_orders_are_listed_page_by_page(session, ordered):
    orders = [ordered(now=NOW + timedelta(seconds=n)) for n in range(3)]
    mine = TopUp.order_id.in_([each.order_id for each in orders])
    late = NOW + top_up_queue.HANGING_AFTER + timedelta(seconds=1)

    first = top_up_queue.hanging(session, mine, now=late, limit=1)
    second = top_up_queue.hanging(session, mine, now=late, limit=1, after=first.next_after)

    assert [each.order_id for each in first.top_ups] == [orders[0].order_id]
    assert [each.order_id for each in second.top_ups] == [orders[1].order_id]
    assert second.next_after is None  # The third has not waited for long enough.


def test_an_orders_id_follows_from_redemption_and_holder():
    holder, redemption = uuid4(), uuid4()
    assert order_id_of(holder, redemption) == order_id_of(holder, redemption)
    assert len({order_id_of(holder, redemption), order_id_of(redemption, holder), redemption}) == 3
