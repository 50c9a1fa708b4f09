"""A held amount is part of the balance, not available, and ends once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from ledgers.accounts import REDEEMED, account_key
from ledgers.errors import (
    DeadlineOutOfBounds,
    HoldEnded,
    HoldExceeded,
    HoldReused,
    InsufficientPoints,
    InvalidAmount,
    PostingReused,
    UnknownAccount,
    UnknownHold,
    WrongUnit,
)
from ledgers.holds import (
    DAYS_MAX,
    NewHold,
    active_holds,
    capture,
    get_hold,
    lapse_due_holds,
    release,
    reserve,
)
from ledgers.models import Account, Transfer
from ledgers.posting import AMOUNT_MAX
from tests.ledgers.issuers import JANUARY, Issuer, lots, points

LATER = JANUARY + timedelta(days=1)


@pytest.fixture
def issuer(session):
    return Issuer.opened(session)


@pytest.fixture
def holder_id(session, issuer):
    found = issuer.resident(session)
    issuer.earn(session, found, 100, at=JANUARY)
    return found


def a_hold(holder_id, amount=60, **changes) -> NewHold:
    return replace(NewHold(uuid4(), holder_id, amount, uuid4(), "test", LATER), **changes)


def take(session, issuer, hold, amount, *, at=JANUARY, capture_id=None, **changes):
    arguments = {
        "holder_id": hold.holder_id,
        "hold_id": hold.id,
        "points": amount,
        "credit": account_key(issuer.holder_id, "point", REDEEMED),
        "actor": "test",
        "now": at,
    }
    return capture(session, capture_id or uuid4(), **(arguments | changes))


def give_back(session, hold, *, at=JANUARY):
    return release(session, holder_id=hold.holder_id, hold_id=hold.id, actor="test", now=at)


def figures(session, holder_id):
    account = points(session, holder_id)
    return account.balance, account.held, account.available


def test_what_is_held_is_not_available(session, issuer, holder_id):
    reserve(session, a_hold(holder_id), now=JANUARY)

    assert figures(session, holder_id) == (100, 60, 40)
    with pytest.raises(InsufficientPoints) as refusal, session.begin_nested():
        issuer.spend(session, holder_id, 41, at=JANUARY)
    assert refusal.value.have_points == 40
    with pytest.raises(InsufficientPoints), session.begin_nested():
        reserve(session, a_hold(holder_id, 41), now=JANUARY)


def test_a_capture_of_all_spends_it(session, issuer, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    posted = take(session, issuer, hold, 60)

    assert figures(session, holder_id) == (40, 0, 40)
    spent = session.scalars(select(Transfer).where(Transfer.posting_id == posted.id)).one()
    assert (spent.kind, spent.amount, spent.reference) == ("spend", 60, hold.reference)
    found = get_hold(session, holder_id, hold.id)
    assert (found.state, found.captured, found.ended_by) == ("captured", 60, posted.id)


def test_a_capture_of_a_part_releases_the_rest(session, issuer, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    take(session, issuer, hold, 25)

    assert figures(session, holder_id) == (75, 0, 75)


def test_a_release_gives_it_back_and_again_is_a_retry(session, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    answers = [give_back(session, hold) for _ in range(2)]

    assert [answer.state for answer in answers] == ["released", "released"]
    assert figures(session, holder_id) == (100, 0, 100)


def test_a_hold_lapses_by_itself_at_its_deadline(session, issuer, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    with pytest.raises(HoldEnded) as refusal, session.begin_nested():
        take(session, issuer, hold, 60, at=LATER)
    assert (refusal.value.state, refusal.value.ended_at) == ("lapsed", LATER.isoformat())
    assert lapse_due_holds(session, now=LATER, limit=10_000) >= 1
    session.expire_all()
    assert get_hold(session, holder_id, hold.id).state == "lapsed"
    assert figures(session, holder_id) == (100, 0, 100)
    assert active_holds(session, holder_id) == []


def test_the_same_hold_again_is_a_retry(session, holder_id):
    hold = a_hold(holder_id)

    answers = [reserve(session, hold, now=JANUARY) for _ in range(2)]

    assert answers[0].id == answers[1].id
    assert figures(session, holder_id) == (100, 60, 40)
    with pytest.raises(HoldReused):
        reserve(session, replace(hold, points=61), now=JANUARY)


def test_the_same_capture_again_is_a_retry_also_after_the_deadline(session, issuer, holder_id):
    hold, capture_id = a_hold(holder_id), uuid4()
    reserve(session, hold, now=JANUARY)

    answers = [
        take(session, issuer, hold, 60, capture_id=capture_id, at=at) for at in (JANUARY, LATER)
    ]

    assert [answer.written for answer in answers] == [True, False]
    assert figures(session, holder_id) == (40, 0, 40)
    with pytest.raises(PostingReused):
        take(session, issuer, hold, 59, capture_id=capture_id)


@pytest.mark.parametrize("first", ["capture", "release", "lapse"])
@pytest.mark.parametrize("second", ["capture", "release"])
def test_a_hold_ends_once(session, issuer, holder_id, first, second):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)
    endings = {
        "capture": lambda: take(session, issuer, hold, 60),
        "release": lambda: give_back(session, hold),
        "lapse": lambda: lapse_due_holds(session, now=LATER, limit=10_000),
    }
    endings[first]()
    before = figures(session, holder_id)

    if first == second == "release":
        assert endings[second]().state == "released"
    else:
        with pytest.raises(HoldEnded), session.begin_nested():
            endings[second]()
    assert figures(session, holder_id) == before


def test_more_than_is_held_cannot_be_captured(session, issuer, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    with pytest.raises(HoldExceeded) as refusal:
        take(session, issuer, hold, 61)

    assert (refusal.value.held_points, refusal.value.asked_points) == (60, 61)
    assert figures(session, holder_id) == (100, 60, 40)


@pytest.mark.parametrize("amount", [0, -1, 1.5, "10", True, AMOUNT_MAX + 1])
def test_amounts_that_are_none_are_refused(session, issuer, holder_id, amount):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)

    with pytest.raises(InvalidAmount):
        reserve(session, a_hold(holder_id, amount), now=JANUARY)
    with pytest.raises(InvalidAmount):
        take(session, issuer, hold, amount)


@pytest.mark.parametrize(
    "deadline_at", [JANUARY, JANUARY - timedelta(days=1), JANUARY + timedelta(days=DAYS_MAX + 1)]
)
def test_a_deadline_is_ahead_and_within_the_bound(session, holder_id, deadline_at):
    with pytest.raises(DeadlineOutOfBounds):
        reserve(session, a_hold(holder_id, deadline_at=deadline_at), now=JANUARY)


def test_nobody_elses_hold_can_be_ended(session, issuer, holder_id):
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)
    stranger = replace(hold, holder_id=issuer.resident(session))

    with pytest.raises(UnknownHold):
        take(session, issuer, stranger, 60)
    with pytest.raises(UnknownHold):
        give_back(session, stranger)


def test_unknown_and_closed_accounts_and_other_units_are_refused(session, issuer, holder_id):
    with pytest.raises(UnknownAccount):
        reserve(session, a_hold(uuid4()), now=JANUARY)
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)
    with pytest.raises(WrongUnit):
        take(session, issuer, hold, 5, credit=account_key(issuer.holder_id, "mg_co2e", REDEEMED))
    session.get_one(Account, (holder_id, points(session, holder_id).id)).closed_at = JANUARY
    session.flush()
    with pytest.raises(UnknownAccount):
        reserve(session, a_hold(holder_id, 5), now=JANUARY)


def test_an_account_closed_with_an_open_order_keeps_points_and_order_until_it_is_settled(
    session, issuer, holder_id
):
    """The order is a hold: past the account's end nobody ends it, and nothing is lost."""
    hold = a_hold(holder_id)
    reserve(session, hold, now=JANUARY)
    account = session.get_one(Account, (holder_id, points(session, holder_id).id))
    account.closed_at = JANUARY
    session.flush()

    for attempt in (lambda: take(session, issuer, hold, 60), lambda: give_back(session, hold)):
        with pytest.raises(UnknownAccount):
            attempt()
        session.expire_all()
        assert (account.balance, account.held) == (100, 60)
        assert get_hold(session, holder_id, hold.id).state == "held"

    account.closed_at = None  # Opened again to settle it.
    session.flush()
    take(session, issuer, hold, 60)
    assert figures(session, holder_id) == (40, 0, 40)


