"""What intake makes of scenes over time, of consents and of households' own baselines."""

from datetime import date, datetime, timedelta
from itertools import permutations
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from activities.audit import audit as audit_activities
from activities.catalogue.models import CityBaseline
from activities.consents import give, withdraw
from activities.events import Details, Event
from activities.households import Declared, declare
from activities.models import Activity, Reading
from activities.scene_steps import Asked, approve, end, suspend
from tests.catalogues import MONDAY, NOW, OF_OLD, a_programme, an_act
from tests.makers import balance

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OCTOBER = date(2026, 10, 1)


def codes(answers) -> list[str]:
    return [answer.code for answer in answers]


@pytest.fixture
def trial(session):
    return a_programme(session)


def test_an_act_in_a_scene_that_ended_yesterday(session, trial):
    trial.behaviour("ride")
    scene = trial.scene("ride", approved_to=date(2026, 11, 17))  # Monday is its last day.
    holder = trial.resident()

    told = trial.record(
        an_act(scene, holder, 24 * 60 - 1, minutes=30),  # Across its last midnight.
        an_act(scene, holder, 24 * 60, minutes=30),
        an_act(scene, holder, 23 * 60, minutes=10),
    )

    assert codes(told) == ["verified", "scene_not_approved", "verified"]


@pytest.mark.parametrize("together", [True, False])
def test_acts_around_a_suspension_by_the_instant_of_their_start(session, trial, together):
    trial.behaviour("ride")
    scene, holder = trial.scene("ride"), trial.resident()
    early = MONDAY - DAY
    suspend(session, scene, Asked(MONDAY + 60 * MINUTE, "wang", "r"), now=early)
    approve(session, scene, Asked(MONDAY + 120 * MINUTE, "wang", "r", "li"), now=early)
    end(session, scene, Asked(MONDAY + 180 * MINUTE, "wang", "r"), now=early)
    acts = [an_act(scene, holder, minute) for minute in (59, 60, 119, 120, 179, 180, 1_000)]

    if together:
        told = trial.record(*acts)
    else:
        told = [answer for act in acts for answer in trial.record(act)]

    open_, closed = "verified", "scene_not_approved"
    assert codes(told) == [open_, closed, closed, open_, open_, closed, closed]
    assert balance(session, holder) == 3


def test_a_change_is_seen_by_the_next_batch(session, trial):
    """Though what the catalogue said is remembered from batch to batch."""
    trial.behaviour("ride")
    scene, holder = trial.scene("ride"), trial.resident()
    now = MONDAY + 60 * MINUTE
    assert codes(trial.record(an_act(scene, holder, 100))) == ["verified"]

    suspend(session, scene, Asked(now, "wang", "r"), now=now)
    assert codes(trial.record(an_act(scene, holder, 200))) == ["scene_not_approved"]

    approve(session, scene, Asked(now + MINUTE, "wang", "r", "li"), now=now)
    assert codes(trial.record(an_act(scene, holder, 300))) == ["verified"]


def test_acts_are_covered_by_consent_from_when_it_was_given_until_it_was_withdrawn(session, trial):
    trial.behaviour("ride")
    scene, open_data = trial.scene("ride", consent_version=2), trial.scene("ride", "app")
    holder, stranger = trial.resident(), trial.resident()
    give(session, holder, scene, 2, now=MONDAY + 60 * MINUTE, actor="resident")
    withdraw(session, holder, scene, now=MONDAY + 120 * MINUTE)
    give(session, holder, scene, 2, now=MONDAY + 180 * MINUTE, actor="resident")

    told = trial.record(
        *(an_act(scene, holder, minute) for minute in (59, 60, 119, 120, 179, 180, 1_000)),
        an_act(scene, stranger, 60),
        an_act(open_data, stranger, 90),
    )

    given, missing = "verified", "no_consent"
    expected = [missing, given, given, missing, missing, given, given, missing, given]
    assert codes(told) == expected


def test_what_was_granted_stays_when_consent_is_withdrawn(session, trial):
    trial.behaviour("ride")
    scene, holder = trial.scene("ride", consent_version=1), trial.resident()
    give(session, holder, scene, 1, now=MONDAY, actor="resident")
    act = an_act(scene, holder, 10)
    trial.record(act)

    withdraw(session, holder, scene, now=MONDAY + 60 * MINUTE)

    assert balance(session, holder) == 1
    assert codes(trial.record(act)) == ["verified"]  # A retry gets the first answer.
    assert codes(trial.record(an_act(scene, holder, 70))) == ["no_consent"]


# --- Home electricity -----------------------------------------------------------------------------


@pytest.fixture
def meter(session, trial):
    """A scene of readings; a Wh saves half a gram; the city's mean is 70 kWh a person."""
    code = trial.behaviour("home", ug=500_000, unit="Wh", claimed_by="month", form="own_baseline")
    for month in range(1, 13):
        session.add(
            CityBaseline(
                programme_code=trial.code,
                behaviour_code=code,
                month=month,
                quantity_per_person=70_000,
                publisher="p",
                source_address="here",
                **OF_OLD,
            )
        )
    session.flush()
    return trial.scene("home")


