"""How many one resident may have: by the programme's days, weeks from Monday, and months."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from rewards.models import Redemption
from rewards.redeeming import limits
from rewards.redeeming.days import period_of
from rewards.redeeming.errors import ResidentLimitReached
from rewards.redeeming.terms import load
from tests.makers import a_buyer, a_resident, programme_holder
from tests.shopping import a_merchant, an_offer

WEDNESDAY = datetime(2026, 7, 1, 4, tzinfo=UTC)  # Noon in Shanghai: the week began in June.


@pytest.fixture
def had(session):
    """Whether a resident may have one more, who had some at instants, in states."""
    issuer = programme_holder(session)
    merchant_id = a_merchant(session, issuer)

    def check(*redeemed, now=WEDNESDAY, units=1, **terms):
        holder_id, offer_id = a_resident(session), an_offer(session, issuer, merchant_id, **terms)
        for at, *state in redeemed:
            over = {"ended_at": at, "ended_by": "t"}
            ended = over if {*state} - {"pending", "done"} else {}
            session.add(
                Redemption(
                    holder_id=holder_id, id=uuid4(), offer_id=offer_id, spent_points=1,
                    redeemed_at=at, state=(state or ["done"])[0], **ended,
                )
            )  # fmt: skip
        session.flush()
        limits.check(session, load(session, offer_id), a_buyer(session, holder_id), units, now)

    return check


def test_without_limits_one_may_have_any_number(had):
    had(*[(WEDNESDAY,)] * 20)


@pytest.mark.parametrize(
    ("limit", "at"),
    [
        ("resident_day_units", datetime(2026, 6, 30, 16, tzinfo=UTC)),
        ("resident_week_units", datetime(2026, 6, 28, 16, tzinfo=UTC)),
        ("resident_month_units", datetime(2026, 6, 30, 16, tzinfo=UTC)),
    ],
)
def test_a_period_begins_at_midnight_of_the_programme(had, limit, at):
    had((at - timedelta(microseconds=1),), (at,), **{limit: 2})
    with pytest.raises(ResidentLimitReached):
        had((at,), (at,), **{limit: 2})


@pytest.mark.parametrize(
    ("terms", "period", "opens_on"),
    [
        ({"resident_day_units": 1}, "day", "2026-07-02"),
        ({"resident_week_units": 1}, "week", "2026-07-06"),
        ({"resident_month_units": 1}, "month", "2026-08-01"),
        ({"resident_day_units": 1, "resident_week_units": 1}, "week", "2026-07-06"),
        ({"resident_day_units": 1, "resident_month_units": 9}, "day", "2026-07-02"),
    ],
)
def test_the_refusal_says_which_limit_and_when_it_opens(had, terms, period, opens_on):
    with pytest.raises(ResidentLimitReached) as refusal:
        had((WEDNESDAY,), **terms)

    error = refusal.value
    assert (error.period, error.opens_on) == (period, opens_on)
    assert (error.limit_units, error.taken_units) == (1, 1)


@pytest.mark.parametrize(
    ("state", "counts"),
    [("pending", True), ("done", True), ("expired", True), ("refunded", True),
     ("cancelled", False), ("failed", False)],
)  # fmt: skip
def test_what_was_cancelled_or_failed_does_not_count(had, state, counts):
    one = ((WEDNESDAY, state),)
    if counts:
        with pytest.raises(ResidentLimitReached):
            had(*one, resident_day_units=1)
    else:
        had(*one, resident_day_units=1)


def test_several_units_count_each(had):
    had((WEDNESDAY,), units=2, resident_day_units=3)
    with pytest.raises(ResidentLimitReached):
        had((WEDNESDAY,), units=3, resident_day_units=3)


@pytest.mark.parametrize(
    ("period", "day", "first", "after"),
    [
        ("day", date(2026, 12, 31), date(2026, 12, 31), date(2027, 1, 1)),
        ("week", date(2026, 11, 22), date(2026, 11, 16), date(2026, 11, 23)),
        ("week", date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 30)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(period, day, first, after):
    assert period_of(period, day) == (first, after)


def test_what_one_may_still_have_is_what_the_narrowest_limit_leaves(session, statements):
    issuer = programme_holder(session)
    merchant_id, holder_id = a_merchant(session, issuer), a_resident(session)
    terms = [
        ({}, None),
        ({"resident_day_units": 3}, 2),
        ({"resident_day_units": 3, "resident_week_units": 2}, 0),
        ({"resident_month_units": 1}, 0),
        ({"resident_week_units": 9}, 7),
    ]
    offers = {an_offer(session, issuer, merchant_id, **limit): left for limit, left in terms}
    for offer_id in offers:
        for hours, state in ((1, "done"), (13, "done"), (2, "cancelled")):
            at = WEDNESDAY - timedelta(hours=hours)
            ended = {"ended_at": at, "ended_by": "t"} if state == "cancelled" else {}
            session.add(
                Redemption(
                    holder_id=holder_id, id=uuid4(), offer_id=offer_id, spent_points=1,
                    redeemed_at=at, state=state, **ended,
                )
            )  # fmt: skip
    session.flush()
    versions, buyer = [load(session, id_).version for id_ in offers], a_buyer(session, holder_id)

    with statements() as sent:
        left = limits.own_left(session, versions, buyer, WEDNESDAY)

    assert {offer_id: left.get(offer_id) for offer_id in offers} == offers
    assert len(sent) == 1
    assert limits.own_left(session, versions[:1], buyer, WEDNESDAY) == {}