def test_held_points_do_not_lapse_and_can_be_captured_after_their_day(session, issuer):
    """A hold of the last day of February, captured in March."""
    holder_id = issuer.resident(session)
    last = datetime(2027, 2, 28, 4, tzinfo=UTC)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    hold = a_hold(holder_id, 50, deadline_at=last + timedelta(days=10))
    reserve(session, hold, now=last)
    march = last + timedelta(days=3)

    take(session, issuer, hold, 50, at=march)

    assert figures(session, holder_id) == (0, 0, 0), "20 lapsed, 50 were used"


def test_a_release_after_the_lot_lapsed_gives_days_of_grace(session, issuer):
    holder_id = issuer.resident(session)
    last = datetime(2027, 2, 28, 4, tzinfo=UTC)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    hold = a_hold(holder_id, 50, deadline_at=last + timedelta(days=10))
    reserve(session, hold, now=last)

    give_back(session, hold, at=last + timedelta(days=3))

    assert lots(session, holder_id) == {date(2027, 4, 2): 50}
    assert figures(session, holder_id) == (50, 0, 50)


def test_lapsing_holds_costs_the_same_statements_however_many(session, issuer, statements):
    counts = []
    for many in (1, 20):
        for _ in range(many):
            resident = issuer.resident(session)
            issuer.earn(session, resident, 100, at=JANUARY)
            reserve(session, a_hold(resident), now=JANUARY)
        with statements() as seen:
            assert lapse_due_holds(session, now=LATER, limit=10_000) >= many
        counts.append(len(seen))

    assert counts[0] == counts[1] <= 10
