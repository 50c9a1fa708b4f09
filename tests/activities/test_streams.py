"""One stream, however it is cut: each event is decided as it would be alone; a replay changes
nothing. Over all rules at once, but for the sample, which looks at nothing but an event's own id.
"""

from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from activities.changes.adjusting import current
from activities.events import Details, Event
from activities.models import Activity, PeriodTally, Tally
from tests.catalogues import MONDAY, Trial, a_programme
from tests.makers import balance

pytestmark = pytest.mark.once

RULES = (
    {"kind": "quantity_range", "min": 1, "max": 9},
    {"kind": "no_overlap"},
    {"kind": "min_interval", "seconds": 300},
    {"kind": "place_jump", "digits": 4, "seconds": 1800},
    {"kind": "velocity", "acts_a_day": 4},
    {"kind": "shared_device", "holders": 2},
    {"kind": "cap", "per": "day", "points": 12},
    {"kind": "cap", "per": "week", "acts": 4},
)
SCENES = ("ride/operator", "ride/aggregator", "ride/app", "metro/operator", "walk/app")
ACT = st.tuples(
    st.integers(0, 2),  # Resident.
    st.sampled_from(SCENES),
    st.integers(0, 60).map(
        lambda n: n * 60
    ),  # Minutes after Monday's midnight: two days and a half.
    st.sampled_from([5, 20, 90]),
    st.integers(0, 10),
    st.sampled_from([None, "3101", "5101"]),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 30),  # The sender's id of the event: some come twice.
)


def a_city(session) -> tuple[Trial, dict[str, str]]:
    trial = a_programme(session)
    for name in ("ride", "metro"):
        trial.behaviour(name, rules=RULES)
    trial.behaviour("walk", claimed_by="day", rules=RULES[-2:])
    trial.rule(None, "all", kind="cap", per="day", points=20)
    return trial, {scene: trial.scene(*scene.split("/")) for scene in SCENES}


def told(trial: Trial, scenes: dict[str, str], residents, acts) -> list[Event]:
    events = []
    for who, scene, minute, minutes, quantity, place, device, number in acts:
        start = MONDAY + timedelta(minutes=minute)
        details = Details(place=place, device=UUID(int=device) if device else None)
        if device:  # Another trial's devices are others.
            details = Details(place=place, device=uuid5(trial.holder_id, str(device)))
        events.append(
            Event(
                f"{number}",
                scenes[scene],
                residents[who],
                start,
                start + timedelta(minutes=minutes),
                quantity,
                details,
            )
        )
    return events


def outcome(session, trial, scenes, residents):
    """Everything that there is to see: by resident the acts as they stand, balances, tallies."""
    names = {code: name for name, code in scenes.items()}
    behaviours = {code: name for name, code in trial.behaviours.items()}
    found = []
    for holder in residents:
        rows = session.scalars(select(Activity).where(Activity.holder_id == holder)).all()
        states = current(session, [(row.holder_id, row.id) for row in rows])
        acts = sorted(
            (
                *(names[row.scene_code], row.event_id, states[row.id].decision),
                *(states[row.id].code, states[row.id].points, states[row.id].saved_mg_co2e),
            )
            for row in rows
        )
        days = session.scalars(select(Tally).where(Tally.holder_id == holder))
        periods = session.scalars(select(PeriodTally).where(PeriodTally.holder_id == holder))
        tallies = sorted(
            [(behaviours.get(t.behaviour_code, "*"), str(t.day), t.activities, t.points)
             for t in days if t.activities]
            + [(behaviours.get(t.behaviour_code, "*"), str(t.starts_on), t.period, t.points)
               for t in periods if t.points]
        , key=str)  # fmt: skip
        points = balance(session, holder)
        assert points == sum(act[4] for act in acts if act[2] == "verified")
        found.append((acts, points, balance(session, holder, "mg_co2e"), tallies))
    return found


@settings(
    max_examples=30,
    deadline=None,
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # An example is some batches: no shrinking.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    acts=st.lists(ACT, min_size=1, max_size=14), cuts=st.sets(st.integers(1, 13)), data=st.data()
)
def test_any_splitting_of_a_stream_gives_each_event_the_same(session, acts, cuts, data):
    found = []
    for edges in ({0, len(acts)}, {0, len(acts), *(c for c in cuts if c < len(acts))}):
        trial, scenes = a_city(session)
        residents = [trial.resident() for _ in range(3)]
        events = told(trial, scenes, residents, acts)
        for start, end in pairwise(sorted(edges)):
            trial.record(*events[start:end])
        found.append(outcome(session, trial, scenes, residents))
        part = data.draw(st.lists(st.sampled_from(events), max_size=5), label="sent again")
        assert not any(answer.written for answer in trial.record(*part))
        assert outcome(session, trial, scenes, residents) == found[-1]
    assert found[0] == found[1]
