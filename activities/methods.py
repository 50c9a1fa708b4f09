"""Quantification: pure arithmetic on integers, so that an auditor recomputes each milligram.

Rounding is downwards, to the milligram once per activity and to the whole point; what is cut off
stays with nobody: no point is ever issued for CO2e that was not saved.
"""


def saved_mg(quantity: int, ug_co2e_per_unit: int) -> int:
    """Milligrams of CO2e of a per-unit method: quantity × factor, rounded down.

    >>> saved_mg(13_162, 20_000)  # steps, at 0.02 g a step
    263240
    """
    return quantity * ug_co2e_per_unit // 1000


def points_for(saved_mg_co2e: int, mg_co2e_per_point: int) -> int:
    """Whole points by the programme's tariff, rounded down.

    >>> points_for(263_240, 1_000)
    263
    """
    return saved_mg_co2e // mg_co2e_per_point


def trim(points: int, *, already: int, cap: int | None) -> tuple[int, int]:
    """Points granted and points withheld by a daily cap, given what the day already granted.

    The sum over a day does not depend on the order in which its activities arrive.
    """
    granted = points if cap is None else min(points, max(cap - already, 0))
    return granted, points - granted
