"""An act told wrongly is withdrawn or told rightly; what it held of a cap goes to the others."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.audit import audit as audit_activities
from activities.catalogue.models import CityBaseline, Rule
from activities.changes.adjusting import current, history_of
from activities.changes.corrections import Cause, Told, change, withdraw
from activities.errors import ActivityNotVerified, CorrectionImplausible, UnknownActivity
from activities.events import Event
from activities.households import Declared, declare
from activities.models import Activity, Reading, ReviewCase, Tally
from ledgers.audit import audit as audit_ledger
from ledgers.posting import post
from service.demo_shops import DEMO_PROGRAMME
from tests.catalogues import OF_OLD, a_programme, an_act
from tests.makers import (
    APRIL_12,
    NOW,
    a_resident,
    a_ride,
    a_walk,
    balance,
    debt,
    recorded,
    spending,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
BY_HAND = ("operator:1", "told wrongly", "operator:2")


def a_cause() -> Cause:
    return Cause(uuid4(), *BY_HAND)


def walked(session: Session, holder_id: UUID, steps: int, *, day: int = 0) -> tuple[UUID, UUID]:
    """The key of a walk; ten thousand steps are 200 g and 200 points, the cap of a day."""
    (answer,) = recorded(session, a_walk(holder_id, steps, day=day))
    assert answer.decision == "verified"
    return holder_id, answer.activity_id


def rode(session: Session, holder_id: UUID, **when) -> tuple[UUID, UUID]:
    """The key of a ride: 52 g and 52 points."""
    (answer,) = recorded(session, a_ride(holder_id, **when))
    assert answer.decision == "verified"
    return holder_id, answer.activity_id


def told(key: tuple[UUID, UUID], quantity: int) -> Told:
    return Told(*key, quantity)


def points_of(session: Session, *keys: tuple[UUID, UUID]) -> list[int]:
    states = current(session, keys)
    return [states[id_].points for _, id_ in keys]


def test_a_withdrawn_act_gives_back_what_it_earned_and_stays_in_the_book(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)

    (one,) = withdraw(session, [key], a_cause(), now=NOW)

    assert (one.kind, one.decision, one.code) == ("withdrawn", "rejected", "withdrawn")
    assert (one.saved_mg_co2e, one.points) == (-100_000, -100)
    assert (one.actor, one.reason, one.approved_by) == BY_HAND
    assert (balance(session, holder_id), balance(session, holder_id, "mg_co2e")) == (0, 0)
    assert session.get_one(Activity, key).decision == "verified"


def test_a_withdrawal_of_a_withdrawn_act_is_a_retry_whoever_asks(session):
    key = walked(session, a_resident(session), 5_000)
    cause = a_cause()
    (first,) = withdraw(session, [key], cause, now=NOW)

    (same,) = withdraw(session, [key], cause, now=NOW)
    (other,) = withdraw(session, [key], a_cause(), now=NOW)

    assert first.id == same.id == other.id
    assert len(history_of(session, *key)) == 1


def test_a_batch_sent_again_with_three_rows_fewer_takes_back_the_three(session):
    holders = [a_resident(session) for _ in range(5)]
    keys = [walked(session, holder_id, 5_000) for holder_id in holders]

    withdraw(session, keys[:3], Cause(uuid4(), "partner:demo", "left out"), now=NOW)

    assert [balance(session, holder_id) for holder_id in holders] == [0, 0, 0, 100, 100]


def test_what_an_act_had_to_itself_is_free_again(session):
    holder_id = a_resident(session)
    walk, ride = walked(session, holder_id, 5_000), rode(session, holder_id)

    withdraw(session, [walk, ride], a_cause(), now=NOW)

    again = recorded(session, a_walk(holder_id, 4_000), a_ride(holder_id))
    assert [answer.code for answer in again] == ["verified", "verified"]
    assert balance(session, holder_id) == 80 + 52


def test_the_act_of_somebody_else_stays_theirs(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)
    (duplicate,) = recorded(session, a_walk(holder_id, 5_100))

    withdraw(session, [(holder_id, duplicate.activity_id)], a_cause(), now=NOW)

    (third,) = recorded(session, a_walk(holder_id, 5_200))
    assert (third.code, third.duplicate_of) == ("already_claimed", key[1])
    assert points_of(session, key) == [100]


def test_points_already_spent_become_a_debt(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)
    post(session, spending(session, holder_id, 70), now=NOW)

    withdraw(session, [key], a_cause(), now=NOW)

    assert (balance(session, holder_id), debt(session, holder_id)) == (0, 70)


def test_an_unknown_activity_is_refused_and_so_is_somebody_elses(session):
    key = walked(session, a_resident(session), 5_000)

    for wrong in [(key[0], uuid4()), (a_resident(session), key[1])]:
        with pytest.raises(UnknownActivity):
            withdraw(session, [key, wrong], a_cause(), now=NOW)
        with pytest.raises(UnknownActivity):
            change(session, [told(wrong, 7)], a_cause(), now=NOW)


def test_a_changed_quantity_is_quantified_anew_and_the_difference_booked(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)

    (one,) = change(session, [told(key, 7_301)], a_cause(), now=NOW)

    assert (one.kind, one.code, one.quantity) == ("changed", "changed", 7_301)
    assert (one.saved_mg_co2e, one.points, one.trimmed_points) == (46_020, 46, 0)
    assert (balance(session, holder_id), balance(session, holder_id, "mg_co2e")) == (146, 146_020)
    state = current(session, [key])[key[1]]
    assert (state.method_code, state.method_version) == (
        session.get_one(Activity, key).method_code,
        session.get_one(Activity, key).method_version,
    )


def test_a_correction_of_a_correction(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)

    for steps, points in [(2_000, 40), (30_000, 200), (9_999, 199), (49, 0), (5_000, 100)]:
        change(session, [told(key, steps)], a_cause(), now=NOW)
        assert (points_of(session, key), balance(session, holder_id)) == ([points], points)

    assert len(history_of(session, *key)) == 5
    withdraw(session, [key], a_cause(), now=NOW)
    assert balance(session, holder_id) == balance(session, holder_id, "mg_co2e") == 0


def test_the_same_change_again_writes_nothing(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)
    cause = a_cause()
    first = change(session, [told(key, 7_000)], cause, now=NOW)
    change(session, [told(key, 1_000)], a_cause(), now=NOW)

    again = change(session, [told(key, 7_000)], cause, now=NOW + timedelta(days=1))

    assert again[0].id == first[0].id
    assert balance(session, holder_id) == 20


def test_a_change_is_held_to_the_caps_and_the_co2e_stands(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)

    (one,) = change(session, [told(key, 20_000)], a_cause(), now=NOW)

    assert (one.saved_mg_co2e, one.points, one.trimmed_points) == (300_000, 100, 200)
    assert balance(session, holder_id, "mg_co2e") == 400_000


def test_what_its_rules_would_refuse_is_refused(session):
    key = walked(session, a_resident(session), 5_000)

    with pytest.raises(CorrectionImplausible) as refusal:
        change(session, [told(key, 100_001)], a_cause(), now=NOW)

    assert refusal.value.refusal_code == "quantity_out_of_range"


def test_only_what_is_verified_has_a_quantity_to_correct(session):
    holder_id = a_resident(session)
    key = walked(session, holder_id, 5_000)
    (refused,) = recorded(session, a_walk(holder_id, 100_001, day=1))
    withdraw(session, [key], a_cause(), now=NOW)

    for wrong in [key, (holder_id, refused.activity_id)]:
        with pytest.raises(ActivityNotVerified):
            change(session, [told(wrong, 7)], a_cause(), now=NOW)


def capped(session: Session, behaviour_code: str | None, **parameters) -> None:
    """A cap of the demo's programme, of one behaviour or of all."""
    session.add(
        Rule(
            code=f"test.{uuid4()}",
            version=1,
            programme_code=DEMO_PROGRAMME,
            behaviour_code=behaviour_code,
            parameters={"kind": "cap", **parameters},
            valid_from=date(2016, 1, 1),
            document="test",
            drafted_by="test",
            approved_by="somebody else",
            approved_at=datetime.now(UTC),
        )
    )
    session.flush()


