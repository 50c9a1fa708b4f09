"""One act, several reports: claimed once, and the weightier word counts, whichever came first."""

from itertools import permutations

import pytest
from sqlalchemy import select

from activities.audit import audit as audit_activities
from activities.changes.adjusting import current
from activities.models import Activity, Claim, Occupied, Tally
from tests.catalogues import a_programme, an_act
from tests.makers import balance, debt

RIDE = ({"kind": "no_overlap"}, {"kind": "min_interval", "seconds": 60})


def states(session, holder):
    rows = session.scalars(select(Activity).where(Activity.holder_id == holder)).all()
    found = current(session, [(row.holder_id, row.id) for row in rows])
    return {row.scene_code: found[row.id] for row in rows}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", [*permutations(("operator", "aggregator", "app"))])
def test_a_metro_ride_reported_by_the_operator_a_map_and_the_app_counts_once(
    session, order, together
):
    trial = a_programme(session)
    trial.behaviour("metro", rules=RIDE)
    scenes = {channel: trial.scene("metro", channel) for channel in order}
    holder = trial.resident()
    told = {  # Each saw it a little differently.
        "operator": an_act(scenes["operator"], holder, 60, minutes=30, quantity=9),
        "aggregator": an_act(scenes["aggregator"], holder, 58, minutes=35, quantity=7),
        "app": an_act(scenes["app"], holder, 63, minutes=20, quantity=5),
    }

    if together:
        trial.record(*(told[channel] for channel in order))
    else:
        for channel in order:
            trial.record(told[channel])

    assert balance(session, holder) == 9
    assert balance(session, holder, "mg_co2e") == 9_000
    found = states(session, holder)
    assert found[scenes["operator"]].decision == "verified"
    lighter = [found[scenes[channel]] for channel in ("aggregator", "app")]
    assert {state.decision for state in lighter} == {"rejected"}
    assert {state.code for state in lighter} <= {"superseded", "already_claimed"}
    (tally,) = session.scalars(select(Tally).where(Tally.holder_id == holder))
    assert (tally.activities, tally.points, tally.saved_mg_co2e) == (1, 9, 9_000)
    (occupied,) = session.scalars(select(Occupied).where(Occupied.holder_id == holder))
    assert occupied.channel == "operator"
    assert [d for d in audit_activities(session) if str(holder) in str(d)] == []


@pytest.mark.parametrize("heavier_first", [True, False])
def test_a_days_steps_from_band_and_phone_count_once_by_the_band(session, heavier_first):
    trial = a_programme(session)
    trial.behaviour("steps", claimed_by="day")
    band, phone = trial.scene("steps", "operator"), trial.scene("steps", "app")
    holder = trial.resident()
    events = [
        an_act(band, holder, quantity=40, minutes=24 * 60),
        an_act(phone, holder, quantity=60, minutes=24 * 60),
    ]

    for event in events if heavier_first else events[::-1]:
        trial.record(event)

    assert balance(session, holder) == 40
    claim = session.scalars(select(Claim).where(Claim.holder_id == holder)).one()
    of_band = session.get_one(Activity, (holder, claim.activity_id))
    assert of_band.scene_code == band


def test_superseding_gives_the_cap_back(session):
    trial = a_programme(session)
    trial.behaviour("metro", rules=[*RIDE, {"kind": "cap", "per": "day", "points": 10}])
    operator, app = trial.scene("metro", "operator"), trial.scene("metro", "app")
    holder = trial.resident()

    trial.record(an_act(app, holder, 0, quantity=8))
    (told,) = trial.record(an_act(operator, holder, 1, quantity=9))

    assert (told.points, told.trimmed_points) == (9, 0)
    assert balance(session, holder) == 9


def test_what_was_spent_meanwhile_is_owed_when_a_lighter_report_gives_way(session):
    trial = a_programme(session)
    trial.behaviour("metro", rules=RIDE)
    operator, app = trial.scene("metro", "operator"), trial.scene("metro", "app")
    holder = trial.resident()
    trial.record(an_act(app, holder, 0, quantity=8))

    trial.record(an_act(operator, holder, 1, quantity=3))

    assert balance(session, holder) == 3
    assert debt(session, holder) == 0


@pytest.mark.parametrize("claimed_by", ["object", "month"])
def test_a_parcel_or_a_meter_is_nobody_elses_too(session, claimed_by):
    trial = a_programme(session)
    trial.behaviour("box", claimed_by=claimed_by)
    scene, lighter = trial.scene("box"), trial.scene("box", "app")
    first, second = trial.resident(), trial.resident()

    answers = trial.record(
        an_act(lighter, first, object_id="P-1"),
        an_act(scene, second, 20, object_id="P-1"),
        an_act(scene, second, 40, object_id="P-2"),
    )

    assert [a.code for a in answers] == ["verified", "already_claimed", "verified"]
    assert answers[1].duplicate_of == answers[0].activity_id


def test_a_refused_report_keeps_no_claim_and_only_a_piece_of_a_trip_keeps_its_time(session):
    trial = a_programme(session)
    trial.behaviour("ride", rules=[*RIDE, {"kind": "quantity_range", "min": 1, "max": 5}])
    scene, holder = trial.scene("ride"), trial.resident()
    first, split, whole = (
        an_act(scene, holder, 0),
        an_act(scene, holder, 10.5),
        an_act(scene, holder, 10.5, minutes=20),
    )
    at = {"event_id": "x"}

    answers = trial.record(an_act(scene, holder, 0, quantity=9, **at), first, split, whole)

    assert [a.code for a in answers] == [
        "quantity_out_of_range",
        "verified",
        "too_soon",
        "already_claimed",
    ]
    assert len(session.scalars(select(Claim).where(Claim.holder_id == holder)).all()) == 1
    occupied = session.scalars(select(Occupied).where(Occupied.holder_id == holder)).all()
    assert len(occupied) == 2  # Also what came too soon: a third piece is no new trip.
