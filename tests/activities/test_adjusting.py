"""What became of an activity: nothing is overwritten, and the ledger agrees with the sum."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from activities.changes.adjusting import Change, adjust, current, history_of
from activities.models import Activity, Adjustment
from ledgers.audit import audit as audit_ledger
from ledgers.models import Posting, Transfer
from ledgers.posting import post
from ledgers.reversal import reverse
from tests.makers import NOW, a_resident, a_ride, balance, debt, recorded, spending


def ridden(session: Session, holder_id: UUID | None = None) -> Activity:
    """A ride that earned 52 g and 52 points."""
    holder_id = holder_id or a_resident(session)
    (answer,) = recorded(session, a_ride(holder_id))
    return session.get_one(Activity, (holder_id, answer.activity_id))


def to(activity: Activity, points: int, mg: int | None = None, **other) -> Change:
    return Change(
        id=other.pop("id", None) or uuid4(),
        activity=activity,
        kind="changed",
        decision="verified",
        code="changed",
        quantity=1,
        saved_mg_co2e=points * 1_000 if mg is None else mg,
        points=points,
        method_code=activity.method_code,
        method_version=activity.method_version,
        actor="operator:1",
        approved_by="operator:2",
        reason="wrong",
        **other,
    )


def withdrawn(activity: Activity) -> Change:
    return Change(
        id=uuid4(),
        activity=activity,
        kind="withdrawn",
        decision="rejected",
        code="withdrawn",
        quantity=1,
        actor="operator:1",
        reason="never happened",
    )


def entries(session: Session, activity: Activity) -> list[tuple[str, str, int]]:
    """The resident's entries for an activity as a statement has them, in their order."""
    query = select(Transfer.unit, Transfer.kind, Transfer.amount).where(
        Transfer.holder_id == activity.holder_id, Transfer.reference == activity.id
    )
    return [tuple(row) for row in session.execute(query.order_by(Transfer.id))]


def test_what_is_more_is_one_posting_and_the_first_decision_stands(session):
    activities = [ridden(session) for _ in range(3)]

    adjustments = adjust(session, [to(each, 60) for each in activities], now=NOW)

    assert {(one.saved_mg_co2e, one.points, one.trimmed_points) for one in adjustments} == {
        (8_000, 8, 0)
    }
    (posting_id,) = {one.posting_id for one in adjustments}
    posting = session.get_one(Posting, posting_id)
    assert (posting.kind, posting.actor, posting.approved_by, posting.reason) == (
        *("adjustment", "operator:1", "operator:2"),
        "wrong",
    )
    assert posting.transfer_count == 6
    assert [balance(session, each.holder_id) for each in activities] == [60, 60, 60]
    assert [session.get(Activity, (a.holder_id, a.id)).points for a in activities] == [52, 52, 52]


def test_what_is_less_is_a_reversal_that_the_adjustment_names(session):
    activity = ridden(session)

    (one,) = adjust(session, [to(activity, 20)], now=NOW)

    assert (one.saved_mg_co2e, one.points, one.posting_id) == (-32_000, -32, None)
    assert session.get_one(Posting, one.reversal_id).kind == "adjustment"
    assert sorted(entries(session, activity)) == [
        ("mg_co2e", "earn", 52_000),
        ("mg_co2e", "reversal", 32_000),
        ("point", "earn", 52),
        ("point", "reversal", 32),
    ]


def test_points_and_grams_go_their_own_ways(session):
    activity = ridden(session)

    (one,) = adjust(session, [to(activity, 40, mg=70_000)], now=NOW)

    assert (one.saved_mg_co2e, one.points) == (18_000, -12)
    assert None not in (one.posting_id, one.reversal_id)
    assert balance(session, activity.holder_id) == 40
    assert balance(session, activity.holder_id, "mg_co2e") == 70_000


def test_what_changes_nothing_is_written_down_without_a_posting(session):
    activity = ridden(session)

    (one,) = adjust(session, [to(activity, 52)], now=NOW)

    assert (one.saved_mg_co2e, one.points) == (0, 0)
    assert (one.posting_id, one.reversal_id) == (None, None)
    assert len(history_of(session, activity.holder_id, activity.id)) == 1


def test_the_same_again_is_a_retry_whatever_came_after_it(session):
    activity = ridden(session)
    first = to(activity, 20)
    adjust(session, [first], now=NOW)
    adjust(session, [to(activity, 30)], now=NOW)
    before = len(entries(session, activity))

    (again,) = adjust(session, [first], now=NOW + timedelta(days=1))

    assert (again.id, again.points) == (first.id, -32)
    assert len(entries(session, activity)) == before
    assert balance(session, activity.holder_id) == 30


def test_a_correction_of_a_correction_ends_where_it_says(session):
    activity = ridden(session)

    for points in (10, 75, 40, 0, 52):
        adjust(session, [to(activity, points)], now=NOW)
        assert balance(session, activity.holder_id) == points

    found = history_of(session, activity.holder_id, activity.id)
    assert [one.points for one in found] == [-42, 65, -35, -40, 52]
    assert found == sorted(found, key=lambda one: one.recorded_at)