def a_household(session, holder, **facts) -> None:
    given = {
        "valid_from": OCTOBER.replace(day=31),
        "persons": 3,
        "moved_in_on": date(2010, 1, 1),
        "solar": False,
        "tier": 1,
        **facts,
    }
    declare(session, holder, Declared(**given), now=NOW, actor="resident")


def a_reading(scene, holder, month: date, quantity: int, meter: str = "m1") -> Event:
    after = (month + 31 * DAY).replace(day=1)
    start, ending = (datetime.combine(day, datetime.min.time(), SHANGHAI) for day in (month, after))
    details = Details(object_id=f"{meter}-{holder}")
    return Event(uuid4().hex, scene, holder, start, ending, quantity, details)


@pytest.mark.parametrize("together", [True, False])
def test_a_month_below_the_mean_of_the_two_years_before_earns_the_difference(
    session, trial, meter, together
):
    holder = trial.resident()
    a_household(session, holder)
    months = [
        a_reading(meter, holder, OCTOBER.replace(year=2024), 250_001),
        a_reading(meter, holder, OCTOBER.replace(year=2025), 300_000),
        a_reading(meter, holder, OCTOBER, 200_000),
    ]

    told = trial.record(*months) if together else [trial.record(each)[0] for each in months]

    assert codes(told) == ["no_household", "no_household", "verified"]
    assert told[2].saved_mg_co2e == 75_000 * 500
    assert balance(session, holder) == 37_500
    query = select(Reading.month, Reading.quantity).where(Reading.holder_id == holder)
    assert dict(session.execute(query).all()) == {
        date(2024, 10, 1): 250_001,
        date(2025, 10, 1): 300_000,
        OCTOBER: 200_000,
    }
    activity = session.scalar(select(Activity).where(Activity.id == told[2].activity_id))
    assert activity.quantity == 200_000, "what was received stays what was received"
    assert '"basis":"own"' in activity.facts.replace(" ", "")
    assert [d for d in audit_activities(session) if str(holder) in str(d)] == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_whatever_order_the_months_come_what_is_known_counts(session, trial, meter, order):
    """A month is judged by what is known when it comes; the city's mean stands in for the rest."""
    holder = trial.resident()
    a_household(session, holder)
    months = [
        a_reading(meter, holder, OCTOBER.replace(year=year), quantity)
        for year, quantity in ((2024, 250_001), (2025, 300_000), (2026, 200_000))
    ]

    together = trial.record(*(months[n] for n in order))

    own = order[-1] == 2
    october = together[order.index(2)]
    assert october.saved_mg_co2e == (75_000 if own else 10_000) * 500


@pytest.mark.parametrize(
    ("facts", "reading", "code"),
    [
        ({}, 200_000, "verified"),
        ({}, 210_000, "no_saving"),
        ({}, 999_999, "no_saving"),
        ({"solar": True}, 1, "solar_household"),
        ({"tier": 3}, 1, "top_tier_household"),
        ({"moved_in_on": date(2026, 10, 2)}, 1, "no_household"),
        ({"moved_in_on": date(2026, 10, 1)}, 200_000, "verified"),
        ({"valid_from": date(2026, 11, 1)}, 1, "no_household"),
        (None, 1, "no_household"),
    ],
)
def test_whose_month_earns(session, trial, meter, facts, reading, code):
    holder = trial.resident()
    if facts is not None:
        a_household(session, holder, **facts)

    (told,) = trial.record(a_reading(meter, holder, OCTOBER, reading))

    assert told.code == code
    assert (told.points > 0) is (code == "verified")


@pytest.mark.parametrize("first", [200_000, 900_000])
@pytest.mark.parametrize("together", [True, False])
def test_a_second_lower_reading_of_a_month_earns_nothing(session, trial, meter, first, together):
    """Though the first saved nothing."""
    holder = trial.resident()
    a_household(session, holder)
    both = [a_reading(meter, holder, OCTOBER, quantity) for quantity in (first, 1)]

    told = trial.record(*both) if together else [trial.record(each)[0] for each in both]

    assert told[1].code == "already_claimed"
    assert told[1].duplicate_of == told[0].activity_id


def test_of_one_meter_one_household_has_the_month(session, trial, meter):
    holder, neighbour = trial.resident(), trial.resident()
    for each in (holder, neighbour):
        a_household(session, each)
    mine = a_reading(meter, holder, OCTOBER, 200_000)
    theirs = Event(uuid4().hex, meter, neighbour, mine.started_at, mine.ended_at, 1, mine.details)

    assert codes(trial.record(mine, theirs)) == ["verified", "already_claimed"]


@pytest.mark.parametrize(
    ("earlier", "later"), [(timedelta(0), -DAY), (DAY, timedelta(0)), (timedelta(0), 31 * DAY)]
)
def test_what_is_not_a_calendar_month_is_refused(session, trial, meter, earlier, later):
    holder = trial.resident()
    a_household(session, holder)
    whole = a_reading(meter, holder, OCTOBER, 200_000)
    part = Event(
        whole.event_id, meter, holder, whole.started_at + earlier, whole.ended_at + later, 1
    )

    (told,) = trial.record(part, at=NOW + 60 * DAY)

    assert told.code == "bad_times"
    assert session.scalars(select(Reading).where(Reading.holder_id == holder)).all() == []