def test_what_is_freed_of_a_cap_goes_to_what_it_had_trimmed(session):
    capped(session, "shared_bike_ride", per="day", points=200)
    holder_id = a_resident(session)
    rides = [rode(session, holder_id, at=APRIL_12 + timedelta(hours=n)) for n in range(7)]
    assert points_of(session, *rides) == [52, 52, 52, 44, 0, 0, 0]

    withdraw(session, [rides[1]], a_cause(), now=NOW)

    assert points_of(session, *rides) == [52, 0, 52, 52, 44, 0, 0]
    assert balance(session, holder_id) == 200
    (freed,) = history_of(session, *rides[3])
    assert (freed.kind, freed.code, freed.points, freed.trimmed_points) == (
        *("changed", "verified"),
        *(8, -8),
    )


def test_a_cap_over_all_behaviours_is_freed_for_another(session):
    capped(session, None, per="month", points=100)
    holder_id, stranger = a_resident(session), a_resident(session)
    walk = walked(session, holder_id, 4_000)
    ride = rode(session, holder_id, at=APRIL_12 + timedelta(days=3))
    other = rode(session, stranger)
    assert points_of(session, walk, ride, other) == [80, 20, 52]

    change(session, [told(walk, 3_000)], a_cause(), now=NOW)

    assert points_of(session, walk, ride, other) == [60, 40, 52]