def test_what_was_given_last_is_taken_first(session):
    activity = ridden(session)
    adjust(session, [to(activity, 60)], now=NOW)

    adjust(session, [to(activity, 50)], now=NOW)

    taken = select(Transfer.reverses_id, Transfer.amount).where(
        Transfer.holder_id == activity.holder_id,
        Transfer.reverses_id.is_not(None),
        Transfer.unit == "point",
    )
    of_earn = {
        session.get_one(Transfer, (activity.holder_id, id_)).amount: n
        for id_, n in session.execute(taken)
    }
    assert of_earn == {8: 8, 52: 2}


def test_points_already_spent_become_a_debt_and_both_entries_stand(session):
    activity = ridden(session)
    post(session, spending(session, activity.holder_id, 50), now=NOW)

    adjust(session, [withdrawn(activity)], now=NOW)

    assert (balance(session, activity.holder_id), debt(session, activity.holder_id)) == (0, 50)
    assert [entry for entry in entries(session, activity) if entry[0] == "point"] == [
        ("point", "earn", 52),
        ("point", "reversal", 2),  # Of its lot, and the rest of nothing.
        ("point", "reversal", 50),
    ]


def test_what_a_correction_of_the_ledger_took_is_not_taken_twice(session):
    activity = ridden(session)
    earn = session.scalars(
        select(Transfer.id).where(
            Transfer.holder_id == activity.holder_id, Transfer.unit == "point"
        )
    ).one()
    reverse(
        session, uuid4(), holder_id=activity.holder_id, amounts={earn: 50}, actor="operator:1",
        reason="by hand", now=NOW, kind="correction", approved_by="operator:2",
    )  # fmt: skip

    adjust(session, [withdrawn(activity)], now=NOW)

    assert (balance(session, activity.holder_id), debt(session, activity.holder_id)) == (0, 0)


def test_how_it_stands_is_the_last_word_and_the_sum(session):
    activity, other = ridden(session), ridden(session)
    adjust(session, [to(activity, 20)], now=NOW)
    adjust(session, [withdrawn(activity)], now=NOW - timedelta(hours=1))  # A clock that is behind.

    keys = [(each.holder_id, each.id) for each in (activity, other)]
    states = current(session, [*keys, (other.holder_id, uuid4())])

    found, untouched = states[activity.id], states[other.id]
    assert (found.decision, found.code) == ("rejected", "withdrawn")
    assert (found.saved_mg_co2e, found.points, found.method_code) == (0, 0, None)
    assert (untouched.decision, untouched.points) == ("verified", 52)
    assert len(states) == 2


def test_thousands_cost_as_many_statements_as_two(session, statements):
    seen = []
    for count in (2, 1_000):
        holders = [a_resident(session) for _ in range(min(count, 40))]
        rides = [
            a_ride(holders[n % len(holders)], at=NOW + timedelta(hours=-n)) for n in range(count)
        ]
        answers = recorded(session, *rides)
        query = select(Activity).where(Activity.id.in_([one.activity_id for one in answers]))
        activities = list(session.scalars(query))
        changes = [to(one, 60 if n % 2 else 20) for n, one in enumerate(activities)]
        session.expire_all()
        session.scalars(query).all()
        with statements() as sent:
            adjust(session, changes, now=NOW)
        seen.append(len(sent))

    assert seen[0] == seen[1] <= 35


@pytest.mark.parametrize("count", [1, 3])
def test_books_agree_afterwards(fresh_database, count):
    def work(session: Session) -> None:
        activities = [ridden(session) for _ in range(count)]
        for points in (10, 90, 0):
            adjust(session, [to(each, points) for each in activities], now=NOW)
        adjust(session, [withdrawn(activities[0])], now=NOW)

    fresh_database.transact(work)

    with fresh_database.snapshot() as session:
        assert list(audit_ledger(session)) == []
        drifts = [d for d in audit_activities(session) if d.check == "grant of an activity"]
        assert drifts == []


def test_the_audit_names_an_activity_whose_adjustment_was_not_posted(session):
    activity = ridden(session)
    (one,) = adjust(session, [to(activity, 52)], now=NOW)
    session.add(
        Adjustment(
            **{
                name: getattr(one, name)
                for name in Adjustment.__table__.columns.keys()  # noqa: SIM118
            }
            | {"id": uuid4(), "points": 7}
        )
    )
    session.flush()

    assert str(activity.id) in {
        d.subject for d in audit_activities(session) if d.check == "grant of an activity"
    }


def test_two_at_once_add_up(database):
    activity = database.transact(ridden)

    def correct(points: int) -> None:
        database.transact(lambda session: adjust(session, [to(activity, points)], now=NOW))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(correct, [10, 20, 30, 40]))

    with database.snapshot() as session:
        state = current(session, [(activity.holder_id, activity.id)])[activity.id]
        assert state.points in {10, 20, 30, 40}
        assert balance(session, activity.holder_id) == state.points
