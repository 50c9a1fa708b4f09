"""Points, stock, budget and voucher move together or not at all."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from ledgers.errors import InsufficientPoints
from ledgers.models import Posting
from rewards.errors import (
    OfferNotOnSale,
    RedemptionReused,
    SoldOut,
    UnknownOffer,
    UnknownRedemption,
)
from rewards.models import OfferStock, Redemption, SettlementLine, Voucher
from rewards.redeeming.errors import (
    BudgetExhausted,
    DailyLimitReached,
    NeedsGateway,
    PriceChanged,
    ResidentLimitReached,
)
from rewards.redeeming.redemption import get_redemption, redeem
from rewards.voucher_codes import code_sha256
from tests import shopping
from tests.makers import CODES, NOW, a_buyer, a_resident, an_offer, balance, programme_holder


def redeemed(session, holder_id, offer_id, redemption_id=None, *, now=NOW, of=None, **more):
    return redeem(
        session,
        redemption_id or uuid4(),
        buyer=a_buyer(session, holder_id, **of or {}),
        offer_id=offer_id,
        codes=CODES,
        now=now,
        **more,
    )


def stock(session, offer_id) -> int:
    session.expire_all()
    return session.get_one(OfferStock, offer_id).stock_units


def vouchers(session, holder_id) -> int:
    query = select(func.count()).select_from(Voucher).where(Voucher.holder_id == holder_id)
    return session.scalar(query)


def test_one_redemption_takes_points_and_stock_and_makes_a_voucher(session):
    holder_id, offer = a_resident(session, points=300), an_offer(session)

    done = redeemed(session, holder_id, offer.id)

    assert done.spent_points == 120
    assert (balance(session, holder_id), stock(session, offer.id)) == (180, 4)
    assert vouchers(session, holder_id) == 1


def test_the_same_redemption_again_answers_the_same_and_spends_once(session):
    holder_id, offer = a_resident(session, points=300), an_offer(session)
    redemption_id = uuid4()

    answers = [
        redeemed(session, holder_id, offer.id, redemption_id, now=NOW + timedelta(seconds=n))
        for n in range(3)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert (balance(session, holder_id), stock(session, offer.id)) == (180, 4)
    assert vouchers(session, holder_id) == 1


def test_a_retry_after_the_sale_ended_still_answers(session):
    holder_id = a_resident(session, points=300)
    offer = an_offer(session, stock_units=1, on_sale_to=NOW + timedelta(hours=1))
    redemption_id = uuid4()
    first = redeemed(session, holder_id, offer.id, redemption_id)

    again = redeemed(session, holder_id, offer.id, redemption_id, now=NOW + timedelta(days=2))

    assert again == first


def test_the_same_id_for_another_offer_is_refused(session):
    holder_id = a_resident(session, points=300)
    offer, other = an_offer(session), an_offer(session)
    done = redeemed(session, holder_id, offer.id)

    with pytest.raises(RedemptionReused):
        redeemed(session, holder_id, other.id, done.id)

    assert (balance(session, holder_id), stock(session, other.id)) == (180, 5)


def test_the_same_id_of_another_resident_is_refused_and_takes_nothing(session):
    first, second = (a_resident(session, points=300) for _ in range(2))
    offer = an_offer(session)
    done = redeemed(session, first, offer.id)

    with pytest.raises(RedemptionReused), session.begin_nested():
        redeemed(session, second, offer.id, done.id)

    assert (balance(session, second), stock(session, offer.id)) == (300, 4)


def test_too_few_points_leave_stock_and_points_as_they_were(session):
    holder_id, offer = a_resident(session, points=119), an_offer(session)

    with pytest.raises(InsufficientPoints) as refusal, session.begin_nested():
        redeemed(session, holder_id, offer.id)

    assert (refusal.value.have_points, refusal.value.need_points) == (119, 120)
    assert (balance(session, holder_id), stock(session, offer.id)) == (119, 5)
    assert vouchers(session, holder_id) == 0


def test_sold_out(session):
    holder_id, offer = a_resident(session, points=300), an_offer(session, stock_units=0)

    with pytest.raises(SoldOut):
        redeemed(session, holder_id, offer.id)

    assert balance(session, holder_id) == 300


@pytest.mark.parametrize("seconds", [-86_401, 3_600])
def test_only_while_on_sale(session, seconds):
    holder_id = a_resident(session, points=300)
    offer = an_offer(session, on_sale_to=NOW + timedelta(hours=1))

    with pytest.raises(OfferNotOnSale):
        redeemed(session, holder_id, offer.id, now=NOW + timedelta(seconds=seconds))


def test_another_price_than_was_shown_is_refused_and_a_retry_is_not(session):
    holder_id, offer = a_resident(session, points=300), an_offer(session)
    first = redeemed(session, holder_id, offer.id, price_points=120)

    with pytest.raises(PriceChanged) as refused:
        redeemed(session, holder_id, offer.id, price_points=90)

    assert refused.value.price_points == 120
    assert balance(session, holder_id) == 180
    again = redeemed(session, holder_id, offer.id, first.id, price_points=90)
    assert again.voucher_code == first.voucher_code


def test_an_unknown_offer(session):
    with pytest.raises(UnknownOffer):
        redeemed(session, a_resident(session, points=300), uuid4())


@pytest.mark.parametrize("programme_holder_id", [None, UUID(int=7)])
def test_another_programmes_offer_is_as_unknown_and_so_is_a_retry(session, programme_holder_id):
    holder_id, offer = a_resident(session, points=300), an_offer(session)
    before = redeemed(session, holder_id, offer.id)

    for id_ in (uuid4(), before.id):
        with pytest.raises(UnknownOffer) as refusal:
            redeemed(
                session, holder_id, offer.id, id_, of={"programme_holder_id": programme_holder_id}
            )
        assert refusal.value.offer_id == offer.id

    assert (balance(session, holder_id), stock(session, offer.id)) == (180, 4)


def test_who_redeems_for_the_resident_is_kept_and_a_retry_is_anybodys(session):
    holder_id, offer, relative = a_resident(session, points=300), an_offer(session), uuid4()
    acting = f"delegate:{relative}"

    done = redeemed(session, holder_id, offer.id, acting=acting)

    assert session.get_one(Posting, done.id).actor == done.acted_by == acting
    assert redeemed(session, holder_id, offer.id, done.id) == done
    own = redeemed(session, holder_id, offer.id)
    assert (session.get_one(Posting, own.id).actor, own.acted_by) == (f"holder:{holder_id}", None)
    assert redeemed(session, holder_id, offer.id, own.id, acting=acting).acted_by is None


def test_somebody_elses_redemption_is_unknown(session):
    holder_id, offer = a_resident(session, points=300), an_offer(session)
    done = redeemed(session, holder_id, offer.id)

    assert get_redemption(session, done.id, holder_id=holder_id).spent_points == 120
    with pytest.raises(UnknownRedemption):
        get_redemption(session, done.id, holder_id=uuid4())


def test_in_a_rush_no_more_are_sold_than_there_are(database):
    """24 residents on 12 threads want 5 units: five succeed, each charged once."""
    holders = database.transact(lambda s: [a_resident(s, points=200) for _ in range(24)])
    offer_id = database.transact(lambda s: an_offer(s, stock_units=5).id)

    def want(holder_id) -> bool:
        try:
            database.transact(lambda s: redeemed(s, holder_id, offer_id))
        except SoldOut:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(want, holders))

    assert won.count(True) == 5
    balances = database.transact(lambda s: [balance(s, h) for h in holders])
    assert balances == [80 if w else 200 for w in won]
    assert database.transact(lambda s: stock(s, offer_id)) == 0


def test_racing_retries_of_one_redemption_spend_once(database):
    holder_id = database.transact(lambda s: a_resident(s, points=500))
    offer_id = database.transact(lambda s: an_offer(s).id)
    redemption_id = uuid4()

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(
                lambda _: database.transact(
                    lambda s: redeemed(s, holder_id, offer_id, redemption_id)
                ),
                range(10),
            )
        )

    assert len(set(answers)) == 1
    assert database.transact(lambda s: balance(s, holder_id)) == 380
    count = select(func.count()).select_from(Redemption).where(Redemption.id == redemption_id)
    assert database.transact(lambda s: s.scalar(count)) == 1


# --- Kinds ----------------------------------------------------------------------------------------


@pytest.fixture
def offered(session):
    """The id of an offer of a kind, and its merchant's."""
    issuer = programme_holder(session)
    merchant_id = shopping.a_merchant(session, issuer)

    def offer(**terms):
        return shopping.an_offer(session, issuer, merchant_id, **terms), merchant_id

    return offer


