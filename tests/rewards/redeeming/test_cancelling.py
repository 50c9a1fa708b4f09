"""Cancelled in time: points to their lots, the unit to the offer, and the voucher is void."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.models import Lot
from rewards.errors import UnknownRedemption, VoucherConsumed
from rewards.models import Budget, OfferStock, Redemption, Voucher
from rewards.redeeming import cancelling
from rewards.redeeming.errors import NotCancellable, RedemptionEnded
from rewards.redeeming.redemption import redeem
from rewards.voucher_codes import code_sha256
from tests.makers import CODES, NOW, a_buyer, a_resident, an_offer, balance
from tests.shopping import a_version

HOUR = timedelta(hours=1)


def bought(session, **terms):
    """A resident of 300 points, and what they redeemed of an offer that may be cancelled."""
    holder_id = a_resident(session, points=300)
    offer = an_offer(session, **{"cancel_hours": 24} | terms)
    buyer = a_buyer(session, holder_id)
    done = redeem(session, uuid4(), buyer=buyer, offer_id=offer.id, codes=CODES, now=NOW)
    return holder_id, done


def cancelled(session, holder_id, redemption_id, *, now=NOW + HOUR) -> Redemption:
    found = cancelling.cancel(
        session, redemption_id, holder_id=holder_id, zone="Asia/Shanghai", codes=CODES,
        actor=f"holder:{holder_id}", now=now,
    )  # fmt: skip
    session.flush()
    session.expire_all()
    return found


def test_everything_goes_back_to_where_it_came_from(session):
    holder_id, done = bought(session, settlement_fen=500)
    lots = select(Lot.expires_on, Lot.remaining).where(Lot.holder_id == holder_id)
    spent = session.execute(lots).all()

    ended = cancelled(session, holder_id, done.id)

    assert (ended.state, ended.returned_points) == ("cancelled", 120)
    assert (ended.ended_at, ended.ended_by) == (NOW + HOUR, f"holder:{holder_id}")
    assert balance(session, holder_id) == 300
    assert [(day, points + 120) for day, points in spent] == session.execute(lots).all()
    stock = session.get_one(OfferStock, done.offer_id)
    assert (stock.stock_units, stock.day_units) == (5, 0)
    budgets = session.scalars(select(Budget).where(Budget.drawn_fen == stock.reserved_fen)).all()
    assert budgets, "all that was drawn is there again"
    voucher = session.get_one(Voucher, code_sha256(done.voucher_code))
    assert voucher.cancelled_at == NOW + HOUR


def test_cancelling_again_changes_nothing(session):
    holder_id, done = bought(session)
    cancelled(session, holder_id, done.id)

    again = cancelled(session, holder_id, done.id, now=NOW + timedelta(days=9))

    assert again.ended_at == NOW + HOUR
    assert balance(session, holder_id) == 300
    assert session.get_one(OfferStock, done.offer_id).stock_units == 5


def test_after_a_cancellation_the_limit_lets_them_in_again(session):
    holder_id, done = bought(session, resident_day_units=1, daily_units=1)
    cancelled(session, holder_id, done.id)
    buyer = a_buyer(session, holder_id)

    assert redeem(
        session, uuid4(), buyer=buyer, offer_id=done.offer_id, codes=CODES, now=NOW + HOUR
    )


@pytest.mark.parametrize(
    ("terms", "after", "until"),
    [
        ({}, timedelta(hours=24), NOW + timedelta(hours=24)),
        ({"cancel_hours": 1}, HOUR, NOW + HOUR),
        ({"valid_until": NOW + HOUR}, HOUR, NOW + HOUR),
        ({"cancel_hours": 0}, timedelta(), None),
    ],
)
def test_in_time_only(session, terms, after, until):
    holder_id, done = bought(session, **terms)

    with pytest.raises(NotCancellable) as refusal:
        cancelled(session, holder_id, done.id, now=NOW + after)

    assert refusal.value.cancel_until == (until and until.isoformat())
    assert balance(session, holder_id) == 180
    if until is not None:
        assert cancelled(session, holder_id, done.id, now=until - timedelta(seconds=1))


def test_by_the_terms_of_then(session):
    holder_id, done = bought(session)
    a_version(session, done.offer_id, cancel_hours=0)

    assert cancelled(session, holder_id, done.id).state == "cancelled"


def test_what_was_used_is_not_cancelled(session):
    holder_id, done = bought(session)
    voucher = session.get_one(Voucher, code_sha256(done.voucher_code))
    voucher.consumed_at, voucher.consumption_id = NOW, uuid4()
    session.flush()

    with pytest.raises(VoucherConsumed) as refusal:
        cancelled(session, holder_id, done.id)

    assert refusal.value.consumed_at == NOW.isoformat()
    assert balance(session, holder_id) == 180


@pytest.mark.parametrize("state", ["expired", "refunded", "failed"])
def test_what_has_ended_is_not_cancelled(session, state):
    holder_id, done = bought(session)
    redemption = session.get_one(Redemption, (holder_id, done.id))
    redemption.state, redemption.ended_at, redemption.ended_by = state, NOW, "tests"
    session.flush()

    with pytest.raises(RedemptionEnded) as refusal:
        cancelled(session, holder_id, done.id)

    assert refusal.value.state == state


def test_somebody_elses_is_unknown(session):
    _, done = bought(session)

    with pytest.raises(UnknownRedemption):
        cancelled(session, a_resident(session), done.id)
