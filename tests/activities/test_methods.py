"""Quantification on integers: exact, rounded down once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.methods import net_per_unit, points_for, saved_mg


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
    assert saved_mg(quantity, net_per_unit(ug_co2e_per_unit)) == mg


@pytest.mark.parametrize(("mg", "points"), [(263_240, 263), (999, 0), (1_000, 1), (0, 0)])
def test_points_are_whole_and_rounded_down(mg, points):
    assert points_for(mg, 1_000) == points


@pytest.mark.parametrize(
    ("quantity", "net", "mg"),
    [
        # Displaced: a car of 273 g/km by 1.5 persons (667 permille) less a metro's 28.6 g/km.
        (8_000, net_per_unit(273_000, 667, 28_600), 1_227_928),
        (1, net_per_unit(273_000, 667, 28_600), 153),
        (1_000, net_per_unit(10, 1000, 20), 0),  # What emits more than its baseline saves nothing.
        # By mass: 2,350 g of PET at 1.65 kg/kg, of which 850 permille are recovered.
        (2_350, net_per_unit(1_650_000, 850), 3_295_875),
        # A third of a milligram a unit: rounded once, at the end.
        (3_001, net_per_unit(333, 1000), 999),
    ],
)
def test_all_forms_are_one_exact_product(quantity, net, mg):
    assert saved_mg(quantity, net) == mg


@given(st.integers(0, 10**9), st.integers(0, 10**8), st.integers(1, 1000), st.integers(0, 10**8))
def test_rounding_is_downwards_by_less_than_a_milligram(quantity, factor, share, actual):
    net = net_per_unit(factor, share, actual)
    mg = saved_mg(quantity, net)

    assert mg == 0 if net < 0 else 0 <= quantity * net - mg * 1_000_000 < 1_000_000
