"""Points, stock and voucher move together or not at all."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
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
from rewards.models import OfferStock, Redemption, Voucher
from rewards.offers.listing import on_sale
from rewards.redeeming.redemption import get_redemption, redeem
from tests.makers import NOW, a_resident, an_offer, balance, programme_holder

KEY = b"k" * 32


def redeemed(session, holder_id, offer_id, redemption_id=None, *, now=NOW, **more):
    return redeem(
        session,
        redemption_id or uuid4(),
        holder_id=holder_id,
        offer_id=offer_id,
        code_key=KEY,
        now=now,
        **{"programme_holder_id": programme_holder(session)} | more,
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


def test_an_unknown_offer(session):
    with pytest.raises(UnknownOffer):
        redeemed(session, a_resident(session, points=300), uuid4())


@pytest.mark.parametrize("programme_holder_id", [None, UUID(int=7)])
def test_another_programmes_offer_is_as_unknown_and_so_is_a_retry(session, programme_holder_id):
    holder_id, offer = a_resident(session, points=300), an_offer(session)
    before = redeemed(session, holder_id, offer.id)

    for id_ in (uuid4(), before.id):
        with pytest.raises(UnknownOffer) as refusal:
            redeemed(session, holder_id, offer.id, id_, programme_holder_id=programme_holder_id)
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


def test_only_what_is_on_sale_is_listed(session):
    now_on_sale = an_offer(session, price_points=1)
    ended = an_offer(session, price_points=1, on_sale_to=NOW - timedelta(seconds=1))

    def listed(programme_holder_id):
        rows = on_sale(session, programme_holder_id=programme_holder_id, now=NOW, limit=10_000)
        return {row.offer.id for row in rows}

    assert now_on_sale.id in listed(programme_holder(session))
    assert ended.id not in listed(programme_holder(session))
    assert listed(uuid4()) == listed(None) == set()


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
