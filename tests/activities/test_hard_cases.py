"""Cases of the field that must work, each under its name; the metro ride that two report stands in
``test_channels``, a wrong factor in ``test_recomputing``, a batch sent again with rows fewer in
``test_corrections``, an order cancelled after its lot lapsed in
``tests/ledgers/test_lots.py``, an account closed with an open order in
``tests/ledgers/test_holds.py``, a district that merged in ``tests/service/districts``.
"""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from activities.models import Activity
from tests.catalogues import APPROVED, NOW, OF_OLD, a_programme, an_act
from tests.makers import balance

DAY = 24 * 60
RIDE = (
    {"kind": "speed_range", "min_m_per_h": 1_000, "max_m_per_h": 35_000},
    {"kind": "no_overlap"},
)


@pytest.mark.parametrize("distance_m", [0, 33_400])  # In ten minutes: 0 and 200 km/h.
def test_a_bicycle_ride_of_0_km_or_at_200_km_h_earns_nothing(session, distance_m):
    trial = a_programme(session)
    trial.behaviour("bike", rules=RIDE)
    holder = trial.resident()

    (answer,) = trial.record(an_act(trial.scene("bike"), holder, distance_m=distance_m))

    assert (answer.decision, answer.code) == ("rejected", "speed_out_of_range")
    assert balance(session, holder) == 0


def test_a_ride_across_midnight_is_of_the_day_it_began_and_takes_its_whole_time(session):
    trial = a_programme(session)
    trial.behaviour("bike", rules=[*RIDE, {"kind": "cap", "per": "day", "acts": 1}])
    scene, holder = trial.scene("bike"), trial.resident()

    across, meanwhile, after = trial.record(
        an_act(scene, holder, DAY - 10, minutes=20, distance_m=4_000),
        an_act(scene, holder, DAY + 5, minutes=20, distance_m=4_000),
        an_act(scene, holder, DAY + 10, minutes=20, distance_m=4_000),
    )

    assert (across.code, meanwhile.code, after.code) == ("verified", "already_claimed", "verified")
    rows = {a.id: a for a in session.scalars(select(Activity).where(Activity.holder_id == holder))}
    monday = date(2026, 11, 16)
    assert rows[across.activity_id].day == monday
    assert rows[after.activity_id].day == monday + timedelta(days=1)  # Its own day's first act.
    assert after.points == 1


def test_a_ride_across_a_factor_change_counts_by_the_day_it_began(session):
    trial = a_programme(session)
    code = trial.behaviour("bike", ug=5_000_000)
    session.add(trial.factor(f"{code}-new", 3_000_000))
    session.flush()
    trial.method("bike", 2, factor_code=f"{code}-new", valid_from=date(2026, 11, 17))
    scene, holder = trial.scene("bike"), trial.resident()

    answers = trial.record(
        an_act(scene, holder, DAY - 10, minutes=20), an_act(scene, holder, DAY, minutes=20)
    )

    assert [answer.saved_mg_co2e for answer in answers] == [5_000, 3_000]
    rows = {a.id: a for a in session.scalars(select(Activity).where(Activity.holder_id == holder))}
    assert [rows[answer.activity_id].method_version for answer in answers] == [1, 2]


def test_an_act_in_a_scene_that_ended_yesterday_is_rejected(session):
    trial = a_programme(session)
    trial.behaviour("ride")
    scene, holder = trial.scene("ride", approved_to=date(2026, 11, 16)), trial.resident()

    yesterday, today = trial.record(an_act(scene, holder, -1, minutes=5), an_act(scene, holder, 0))

    assert (yesterday.code, today.code) == ("verified", "scene_not_approved")


def test_whose_accounts_are_closed_earns_nothing_and_harms_nobody_else(session):
    trial = a_programme(session)
    trial.behaviour("ride")
    scene, closed, other = trial.scene("ride"), trial.resident(), trial.resident()
    session.execute(
        text("UPDATE account SET closed_at = :now WHERE holder_id = :holder AND unit = 'point'"),
        {"now": NOW, "holder": closed},
    )

    refused, booked = trial.record(an_act(scene, closed), an_act(scene, other))

    assert (refused.code, booked.code) == ("unknown_resident", "verified")


def test_a_new_rule_or_factor_never_changes_what_was_granted(session):
    trial = a_programme(session)
    code = trial.behaviour("bike", ug=5_000_000)
    scene, holder = trial.scene("bike"), trial.resident()
    first = an_act(scene, holder)
    (before,) = trial.record(first)

    session.add(trial.factor(f"{code}-new", 1_000_000))
    session.flush()
    trial.method("bike", 2, factor_code=f"{code}-new")
    trial.rule("bike", "99", kind="quantity_range", min=5, max=9)

    (again,) = trial.record(first)
    (new,) = trial.record(an_act(scene, holder, 30))
    assert again == before._replace(written=False)
    assert new.code == "quantity_out_of_range"
    assert balance(session, holder) == 5


def test_a_draft_decides_nothing(session):
    trial = a_programme(session)
    code = trial.behaviour("bike", ug=5_000_000)
    draft = {**APPROVED, "approved_by": None, "approved_at": None}
    trial.method("bike", 2, factor_code=code, share_permille=500, **{**OF_OLD, **draft})
    scene, holder = trial.scene("bike"), trial.resident()

    (answer,) = trial.record(an_act(scene, holder))

    assert answer.saved_mg_co2e == 5_000