def a_donation(session, **terms):
    issuer = programme_holder(session)
    merchant_id = shopping.a_merchant(session, issuer)
    project_id = shopping.a_project(session, issuer, merchant_id)
    more = {"kind": "donation", "project_id": project_id, "stock_units": 1_000} | terms
    return shopping.an_offer(session, issuer, merchant_id, **more), merchant_id


def lines(session, merchant_id):
    return list(
        session.scalars(select(SettlementLine).where(SettlementLine.merchant_id == merchant_id))
    )


@pytest.mark.parametrize("kind", ["voucher", "goods"])
def test_a_voucher_keeps_the_terms_and_the_end_of_its_version(session, offered, kind):
    offer_id, merchant_id = offered(kind=kind, valid_days=30)
    done = redeemed(session, a_resident(session, points=100), offer_id)

    voucher = session.get_one(Voucher, code_sha256(done.voucher_code))
    assert (done.version, done.state, done.units) == (1, "done", 1)
    assert voucher.expires_at == done.expires_at == datetime(2026, 12, 21, 16, tzinfo=UTC)
    assert (voucher.merchant_id, voucher.redemption_id, voucher.version) == (
        *(merchant_id, done.id), 1,
    )  # fmt: skip


def test_what_was_redeemed_keeps_its_terms_when_the_offer_changes(session, offered):
    offer_id, _ = offered(valid_days=30)
    holder_id = a_resident(session, points=1_000)
    before = redeemed(session, holder_id, offer_id)
    shopping.a_version(session, offer_id, price_points=7, valid_days=1)

    again, after = (
        redeemed(session, holder_id, offer_id, before.id),
        redeemed(session, holder_id, offer_id),
    )

    assert again == before
    assert (after.version, after.spent_points) == (2, 7)
    assert after.expires_at == datetime(2026, 11, 22, 16, tzinfo=UTC)


