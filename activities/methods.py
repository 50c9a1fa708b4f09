"""Quantification: pure arithmetic on integers, so that an auditor recomputes each milligram.

Rounding is downwards, to the milligram once per activity and to the whole point; what is cut off
stays with nobody: no point is ever issued for CO2e that was not saved.
"""

MILLIONTHS = 1_000_000


def net_per_unit(factor_ug: int, share_permille: int = 1000, actual_ug: int = 0) -> int:
    """What a base unit saves, in millionths of a milligram: exact, for any of the four forms.

    ``factor_ug`` and ``actual_ug`` are µg of CO2e per base unit; of the factor only
    ``share_permille`` counts (occupancy, recovery, substitution), the actual emission in full.

    >>> net_per_unit(273_000, 667, 28_600)  # a car's 273 g/km by 1.5 persons, less a metro's 28.6
    153491000
    """
    return factor_ug * share_permille - actual_ug * 1000


def saved_mg(quantity: int, net: int) -> int:
    """Milligrams of CO2e: quantity × ``net_per_unit``, rounded down, never below zero.

    >>> saved_mg(13_162, net_per_unit(20_000))  # steps, at 0.02 g a step
    263240
    """
    return max(quantity * net // MILLIONTHS, 0)


def points_for(saved_mg_co2e: int, mg_co2e_per_point: int) -> int:
    """Whole points by the programme's tariff, rounded down.

    >>> points_for(263_240, 1_000)
    263
    """
    return saved_mg_co2e // mg_co2e_per_point
