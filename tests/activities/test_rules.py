"""Each kind of rule by table, at its edges."""

from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from activities.deciding.decisions import sample_of
from activities.events import Details, Event
from activities.rules import Act, AloneKind, Cap, RuleKind
from tests.catalogues import MONDAY, a_programme, an_act


def an(quantity=1, seconds=600, **details) -> Event:
    return Event(
        "e", "s", uuid4(), MONDAY, MONDAY + timedelta(seconds=seconds), quantity, Details(**details)
    )


ALONE = [
    ({"kind": "freshness", "max_days": 3}, an(seconds=0), "count", True),
    ({"kind": "freshness", "max_days": 2}, an(seconds=0), "count", False),
    ({"kind": "quantity_range", "min": 1, "max": 5}, an(0), "count", False),
    ({"kind": "quantity_range", "min": 1, "max": 5}, an(1), "count", True),
    ({"kind": "quantity_range", "min": 1, "max": 5}, an(5), "count", True),
    ({"kind": "quantity_range", "min": 1, "max": 5}, an(6), "count", False),
    ({"kind": "duration_range", "min_s": 60, "max_s": 600}, an(seconds=59), "count", False),
    ({"kind": "duration_range", "min_s": 60, "max_s": 600}, an(seconds=60), "count", True),
    ({"kind": "duration_range", "min_s": 60, "max_s": 600}, an(seconds=601), "count", False),
    # 5 km in 10 minutes is 30 km/h exactly; 0 km; 200 km/h on a bicycle; no time at all.
    ({"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000}, an(5000), "m", True),
    ({"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000}, an(5001), "m", False),
    ({"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000}, an(0), "m", False),
    ({"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000}, an(33_333), "m", False),
    ({"kind": "speed_range", "min_m_per_h": 0, "max_m_per_h": 30000}, an(1, 0), "m", False),
    (
        {"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000},
        an(1, distance_m=5000),
        "count",
        True,
    ),
    ({"kind": "speed_range", "min_m_per_h": 3000, "max_m_per_h": 30000}, an(1), "count", None),
    (
        {"kind": "rate_range", "min_per_h": 2000, "max_per_h": 12000},
        an(6000, active_s=1800),
        "step",
        True,
    ),
    (
        {"kind": "rate_range", "min_per_h": 2000, "max_per_h": 12000},
        an(6001, active_s=1800),
        "step",
        False,
    ),
    ({"kind": "rate_range", "min_per_h": 2000, "max_per_h": 12000}, an(9**9), "step", None),
    (
        {"kind": "stride_range", "min_mm": 300, "max_mm": 1200},
        an(1000, distance_m=300),
        "step",
        True,
    ),
    (
        {"kind": "stride_range", "min_mm": 300, "max_mm": 1200},
        an(1000, distance_m=299),
        "step",
        False,
    ),
    ({"kind": "stride_range", "min_mm": 300, "max_mm": 1200}, an(1000), "step", None),
    ({"kind": "geofence", "divisions": ["310118", "5101"]}, an(place="310118001"), "count", True),
    ({"kind": "geofence", "divisions": ["310118", "5101"]}, an(place="310101001"), "count", False),
    ({"kind": "geofence", "divisions": ["310118"]}, an(), "count", False),
    ({"kind": "evidence_required", "evidence": "photo"}, an(photo_sha256="a" * 64), "count", True),
    ({"kind": "evidence_required", "evidence": "photo"}, an(), "count", False),
    (
        {"kind": "evidence_required", "evidence": "odometer", "tolerance_permille": 100},
        an(10_000, odometer_m=(50_000, 61_000)),
        "m",
        True,
    ),
    (
        {"kind": "evidence_required", "evidence": "odometer", "tolerance_permille": 100},
        an(10_000, odometer_m=(50_000, 61_001)),
        "m",
        False,
    ),
    (
        {"kind": "evidence_required", "evidence": "odometer"},
        an(1, odometer_m=(9, 8)),
        "count",
        False,
    ),
    ({"kind": "evidence_required", "evidence": "odometer"}, an(10_000), "m", False),
    ({"kind": "evidence_required", "evidence": "odometer"}, an(odometer_m=(9, 9)), "count", True),
    (
        {"kind": "evidence_required", "evidence": "odometer"},
        an(odometer_m=(9, 5009), distance_m=5000),
        "count",
        False,
    ),
    ({"kind": "attestation_required"}, an(attested=True), "count", True),
    ({"kind": "attestation_required"}, an(), "count", False),
]


@pytest.mark.parametrize(("parameters", "event", "unit", "fits"), ALONE)
def test_a_rule_of_one_event_alone_at_its_edges(parameters, event, unit, fits):
    rule = msgspec.convert(parameters, RuleKind)
    act = Act(event, unit, MONDAY + timedelta(days=3))

    assert isinstance(rule, AloneKind)
    assert rule.fits(act) is fits
    assert rule.inputs(act)


@pytest.mark.parametrize(
    "parameters",
    [
        {"kind": "quantity_range", "min": -1, "max": 5},
        {"kind": "speed_range", "min_m_per_h": 0},
        {"kind": "cap", "per": "day"},
        {"kind": "cap", "per": "day", "points": 1, "acts": 1},
        {"kind": "cap", "per": "fortnight", "points": 1},
        {"kind": "sample", "permille": 1001},
        {"kind": "geofence", "divisions": []},
        {"kind": "geofence", "divisions": ["Shanghai"]},
        {"kind": "quantity_range", "min": 0, "max": 5, "and": "more"},
        {"kind": "eval", "code": "1"},
    ],
)
def test_parameters_that_no_kind_has_do_not_load(parameters):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(parameters, RuleKind)


def test_a_cap_on_acts_or_points_loads():
    assert msgspec.convert({"kind": "cap", "per": "week", "acts": 3}, RuleKind) == Cap(
        "week", None, 3
    )


RIDE = ({"kind": "no_overlap"}, {"kind": "min_interval", "seconds": 120})


def rides(session, *rules):
    trial = a_programme(session)
    trial.behaviour("ride", rules=[*RIDE, *rules])
    return trial, trial.scene("ride"), trial.resident()


@pytest.mark.parametrize(
    ("minute", "minutes", "code"),
    [
        (5, 10, "already_claimed"),  # Shares five minutes with 0 to 10.
        (-5, 30, "already_claimed"),
        (10, 5, "too_soon"),  # Touches.
        (11.9, 5, "too_soon"),
        (12, 5, "verified"),  # Two minutes after: exactly the interval.
        (-12, 10, "verified"),
        (-11, 10, "too_soon"),
    ],
)
def test_overlap_and_interval_at_their_edges(session, minute, minutes, code):
    trial, scene, holder = rides(session)

    answers = trial.record(an_act(scene, holder), an_act(scene, holder, minute, minutes=minutes))

    assert [answer.code for answer in answers] == ["verified", code]
    other = rides(session)
    split = [
        other[0].record(an_act(other[1], other[2]))[0],
        other[0].record(an_act(other[1], other[2], minute, minutes=minutes))[0],
    ]
    assert [answer.code for answer in split] == ["verified", code]


def test_an_act_at_the_time_of_another_behaviour_overlaps_and_names_it(session):
    trial, scene, holder = rides(session)
    trial.behaviour("metro", rules=RIDE)
    metro = trial.scene("metro")

    ride, both, later = trial.record(
        an_act(scene, holder), an_act(metro, holder, 5), an_act(metro, holder, 10)
    )

    assert (both.code, both.duplicate_of) == ("overlaps", ride.activity_id)
    assert later.code == "verified"  # The interval is one of the same behaviour.


def test_another_place_within_minutes_is_a_jump(session):
    trial, scene, holder = rides(session, {"kind": "place_jump", "digits": 4, "seconds": 1800})

    answers = trial.record(
        an_act(scene, holder, 0, place="310118001"),
        an_act(scene, holder, 30, place="510105001"),
        an_act(scene, holder, 30, place="310101001"),
        an_act(scene, holder, 90, place="510105001"),
        an_act(scene, holder, 105),
    )

    assert [a.code for a in answers] == [
        "verified",
        "place_jump",
        "verified",
        "verified",
        "verified",
    ]


def test_many_acts_a_day_are_held_and_the_next_day_is_new(session):
    trial, scene, holder = rides(session, {"kind": "velocity", "acts_a_day": 3})

    answers = trial.record(*(an_act(scene, holder, 20 * n) for n in range(5)))
    (next_day,) = trial.record(an_act(scene, holder, 24 * 60))

    assert [a.decision for a in answers] == ["verified"] * 3 + ["held"] * 2
    assert {a.code for a in answers[3:]} == {"velocity"}
    assert all((a.saved_mg_co2e, a.points) == (0, 0) for a in answers[3:])
    assert next_day.code == "verified"


@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_a_device_of_many_residents_is_held_from_the_next_one_on(session, cut):
    trial, scene, _ = rides(session, {"kind": "shared_device", "holders": 3})
    device = uuid4()
    events = [an_act(scene, trial.resident(), device=device) for _ in range(5)]

    answers = [*trial.record(*events[:cut]), *trial.record(*events[cut:])]

    assert [a.code for a in answers] == ["verified"] * 3 + ["shared_device"] * 2
    (again,) = trial.record(an_act(scene, events[0].holder_id, 60, device=device))
    assert again.code == "shared_device"  # A farm stays one.


def test_the_sample_is_the_same_for_everybody_and_of_its_size(session):
    trial, scene, _ = rides(session, {"kind": "sample", "permille": 200})
    events = [an_act(scene, trial.resident(), event_id=f"e{n}-{scene}") for n in range(500)]

    answers = trial.record(*events)

    held = [a.code == "sampled" for a in answers]
    assert held == [sample_of(a.activity_id) < 200 for a in answers]
    again = trial.record(*events)
    assert [a.code for a in again] == [a.code for a in answers]
    assert 60 < sum(held) < 140  # Six deviations of a fair draw from 100.
