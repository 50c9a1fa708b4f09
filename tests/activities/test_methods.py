"""Quantification on integers: rounded down, the sum of a capped day free of order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.methods import points_for, saved_mg, trim


@pytest.mark.parametrize(
    ("quantity", "ug_co2e_per_unit", "mg"),
    [
        (1, 20_000, 20),  # One step at 0.02 g.
        (13_162, 20_000, 263_240),
        (1, 52_000_000, 52_000),  # One ride at 52 g.
        (1, 999, 0),  # Less than a milligram is rounded away.
        (3, 999, 2),  # 2.997 mg: once an activity, not once a unit.
        (0, 20_000, 0),
        (10**9, 10**9, 10**15),
    ],
)
def test_milligrams_are_quantity_times_factor_rounded_down(quantity, ug_co2e_per_unit, mg):
    assert saved_mg(quantity, ug_co2e_per_unit) == mg


@pytest.mark.parametrize(("mg", "points"), [(263_240, 263), (999, 0), (1_000, 1), (0, 0)])
def test_points_are_whole_and_rounded_down(mg, points):
    assert points_for(mg, 1_000) == points


@given(st.lists(st.integers(0, 500), max_size=12), st.integers(0, 600), st.randoms())
def test_the_points_of_a_capped_day_do_not_depend_on_the_order(earned, cap, shuffler):
    def day(order: list[int]) -> int:
        total = 0
        for points in order:
            granted, withheld = trim(points, already=total, cap=cap)
            assert granted + withheld == points
            total += granted
        return total

    other = list(earned)
    shuffler.shuffle(other)

    assert day(earned) == day(other) == min(sum(earned), cap)