def test_of_a_pool_each_gets_a_code_of_their_own(session, offered):
    offer_id, merchant_id = offered(kind="pool_code")
    shopping.a_pool(session, offer_id, ["ABC-1", "ABC-2"], CODES)
    holders = [a_resident(session, points=100) for _ in range(3)]
    first, second = (redeemed(session, holder, offer_id) for holder in holders[:2])

    assert {first.voucher_code, second.voucher_code} == {"ABC-1", "ABC-2"}
    assert session.get_one(Voucher, CODES.pool_hash(merchant_id, first.voucher_code))
    assert redeemed(session, holders[0], offer_id, first.id) == first
    with pytest.raises(SoldOut):
        redeemed(session, holders[2], offer_id)


def test_in_a_rush_for_a_pool_no_code_is_given_twice(database):
    def prepare(session):
        issuer = programme_holder(session)
        merchant_id = shopping.a_merchant(session, issuer)
        offer_id = shopping.an_offer(session, issuer, merchant_id, kind="pool_code")
        shopping.a_pool(session, offer_id, [f"C{n}" for n in range(8)], CODES)
        return offer_id, [a_resident(session, points=100) for _ in range(24)]

    offer_id, holders = database.transact(prepare)

    def want(holder_id):
        try:
            return database.transact(lambda s: redeemed(s, holder_id, offer_id)).voucher_code
        except SoldOut:
            return None

    with ThreadPoolExecutor(8) as pool:
        given = [code for code in pool.map(want, holders) if code is not None]

    assert sorted(given) == [f"C{n}" for n in range(8)]


