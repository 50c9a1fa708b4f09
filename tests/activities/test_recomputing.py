"""A factor was found wrong: the difference is booked, what was granted stays in the book."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from activities.changes.adjusting import current, history_of
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.changes.recomputing import START, Period, Recomputed, count_of, recompute
from activities.errors import UnknownBehaviour, UnknownProgramme
from activities.models import Activity
from ledgers.audit import audit as audit_ledger
from ledgers.errors import SecondPersonNeeded
from ledgers.models import Transfer
from ledgers.posting import post
from service.demo_shops import DEMO_PROGRAMME
from tests.catalogues import found_wrong
from tests.makers import NOW, a_resident, a_ride, a_walk, balance, debt, recorded, spending

LATER = NOW + timedelta(days=92)
APRIL = Period(DEMO_PROGRAMME, "walking", date(2016, 4, 1), date(2016, 4, 30))


def a_cause() -> Cause:
    return Cause(uuid4(), "operator:1", "20 mg a step was wrong", "operator:2")


def walked(session: Session, holder_id, *steps: int):
    """The keys of a walk a day; 20 mg a step, 1 g a point, 200 points a day at most."""
    events = [a_walk(holder_id, n, day=day) for day, n in enumerate(steps)]
    return [(holder_id, answer.activity_id) for answer in recorded(session, *events)]


def recomputed(session: Session, period: Period = APRIL, *, limit: int = 1_000) -> Recomputed:
    """All batches; the last one's answer, with the sums of all."""
    after, changed, mg, points = START, 0, 0, 0
    while True:
        done = recompute(session, period, a_cause(), now=LATER, after=after, limit=limit)
        changed, mg, points = changed + done.changed, mg + done.saved_mg_co2e, points + done.points
        if done.activities < limit:
            return Recomputed(done.activities, changed, mg, points, done.without_method, done.after)
        after = done.after


def points_of(session: Session, keys) -> list[int]:
    states = current(session, keys)
    return [states[id_].points for _, id_ in keys]


def test_a_factor_found_wrong_after_three_months_books_the_difference(session):
    holder_id = a_resident(session)
    (key,) = walked(session, holder_id, 5_000)
    post(session, spending(session, holder_id, 70), now=NOW)
    found_wrong(session, 10_000)

    recomputed(session)

    (one,) = history_of(session, *key)
    assert (one.kind, one.decision, one.code) == ("recomputed", "verified", "recomputed")
    assert (one.saved_mg_co2e, one.points, one.approved_by) == (-50_000, -50, "operator:2")
    first = session.get_one(Activity, key)
    assert (first.points, first.method_version) == (100, one.method_version - 1)
    entries = select(Transfer.kind, Transfer.amount).where(
        Transfer.holder_id == holder_id, Transfer.reference == key[1], Transfer.unit == "mg_co2e"
    )
    assert [tuple(row) for row in session.execute(entries.order_by(Transfer.id))] == [
        ("earn", 100_000),
        ("reversal", 50_000),
    ]
    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 20)


def test_a_factor_that_was_too_low_gives_more(session):
    holder_id = a_resident(session)
    keys = walked(session, holder_id, 5_000, 3_000)
    found_wrong(session, 25_000)

    recomputed(session)

    assert points_of(session, keys) == [125, 75]
    assert (balance(session, holder_id), balance(session, holder_id, "mg_co2e")) == (200, 200_000)


def test_again_it_changes_nothing_and_neither_does_it_in_other_batches(session):
    holder_id = a_resident(session)
    keys = walked(session, holder_id, 5_000, 12_000, 700, 9_000, 40)
    found_wrong(session, 10_000)
    recomputed(session, limit=2)
    after_once = points_of(session, keys)

    done = recomputed(session)

    assert (done.changed, points_of(session, keys)) == (0, after_once)
    assert after_once == [50, 100, 7, 90, 0]


def test_right_wrong_and_right_again(session):
    holder_id = a_resident(session)
    keys = walked(session, holder_id, 5_000)

    for ug, points in [(10_000, 50), (20_000, 100), (10_000, 50)]:
        found_wrong(session, ug)
        recomputed(session)
        assert points_of(session, keys) == [points]

    assert len(history_of(session, *keys[0])) == 3


def test_caps_are_applied_anew_and_the_co2e_stands(session):
    holder_id = a_resident(session)
    keys = walked(session, holder_id, 12_000)
    found_wrong(session, 30_000)

    recomputed(session)

    (one,) = history_of(session, *keys[0])
    assert (one.saved_mg_co2e, one.points, one.trimmed_points) == (120_000, 100, 20)
    assert balance(session, holder_id) == 300


def test_a_correction_and_a_withdrawal_before_it_hold(session):
    holder_id = a_resident(session)
    keys = walked(session, holder_id, 5_000, 5_000)
    hand = Cause(uuid4(), "operator:1", "told wrongly", "operator:2")
    change(session, [Told(*keys[0], 8_000)], hand, now=NOW)
    withdraw(session, [keys[1]], hand, now=NOW)
    found_wrong(session, 10_000)

    recomputed(session)

    assert points_of(session, keys) == [80, 0]
    assert current(session, keys)[keys[1][1]].code == "withdrawn"


def test_decisions_other_days_and_other_behaviours_are_not_touched(session):
    holder_id = a_resident(session)
    walk, refused = walked(session, holder_id, 5_000, 100_001)
    (may,) = recorded(session, a_walk(holder_id, 5_000, day=30))
    (ride,) = recorded(session, a_ride(holder_id))
    found_wrong(session, 10_000)

    recomputed(session)

    others = [refused, (holder_id, may.activity_id), (holder_id, ride.activity_id)]
    assert [len(history_of(session, *key)) for key in [walk, *others]] == [1, 0, 0, 0]
    assert current(session, [refused])[refused[1]].decision == "rejected"


def test_it_needs_a_second_person(session):
    for approved_by in (None, "operator:1"):
        with pytest.raises(SecondPersonNeeded):
            recompute(session, APRIL, Cause(uuid4(), "operator:1", "wrong", approved_by), now=LATER)


def test_what_does_not_exist_is_refused(session):
    with pytest.raises(UnknownProgramme):
        count_of(session, APRIL._replace(programme_code="nowhere"))
    with pytest.raises(UnknownBehaviour):
        count_of(session, APRIL._replace(behaviour_code="flying"))


def test_a_batch_costs_the_same_statements_however_many_acts(fresh_database, statements):
    def work(session: Session) -> list[int]:
        seen = []
        for count in (2, 300):
            holders = [a_resident(session) for _ in range(count // 2)]
            for holder_id in holders:
                walked(session, holder_id, 12_000, 5_000)
            found_wrong(session, 10_000 - count)
            with statements() as sent:
                recompute(session, APRIL, a_cause(), now=LATER)
            seen.append(len(sent))
        return seen

    few, many = fresh_database.transact(work)

    assert few == many


def test_books_agree_afterwards(fresh_database):
    def work(session: Session) -> None:
        for _ in range(3):
            walked(session, a_resident(session), 12_000, 5_000, 20_000)
        for ug in (10_000, 30_000, 15_000):
            found_wrong(session, ug)
            assert recomputed(session, limit=4).changed == count_of(session, APRIL) == 9

    fresh_database.transact(work)

    with fresh_database.snapshot() as session:
        assert list(audit_ledger(session)) == []
        assert list(audit_activities(session)) == []
