"""Which versions of figures may be published together, worked by hand."""

from uuid import UUID

import pytest

from service.districts.reports.versions import Version, may_be_told

CELLS = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
NOBODY: frozenset[int] = frozenset()


def version(*acts: tuple[range, tuple[str, str], int], hidden=NOBODY) -> Version:
    """Residents by number, where, and how much stands of them."""
    values = {
        (UUID(int=number), cell): value for numbers, cell, value in acts for number in numbers
    }
    return Version(values, frozenset(values), frozenset(hidden))


A1, A2, B1, B2 = CELLS
OLD = version()
TEN, NINE = range(10), range(9)


def test_one_version_is_as_it_is():
    assert may_be_told([OLD])


def test_a_version_that_says_the_same_may_be_told():
    assert may_be_told([OLD, OLD, OLD])


def test_ten_who_came_may_be_told_and_nine_not():
    assert may_be_told([OLD, version((TEN, A1, 5))])
    assert not may_be_told([OLD, version((NINE, A1, 5))])


def test_ten_who_went_may_be_told_and_nine_not():
    assert may_be_told([version((TEN, A1, 5)), OLD])
    assert not may_be_told([version((NINE, A1, 5)), OLD])


def test_ten_of_two_towns_may_not_be_told_where_towns_are():
    few = version((range(5), A1, 5), (range(5, 10), B1, 5))
    assert not may_be_told([OLD, few])
    towns = {("a", "*"), ("b", "*")}
    assert may_be_told([version(hidden=towns), version(*_acts(few), hidden=towns)])


def _acts(found: Version) -> list[tuple[range, tuple[str, str], int]]:
    return [(range(h.int, h.int + 1), cell, value) for (h, cell), value in found.values.items()]


def test_nobody_counts_who_moves_from_one_day_to_another():
    """Else the town's month would be of the one who came: all others cancel out in it."""
    moved = [(range(12), A1, -5), (range(12), A2, 5)]
    one = (range(12, 13), A2, 5)
    old = version((range(12), A1, 0))
    assert not may_be_told([old, version(*moved, one)])


def test_who_comes_and_goes_hides_nobody_who_stays():
    came = version((range(12), A1, 5))
    assert may_be_told([OLD, came])
    assert not may_be_told([OLD, came, version((range(11), A1, 5))])  # One went.
    assert not may_be_told([OLD, came, version((range(12, 13), A1, 5))])  # One came.
    assert may_be_told([OLD, came, OLD])  # All went: it says what the first said.


def test_ten_whose_figure_is_another_each_time_may_be_told_each_time():
    steps = [version((TEN, A1, value)) for value in (1, 2, 3, 4)]
    assert may_be_told(steps)
    assert not may_be_told([*steps, version((NINE, A1, 4), (range(9, 10), A1, 7))])


def test_of_three_versions_no_sum_is_of_a_few():
    """The thirteen have day 2, then days 1 and 2, then day 1: the first less the second and the
    third are those who did not change, however few they are.
    """
    thirteen = range(13)
    first, third = version((thirteen, A2, 5)), version((thirteen, A1, 5))
    second = version((thirteen, A1, 5), (thirteen, A2, 5))
    assert may_be_told([first, second])
    assert may_be_told([second, third])
    assert not may_be_told([first, second, third])


@pytest.mark.parametrize(("before", "after", "told"), [("", "a", False), ("a", "a", True)])
def test_a_line_that_is_withheld_now_and_was_not_before_is_known(before, after, told):
    """What went of it would be told by others, and with its figure before what is left."""
    lines = [frozenset((town, "*") for town in towns) for towns in (before, after)]
    versions = [version((TEN, A1, 5), hidden=lines[0]), version(hidden=lines[1])]
    assert may_be_told(versions) == told