def test_a_donation_of_many_units_is_owed_to_the_project_at_once(session):
    offer_id, merchant_id = a_donation(session, settlement_fen=30, price_points=5)
    holder_id = a_resident(session, points=1_000)
    done = redeemed(session, holder_id, offer_id, units=100)

    assert (done.spent_points, done.voucher_code, done.expires_at) == (500, None, None)
    (line,) = lines(session, merchant_id)
    assert (line.kind, line.amount_fen, line.redemption_id) == ("donation", 3_000, done.id)
    assert (balance(session, holder_id), stock(session, offer_id)) == (500, 900)
    assert vouchers(session, holder_id) == 0
    assert redeemed(session, holder_id, offer_id, done.id, units=100) == done
    assert len(lines(session, merchant_id)) == 1


def test_the_same_id_for_another_number_of_units_is_refused(session):
    offer_id, _ = a_donation(session)
    holder_id = a_resident(session, points=1_000)
    done = redeemed(session, holder_id, offer_id, units=2)

    with pytest.raises(RedemptionReused):
        redeemed(session, holder_id, offer_id, done.id, units=3)


def test_a_top_up_is_not_redeemed_here(session, offered):
    offer_id, _ = offered(kind="top_up")

    with pytest.raises(NeedsGateway):
        redeemed(session, a_resident(session, points=100), offer_id)


# --- Limits and money -----------------------------------------------------------------------------


def test_a_residents_limit_is_theirs_alone_and_a_retry_is_no_second(session, offered):
    offer_id, _ = offered(resident_week_units=1)
    one, other = (a_resident(session, points=300) for _ in range(2))
    done = redeemed(session, one, offer_id)

    assert redeemed(session, one, offer_id, done.id) == done
    with pytest.raises(ResidentLimitReached):
        redeemed(session, one, offer_id)
    assert redeemed(session, other, offer_id)
    assert redeemed(session, one, offer_id, now=NOW + timedelta(days=7))


def test_the_day_of_the_offer_is_limited_for_all(session, offered):
    offer_id, _ = offered(daily_units=1)
    redeemed(session, a_resident(session, points=100), offer_id)
    second = a_resident(session, points=100)

    with pytest.raises(DailyLimitReached), session.begin_nested():
        redeemed(session, second, offer_id)

    assert balance(session, second) == 100
    assert redeemed(session, second, offer_id, now=NOW + timedelta(days=1))


def test_an_offer_stops_when_its_budget_would_be_exceeded(session, offered):
    offer_id, _ = offered(settlement_fen=400, budget_fen=1_000)
    holders = [a_resident(session, points=100) for _ in range(3)]
    for holder_id in holders[:2]:
        redeemed(session, holder_id, offer_id)

    with pytest.raises(BudgetExhausted), session.begin_nested():
        redeemed(session, holders[2], offer_id)

    assert balance(session, holders[2]) == 100


def test_racing_redemptions_of_one_resident_stay_within_the_limit(database):
    holder_id = database.transact(lambda s: a_resident(s, points=2_000))
    offer_id = database.transact(lambda s: an_offer(s, stock_units=10, resident_day_units=3).id)

    def want(_):
        try:
            return database.transact(lambda s: redeemed(s, holder_id, offer_id))
        except ResidentLimitReached:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [one for one in pool.map(want, range(10)) if one]

    assert len(won) == 3
    assert database.transact(lambda s: balance(s, holder_id)) == 2_000 - 3 * 120


def test_racing_redemptions_stay_within_a_budget(database):
    holders = database.transact(lambda s: [a_resident(s, points=200) for _ in range(16)])
    offer_id = database.transact(
        lambda s: an_offer(s, stock_units=50, settlement_fen=100, budget_fen=750).id
    )

    def want(holder_id):
        try:
            return database.transact(lambda s: redeemed(s, holder_id, offer_id))
        except BudgetExhausted:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert sum(1 for one in pool.map(want, holders) if one) == 7
