"""How numbers and instants are written for people."""

import pytest

from service.printing import grams, kilograms
from service.web.rendering import span, until


@pytest.mark.parametrize(
    ("mg", "as_grams", "as_kilograms"),
    [
        (0, "0.000", "0.000000"),
        (1_234_567, "1,234.567", "1.234567"),
        (-40_500, "-40.500", "-0.040500"),  # What was taken back, on a statement.
        (-1, "-0.001", "-0.000001"),
    ],
)
def test_what_was_taken_back_is_as_much_as_what_was_given(mg, as_grams, as_kilograms):
    assert (grams(mg), kilograms(mg)) == (as_grams, as_kilograms)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("2026-12-22T16:00:00+00:00", "2026-12-22"),  # Midnight in Beijing: that day is good.
        ("2026-12-22T10:30:00+00:00", "2026-12-22 18:30"),
        (None, "—"),
    ],
)
def test_what_is_good_until_midnight_is_good_on_the_day_before(end, said):
    assert until(end) == said


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ("2026-12-22T10:00:30+08:00", "2026-12-22 10:00"),
        ("2026-12-22T10:20:00+08:00", "2026-12-22 10:00 – 10:20"),
        ("2026-12-23T00:10:00+08:00", "2026-12-22 10:00 – 2026-12-23 00:10"),
    ],
)
def test_what_is_the_same_of_both_instants_is_said_once(ended, said):
    assert span("2026-12-22T10:00:00+08:00", ended) == said
