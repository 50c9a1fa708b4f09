"""Points land in the lot of the policy, are used in the order in which they lapse, and lapse."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from ledgers.accounts import EXPIRED, PERSONAL, account_key
from ledgers.errors import InsufficientPoints
from ledgers.lapsing import lapse_due
from ledgers.models import Lot, Posting, Transfer
from ledgers.reversal import amounts_of_refund, reverse, spends_of
from ledgers.statements import live_lots, page
from tests.ledgers.issuers import JANUARY, Issuer, lots, points

FEBRUARY = datetime(2027, 2, 10, 4, tzinfo=UTC)
MARCH = datetime(2027, 3, 10, 4, tzinfo=UTC)
END_OF_FEBRUARY, END_OF_MARCH = date(2027, 2, 28), date(2027, 3, 31)


def lapse_all(session, *, at):
    return lapse_due(session, now=at, limit=10_000)


def undo(session, holder_id, amounts, *, at):
    return reverse(
        session,
        uuid4(),
        holder_id=holder_id,
        amounts=amounts,
        actor="operator:1",
        reason="test",
        now=at,
    )


@pytest.mark.parametrize(
    ("ends", "periods", "at", "expires_on"),
    [
        ("month", 0, JANUARY, date(2027, 1, 31)),
        ("month", 1, JANUARY, END_OF_FEBRUARY),
        ("month", 119, JANUARY, date(2036, 12, 31)),
        ("year", 0, JANUARY, date(2027, 12, 31)),
        ("year", 9, JANUARY, date(2036, 12, 31)),
        # A quarter past midnight of 1 February in Shanghai is still January in UTC.
        ("month", 0, datetime(2027, 1, 31, 16, 15, tzinfo=UTC), END_OF_FEBRUARY),
        ("month", 0, datetime(2027, 1, 31, 15, 59, tzinfo=UTC), date(2027, 1, 31)),
    ],
)
def test_an_earning_lands_in_the_lot_of_the_policy(session, ends, periods, at, expires_on):
    issuer = Issuer.opened(session, ends=ends, periods=periods)
    holder_id = issuer.resident(session)

    earned = issuer.earn(session, holder_id, 70, at=at)

    assert lots(session, holder_id) == {expires_on: 70}
    assert earned.expires_on == expires_on


def test_a_lot_lapses_at_the_end_of_its_last_day_in_the_programmes_zone(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)

    lot = session.scalars(select(Lot).where(Lot.holder_id == holder_id)).one()

    assert lot.lapses_at == datetime(2027, 2, 28, 16, tzinfo=UTC)


def test_without_a_policy_in_force_points_never_expire(session):
    issuer = Issuer.opened(session, valid_from=date(2027, 2, 1))
    holder_id = issuer.resident(session)

    issuer.earn(session, holder_id, 70, at=JANUARY)
    issuer.earn(session, holder_id, 30, at=FEBRUARY)

    assert lots(session, holder_id) == {END_OF_MARCH: 30}
    assert points(session, holder_id).balance == 100
    spent = issuer.spend(session, holder_id, 40, at=FEBRUARY)
    assert [(t.expires_on, t.amount) for t in spent] == [(END_OF_MARCH, 30), (None, 10)]


def test_spending_takes_the_points_that_lapse_first_a_transfer_for_each_lot(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 50, at=FEBRUARY)
    issuer.earn(session, holder_id, 70, at=JANUARY)

    spent = issuer.spend(session, holder_id, 100, at=FEBRUARY)

    assert [(t.expires_on, t.amount) for t in spent] == [(END_OF_FEBRUARY, 70), (END_OF_MARCH, 30)]
    assert lots(session, holder_id) == {END_OF_MARCH: 20}


def test_a_due_lot_lapses_by_a_posting_of_its_own(session):
    issuer = Issuer.opened(session)
    residents = [issuer.resident(session) for _ in range(3)]
    for holder_id in residents:
        issuer.earn(session, holder_id, 70, at=JANUARY)
        issuer.earn(session, holder_id, 30, at=FEBRUARY)

    lapse_all(session, at=MARCH)

    expired = UUID(account_key(issuer.holder_id, "point", EXPIRED).id)
    lapses = session.scalars(select(Transfer).where(Transfer.credit_account_id == expired)).all()
    assert {(t.holder_id, t.amount, t.kind, t.expires_on) for t in lapses} == {
        (holder_id, 70, "lapse", END_OF_FEBRUARY) for holder_id in residents
    }
    assert len({t.posting_id for t in lapses}) == 3
    assert session.get_one(Posting, lapses[0].posting_id).kind == "lapse"
    for holder_id in residents:
        assert lots(session, holder_id) == {END_OF_MARCH: 30}
        assert points(session, holder_id).balance == 30


def test_lapsing_again_changes_nothing_and_forgets_what_is_empty(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    lapse_all(session, at=MARCH)

    again = lapse_all(session, at=MARCH)

    assert again.lapsed == 0
    assert points(session, holder_id).balance == 0
    assert session.scalars(select(Lot).where(Lot.holder_id == holder_id)).all() == []


def test_lapsing_costs_the_same_statements_however_many(database, statements, session):
    issuer = Issuer.opened(session)
    counts = []
    for many in (1, 30):
        for _ in range(many):
            issuer.earn(session, issuer.resident(session), 5, at=JANUARY)
        with statements() as seen:
            lapse_all(session, at=MARCH)
        counts.append(len(seen))

    assert counts[0] == counts[1] <= 12


def test_batches_of_lapses_go_on_where_they_ended(session):
    issuer = Issuer.opened(session)
    residents = {issuer.resident(session) for _ in range(5)}
    for holder_id in residents:
        issuer.earn(session, holder_id, 5, at=JANUARY)

    after, batches = UUID(int=0), 0
    while (done := lapse_due(session, now=MARCH, after=after, limit=2)).accounts:
        after, batches = done.after, batches + 1

    assert batches >= 3
    assert {points(session, holder_id).balance for holder_id in residents} == {0}


def test_what_can_be_spent_does_not_wait_for_the_job(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    issuer.earn(session, holder_id, 30, at=FEBRUARY)

    with pytest.raises(InsufficientPoints) as refusal, session.begin_nested():
        issuer.spend(session, holder_id, 31, at=MARCH)

    assert refusal.value.have_points == 30
    assert points(session, holder_id).balance == 100, "a refusal changes nothing"
    issuer.spend(session, holder_id, 30, at=MARCH)
    assert points(session, holder_id).balance == 0


def test_a_refund_goes_back_to_the_lots_it_came_from(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    issuer.earn(session, holder_id, 50, at=FEBRUARY)
    before = lots(session, holder_id)
    spent = issuer.spend(session, holder_id, 100, at=FEBRUARY)

    undo(session, holder_id, dict.fromkeys(t.id for t in spent), at=FEBRUARY)

    assert lots(session, holder_id) == before


def test_part_of_a_refund_gives_back_what_lapses_last(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    issuer.earn(session, holder_id, 50, at=FEBRUARY)
    spent = issuer.spend(session, holder_id, 100, at=FEBRUARY)
    spends = spends_of(session, holder_id, spent[0].posting_id)

    undo(session, holder_id, amounts_of_refund(spends.values(), 40), at=FEBRUARY)

    assert lots(session, holder_id) == {END_OF_FEBRUARY: 10, END_OF_MARCH: 50}


@pytest.mark.parametrize(
    ("grace_days", "then"), [(30, {date(2027, 4, 9): 70}), (0, {END_OF_FEBRUARY: 70})]
)
def test_a_redemption_cancelled_after_its_lot_lapsed_gets_the_days_of_grace(
    session, grace_days, then
):
    issuer = Issuer.opened(session, grace_days=grace_days)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 70, at=JANUARY)
    spent = issuer.spend(session, holder_id, 70, at=FEBRUARY)

    undo(session, holder_id, {spent[0].id: None}, at=MARCH)

    assert lots(session, holder_id) == then
    account = UUID(account_key(holder_id, "point", PERSONAL).id)
    newest = page(session, holder_id, account).entries[0]
    shown = ("refund_in_grace" if grace_days else "refund", next(iter(then)))
    assert (newest.kind, newest.expires_on) == shown, "visible on the statement"


def test_a_clawback_takes_the_lot_it_came_from_then_what_lapses_first(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 40, at=JANUARY)
    wrong = issuer.earn(session, holder_id, 60, at=FEBRUARY)
    issuer.spend(session, holder_id, 50, at=FEBRUARY)
    assert lots(session, holder_id) == {END_OF_MARCH: 50}
    issuer.earn(session, holder_id, 5, at=JANUARY)

    undo(session, holder_id, {wrong.id: 52}, at=FEBRUARY)

    assert lots(session, holder_id) == {END_OF_FEBRUARY: 3}


def test_debts_of_a_batch_are_paid_by_a_posting_of_their_own(session):
    issuer = Issuer.opened(session)
    holder_id = issuer.resident(session)
    wrong = issuer.earn(session, holder_id, 40, at=JANUARY)
    issuer.spend(session, holder_id, 40, at=JANUARY)
    undo(session, holder_id, {wrong.id: None}, at=JANUARY)
    assert points(session, holder_id).debt == 40

    issuer.earn(session, holder_id, 100, at=FEBRUARY)

    account = points(session, holder_id)
    assert (account.balance, account.debt) == (60, 0)
    assert lots(session, holder_id) == {END_OF_MARCH: 60}
    paid = page(session, holder_id, account.id).entries[:2]
    assert [(e.kind, e.amount, e.expires_on) for e in paid] == [
        ("debt_payment", 40, None),
        ("debt_payment", -40, END_OF_MARCH),
    ]
    assert [e.balance for e in paid] == [60, 20]


def test_lots_are_listed_the_next_to_lapse_first(session):
    issuer = Issuer.opened(session, ends="year", periods=1)
    holder_id = issuer.resident(session)
    issuer.earn(session, holder_id, 20, at=JANUARY + timedelta(days=200))
    other = Issuer.opened(session)
    other.earn(session, holder_id, 10, at=JANUARY)

    account = UUID(account_key(holder_id, "point", PERSONAL).id)
    listed = [(lot.expires_on, lot.remaining) for lot in live_lots(session, holder_id, account)]

    assert listed == [(END_OF_FEBRUARY, 10), (date(2028, 12, 31), 20)]
