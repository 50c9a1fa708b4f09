"""Caps by day, ISO week, month and year, in points and in acts."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from activities.deciding.tallies import Tallies
from activities.deciding.tallies import Tally as Counted
from activities.models import Activity, Tally
from activities.policies import CapOfDay, first_day
from tests.catalogues import MONDAY, NOW, a_programme, an_act

DAY = 24 * 60


def capped(session, *rules, for_all=()):
    trial = a_programme(session)
    trial.behaviour("act", rules=rules)
    for number, rule in enumerate(for_all):
        trial.rule(None, f"all{number}", **rule)
    return trial, trial.scene("act"), trial.resident()


def points(answers) -> list[int]:
    return [answer.points for answer in answers]


@pytest.mark.parametrize(
    ("per", "code", "inside", "beyond"),
    [
        ("day", "daily_cap", 23, 24),  # Hours after Monday's midnight in Shanghai.
        ("week", "weekly_cap", 6 * 24 + 23, 7 * 24),
        ("month", "monthly_cap", 14 * 24 + 23, 15 * 24),  # 16 November to 1 December.
        ("year", "yearly_cap", 45 * 24 + 23, 46 * 24),
    ],
)
def test_a_cap_ends_with_its_period_in_the_programmes_zone(session, per, code, inside, beyond):
    trial, scene, holder = capped(session, {"kind": "cap", "per": per, "points": 10})
    later = MONDAY + timedelta(days=60)

    answers = trial.record(
        an_act(scene, holder, 0, quantity=8),
        an_act(scene, holder, inside * 60, quantity=8),
        an_act(scene, holder, beyond * 60, quantity=8),
        at=later,
    )

    assert points(answers) == [8, 2, 8]
    assert [a.code for a in answers] == ["verified", code, "verified"]
    assert [a.saved_mg_co2e for a in answers] == [8_000] * 3  # The saved CO2e stands.
    assert answers[1].trimmed_points == 6


@pytest.mark.parametrize(
    ("per", "day", "first"),
    [
        ("week", "2027-01-03", "2026-12-28"),  # The Sunday of ISO week 53 of 2026.
        ("week", "2027-01-04", "2027-01-04"),
        ("month", "2028-02-29", "2028-02-01"),
        ("year", "2028-02-29", "2028-01-01"),
        ("day", "2028-02-29", "2028-02-29"),
    ],
)
def test_the_first_day_of_a_period(per, day, first):
    assert first_day(per, date.fromisoformat(day)) == date.fromisoformat(first)


def test_a_cap_on_acts_lets_the_best_ones_count_whatever_their_order(session):
    trial, scene, _ = capped(session, {"kind": "cap", "per": "day", "acts": 2})

    for quantities, granted in (
        ((5, 3, 9), [5, 3, 6]),
        ((9, 5, 3), [9, 5, 0]),
        ((3, 9, 5), [3, 9, 2]),
    ):
        holder = trial.resident()
        answers = trial.record(
            *(an_act(scene, holder, 20 * n, quantity=q) for n, q in enumerate(quantities))
        )
        assert points(answers) == granted  # 14 in all, each time.


def test_a_cap_of_the_whole_programme_counts_all_behaviours(session):
    trial, scene, holder = capped(session, for_all=[{"kind": "cap", "per": "day", "points": 10}])
    trial.behaviour("other")
    other = trial.scene("other")

    answers = trial.record(
        an_act(scene, holder, 0, quantity=6),
        an_act(other, holder, 20, quantity=6),
        an_act(scene, trial.resident(), 20, quantity=6),
    )

    assert points(answers) == [6, 4, 6]


def test_a_newer_version_of_a_rule_takes_its_place(session):
    trial, scene, holder = capped(session, {"kind": "cap", "per": "day", "points": 10})
    assert points(trial.record(an_act(scene, holder, quantity=20))) == [10]

    trial.rule("act", "00", 2, kind="cap", per="day", points=15)

    assert points(trial.record(an_act(scene, holder, 30, quantity=20))) == [5]


ACTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=10
)  # Day, quantity.
CAPS = st.lists(
    st.sampled_from(
        [
            {"kind": "cap", "per": "day", "points": 7},
            {"kind": "cap", "per": "day", "acts": 2},
        ]
    ),
    min_size=1,
    max_size=1,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS, caps=CAPS, shuffler=st.randoms(), cuts=st.sets(st.integers(1, 9)))
def test_any_order_of_arrival_gives_the_same_points_a_day(session, acts, caps, shuffler, cuts):
    trial, scene, _ = capped(session, *caps)
    found = []
    for order in (acts, shuffler.sample(acts, len(acts))):
        holder = trial.resident()
        events = [
            an_act(scene, holder, day * DAY + 30 * n, minutes=1, quantity=quantity)
            for n, (day, quantity) in enumerate(order)
        ]
        edges = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
        for start, end in pairwise(edges):
            trial.record(*events[start:end])
        rows = session.scalars(select(Activity).where(Activity.holder_id == holder))
        by_day: dict[object, list[int]] = {}
        for row in rows:
            sums = by_day.setdefault(row.day, [0, 0])
            sums[0] += row.points
            sums[1] += row.saved_mg_co2e
        tallies = session.scalars(select(Tally).where(Tally.holder_id == holder))
        assert {t.day: [t.points, t.saved_mg_co2e] for t in tallies} == by_day
        found.append(by_day)
    assert found[0] == found[1]


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(1, 4), st.randoms())
def test_the_best_acts_count_in_any_order(earned, acts, shuffler):
    day = NOW.date()
    cap = CapOfDay("r", "b", "day", day, None, acts)

    def total(order):
        tallies = Tallies({("h", "b", "day", day): Counted()})
        return sum(
            tallies.grant("h", "b", day, [cap], saved_mg_co2e=0, points=p).points for p in order
        )

    other = list(earned)
    shuffler.shuffle(other)
    assert total(earned) == total(other) == sum(sorted(earned)[-acts:])