@pytest.fixture(
    params=[
        ({"acts": 2}, lambda points: sum(sorted(points)[-2:])),
        ({"points": 250}, lambda points: min(sum(points), 250)),
    ]
)
def weekly(request, session):
    """What a week's walks come to under a cap."""
    parameters, total = request.param
    capped(session, "walking", per="week", **parameters)
    return total


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_week_under_a_cap_is_what_it_were_had_it_been_told_rightly(session, weekly, data):
    steps = st.integers(1, 200).map(lambda n: n * 50)
    holder_id = a_resident(session)
    taken = data.draw(st.lists(steps, min_size=2, max_size=6))
    keys = [walked(session, holder_id, n, day=day) for day, n in enumerate(taken)]
    stand = dict(enumerate(taken))

    for day in data.draw(st.lists(st.sampled_from(range(len(taken))), max_size=5)):
        if day not in stand:
            continue
        told_now = data.draw(st.none() | steps)
        if told_now is None:
            withdraw(session, [keys[day]], a_cause(), now=NOW)
            del stand[day]
        else:
            change(session, [told(keys[day], told_now)], a_cause(), now=NOW)
            stand[day] = told_now

    assert balance(session, holder_id) == weekly([n // 50 for n in stand.values()])
    assert balance(session, holder_id, "mg_co2e") == sum(n * 20 for n in stand.values())


@pytest.fixture
def trial(session):
    return a_programme(session)


def test_the_time_of_a_withdrawn_act_is_free_for_another_behaviour(trial):
    trial.behaviour("metro", rules=[{"kind": "no_overlap"}])
    trial.behaviour("bus", rules=[{"kind": "no_overlap"}])
    metro, bus, holder_id = trial.scene("metro"), trial.scene("bus"), trial.resident()
    (ride,) = trial.record(an_act(metro, holder_id, 5))
    (refused,) = trial.record(an_act(bus, holder_id, 9))

    withdraw(trial.session, [(holder_id, ride.activity_id)], a_cause(), now=NOW)

    (answer,) = trial.record(an_act(bus, holder_id, 9))
    assert (refused.code, answer.code) == ("overlaps", "verified")


def test_a_held_act_that_is_withdrawn_needs_no_review(trial):
    trial.behaviour("metro", rules=[{"kind": "sample", "permille": 1000}])
    holder_id = trial.resident()
    (ride,) = trial.record(an_act(trial.scene("metro"), holder_id))
    key = holder_id, ride.activity_id
    assert ride.decision == "held"

    (one,) = withdraw(trial.session, [key], a_cause(), now=NOW)

    assert (one.points, one.posting_id, one.reversal_id) == (0, None, None)
    case = trial.session.get_one(ReviewCase, key)
    assert (case.state, case.closed_at) == ("closed", NOW)


@pytest.fixture
def meter(trial) -> tuple[str, UUID]:
    """A scene of readings whose Wh saves half a gram, and a home of three; 70 kWh a person."""
    code = trial.behaviour("home", ug=500_000, unit="Wh", claimed_by="month", form="own_baseline")
    trial.session.add(
        CityBaseline(
            programme_code=trial.code,
            behaviour_code=code,
            month=10,
            quantity_per_person=70_000,
            publisher="p",
            source_address="here",
            **OF_OLD,
        )
    )
    holder_id = trial.resident()
    home = Declared(date(2026, 10, 31), persons=3, moved_in_on=OCTOBER, solar=False, tier=1)
    declare(trial.session, holder_id, home, now=NOW, actor="resident")
    return trial.scene("home"), holder_id


OCTOBER = date(2026, 10, 1)


def a_reading(meter: tuple[str, UUID], quantity: int) -> Event:
    scene, holder_id = meter
    start, end = (datetime(2026, month, 1, tzinfo=SHANGHAI) for month in (10, 11))
    return Event(uuid4().hex, scene, holder_id, start, end, quantity)


def test_a_reading_told_rightly_is_compared_with_the_same_baseline(trial, meter):
    (answer,) = trial.record(a_reading(meter, 200_000))
    assert (answer.saved_mg_co2e, answer.points) == (5_000_000, 5_000)
    key = meter[1], answer.activity_id

    change(trial.session, [told(key, 190_000)], a_cause(), now=NOW)

    assert points_of(trial.session, key) == [10_000]
    reading = trial.session.get_one(Reading, (meter[1], trial.behaviours["home"], OCTOBER))
    trial.session.refresh(reading)
    assert reading.quantity == 190_000
    change(trial.session, [told(key, 250_000)], a_cause(), now=NOW)
    assert points_of(trial.session, key) == [0]


def test_a_reading_that_saved_nothing_is_withdrawn_and_told_anew(trial, meter):
    (first,) = trial.record(a_reading(meter, 220_000))
    (again,) = trial.record(a_reading(meter, 200_000))
    assert (first.code, again.code) == ("no_saving", "already_claimed")

    withdraw(trial.session, [(meter[1], first.activity_id)], a_cause(), now=NOW)

    (answer,) = trial.record(a_reading(meter, 200_000))
    assert (answer.code, answer.points) == ("verified", 5_000)


def test_corrections_at_the_same_time_leave_books_that_agree(database):
    holder_id = database.transact(a_resident)
    keys = [
        database.transact(lambda s, day=day: walked(s, holder_id, 5_000, day=day))
        for day in range(2)
    ]

    def correct(number: int) -> None:
        if number == 3:
            database.transact(lambda s: withdraw(s, keys[:1], a_cause(), now=NOW))
        else:
            with suppress(ActivityNotVerified):
                asked = [told(key, 1_000 * (number + 1)) for key in keys]
                database.transact(lambda s: change(s, asked, a_cause(), now=NOW))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(correct, range(6)))

    def look(session: Session) -> None:
        points = points_of(session, *keys)
        assert points[0] == 0
        assert balance(session, holder_id) == sum(points)
        tallies = select(func.sum(Tally.points)).where(
            Tally.holder_id == holder_id, Tally.behaviour_code == "walking"
        )
        assert session.scalar(tallies) == sum(points)

    database.transact(look)


def test_thousands_cost_as_many_statements_as_two(session, statements):
    seen = []
    for count in (2, 600):
        holders = [a_resident(session) for _ in range(min(count, 30))]
        events = [
            a_walk(holders[n % len(holders)], 12_000, day=n // len(holders)) for n in range(count)
        ]
        answers = recorded(session, *events)
        keys = [(e.holder_id, a.activity_id) for e, a in zip(events, answers, strict=True)]
        with statements() as sent:
            change(session, [told(key, 3_000) for key in keys], a_cause(), now=NOW)
        with statements() as sent_too:
            withdraw(session, keys, a_cause(), now=NOW)
        seen.append((len(sent), len(sent_too)))

    assert seen[0] == seen[1]


def test_books_agree_after_corrections_of_all_kinds(fresh_database):
    def work(session: Session) -> None:
        holder_id = a_resident(session)
        walks = [walked(session, holder_id, 12_000, day=day) for day in range(3)]
        ride = rode(session, holder_id)
        change(session, [told(walks[0], 2_000), told(walks[1], 20_000)], a_cause(), now=NOW)
        withdraw(session, [walks[1], ride], a_cause(), now=NOW)
        change(session, [told(walks[0], 30_000)], a_cause(), now=NOW)

    fresh_database.transact(work)

    with fresh_database.snapshot() as session:
        assert list(audit_ledger(session)) == []
        assert list(audit_activities(session)) == []
