"""Hand-worked tables, and an attacker who has every published value and exact arithmetic."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.districts.suppression import MIN_RESIDENTS, TOTAL, Cell, withheld

Table = dict[Cell, int]
Populations = Mapping[Cell, frozenset[int]]

# Hand-worked tables


def a_table(
    rows: Mapping[str, Mapping[str, int]], totals: Mapping[str, int] | None = None
) -> Table:
    """All margins; `totals` has the rows' (TOTAL for that of the margin), else nobody overlaps."""
    table: Table = {(row, column): n for row, cells in rows.items() for column, n in cells.items()}
    for row, cells in rows.items():
        table[row, TOTAL] = (totals or {}).get(row, sum(cells.values()))
    for column in [*{column for _, column in table if column != TOTAL}, TOTAL]:
        table[TOTAL, column] = sum(table.get((row, column), 0) for row in rows)
    return table


def a_vector(**towns: int) -> Table:
    cells = {(town, "spent"): residents for town, residents in towns.items()}
    return cells | {(TOTAL, "spent"): sum(towns.values())}


def cells(text: str) -> set[Cell]:
    """`a/x b/*` is the cell (a, x) and the margin of row b."""
    return {(row, column) for row, column in (pair.split("/") for pair in text.split())}


def test_an_empty_table_withholds_nothing():
    assert withheld({}) == frozenset()
    assert withheld({("a", "x"): 0, (TOTAL, "x"): 0, (TOTAL, TOTAL): 0}) == frozenset()


def test_nothing_is_withheld_when_no_cell_is_small():
    assert withheld(a_table({"a": {"x": 10, "y": 11}, "b": {"x": 12}})) == frozenset()


def test_one_small_cell_takes_the_cheapest_rectangle_with_it():
    table = a_table({
        "a": {"x": 5, "y": 40, "z": 30},
        "b": {"x": 60, "y": 20, "z": 50},  # With y: 40 + 60 + 20 residents. With z: 30 + 60 + 50.
        "c": {"x": 70, "y": 80, "z": 90},
    })  # fmt: skip

    assert withheld(table) == cells("a/x a/y b/x b/y")


def test_the_minimum_itself_is_published_and_one_less_is_not():
    rows = {"a": {"x": MIN_RESIDENTS, "y": 40}, "b": {"x": 60, "y": 20}}
    assert withheld(a_table(rows)) == frozenset()

    rows["a"]["x"] -= 1
    assert withheld(a_table(rows)) == cells("a/x a/y b/x b/y")


def test_a_path_of_smaller_cells_is_preferred_to_a_rectangle_with_a_large_one():
    table = a_table({
        "a": {"x": 5, "y": 20},
        "b": {"x": 900, "y": 20, "z": 20},
        "c": {"x": 20, "y": 900, "z": 20},
    })  # fmt: skip

    assert withheld(table) == cells("a/x a/y b/y b/z c/z c/x")


def test_zeros_are_published_and_protect_nothing():
    rows = {"a": {"x": 5, "y": 40, "z": 0}, "b": {"x": 60, "y": 20, "z": 50}}
    table = a_table(rows)

    assert withheld(table) == cells("a/x a/y b/x b/y")
    assert withheld({cell: n for cell, n in table.items() if n}) == withheld(table)


def test_two_small_cells_of_a_row_protect_each_other_only_if_surely_enough_residents():
    rows = {"a": {"x": 5, "y": 6, "z": 40}, "b": {"x": 20, "y": 30, "z": 50}}
    assert withheld(a_table(rows)) == cells("a/x a/y b/x b/y")  # 51 - 40 = 11 did x or y.

    overlapping = a_table(rows, totals={"a": 44})  # 6 residents may be all who did x or y.
    assert withheld(overlapping) == cells("a/x a/y a/z b/x b/y b/z")


def test_a_cell_in_two_small_groups_is_protected_in_both():
    table = a_table({
        "a": {"x": 3, "y": 3, "z": 40},
        "b": {"x": 3, "y": 30, "z": 20},
        "c": {"x": 50, "y": 60, "z": 70},
    })  # fmt: skip

    # Row a is 6 residents: a/z joins it, and b/z to come round by b/x. Then a/x, a/y and b/x are
    # 9 in a cut of rows a and b: c/z and c/x cross it. Then a/y is still alone: b/y.
    assert withheld(table) == cells("a/x a/y b/x a/z b/z c/z c/x b/y")


def test_a_row_of_small_cells_alone_may_publish_its_total():
    table = a_table({"a": {"x": 5, "y": 6}, "b": {"x": 20, "y": 30}}, totals={"a": 10})

    assert withheld(table) == cells("a/x a/y b/x b/y")


def test_a_diagonal_of_small_cells_closes_with_the_fewest_residents():
    table = a_table({
        "a": {"x": 5, "y": 30, "z": 90},
        "b": {"x": 40, "y": 5, "z": 90},
        "c": {"x": 90, "y": 20, "z": 5},
    })  # fmt: skip

    # a/x and b/y are corners of one rectangle. c/z joins it by c/y and the cheaper of 90s, a/z.
    assert withheld(table) == cells("a/x a/y b/x b/y c/z c/y a/z")


def test_a_bridge_between_two_cycles_is_closed_though_every_line_has_two_withheld():
    table = a_table({
        "a": {"u": 6, "v": 7, "x": 50},
        "b": {"u": 8, "v": 9, "x": 4, "y": 60},
        "c": {"u": 80, "x": 8, "y": 9},
        "d": {"v": 80, "x": 9, "y": 8},
    })  # fmt: skip
    small = {cell for cell, n in table.items() if n < MIN_RESIDENTS}
    assert all(sum(cell[0] == row for cell in small) >= 2 for row in "abcd")
    assert all(sum(cell[1] == column for cell in small) >= 2 for column in "uvxy")
    assert {cell for cell in small if computed(table, small)[cell] == {}} == cells("b/x")

    assert withheld(table) == small | cells("a/x")


def test_a_small_group_across_lines_is_protected_though_every_line_has_enough():
    rows = {
        "a": {"x": 3, "y": 9, "z": 50},
        "b": {"x": 60, "y": 3, "z": 9},
        "c": {"x": 9, "y": 70, "z": 3},
    }
    table = a_table(rows)
    small = {cell for cell, n in table.items() if n < MIN_RESIDENTS}
    known = computed(table, small)
    assert not any(known[cell] == {} for cell in small)
    assert total(known, cells("a/x b/z")) == {}  # 12 residents: this sum may be known.
    assert total(known, cells("a/x b/y")) != {}
    assert withheld(table) == small

    rows["b"]["z"], rows["b"]["y"] = 4, 8  # Now a/x and b/z are 7 residents.
    table = a_table(rows)
    assert {cell for cell, n in table.items() if n < MIN_RESIDENTS} == small
    assert withheld(table) == small | cells("a/z")


def test_the_only_cell_of_a_table_takes_all_its_margins_with_it():
    assert withheld(a_table({"a": {"x": 5}})) == cells("a/x a/* */x */*")
    assert withheld(a_table({"a": {"x": 50}})) == frozenset()


def test_the_only_cell_of_a_row_takes_the_row_total_and_another_rows():
    table = a_table({"a": {"x": 5}, "b": {"x": 20, "y": 30}, "c": {"x": 40, "y": 50}})

    assert withheld(table) == cells("a/x a/* b/x b/*")


def test_a_small_margin_is_protected_by_another_margin():
    table = a_table({"a": {"x": 2, "y": 3}, "b": {"x": 20, "y": 30}, "c": {"x": 40, "y": 50}})

    # a/x + a/y is a/*: had not b/* been withheld too, 5 residents were given away.
    assert withheld(table) == cells("a/x a/y a/* b/x b/y b/*")


def test_a_grand_total_of_enough_residents_is_published_over_cells_that_are_all_small():
    table = a_table({"a": {"x": 3, "y": 2}, "b": {"x": 2, "y": 3}})
    assert table[TOTAL, TOTAL] == 10
    assert withheld(table) == table.keys() - {(TOTAL, TOTAL)}

    fewer = a_table({"a": {"x": 3, "y": 2}, "b": {"x": 2, "y": 2}})
    assert withheld(fewer) == fewer.keys()


@pytest.mark.parametrize(
    ("towns", "expected"),
    [
        ({"a": 50, "b": 20}, ""),
        ({"a": 5, "b": 50, "c": 20, "d": 90}, "a c"),
        ({"a": 6, "b": 3, "c": 70, "d": 20}, "a b d"),  # 9 residents are too few for a sum.
        ({"a": 6, "b": 4, "c": 70, "d": 20}, "a b"),
        ({"a": 5, "b": 50}, "a b"),
        ({"a": 5}, "a *"),
        ({"a": 5, "b": 4}, "a b *"),
        ({"a": 5, "b": 5}, "a b"),
    ],
)
def test_a_vector_of_towns_needs_no_row_totals(towns, expected):
    assert withheld(a_vector(**towns)) == {(town, "spent") for town in expected.split()}


def test_residents_who_moved_do_not_count_twice_in_a_group():
    vector = a_vector(a=6, b=5, c=70, d=20)
    assert withheld(vector) == {("a", "spent"), ("b", "spent")}

    vector[TOTAL, "spent"] -= 2  # Two were counted in two towns: a and b may be 9 residents.
    assert withheld(vector) == {("a", "spent"), ("b", "spent"), ("d", "spent")}


def test_a_single_row_needs_no_column_totals():
    row = {("a", "x"): 5, ("a", "y"): 6, ("a", "z"): 40, ("a", TOTAL): 45}

    assert withheld(row) == cells("a/x a/y a/z")


def test_cells_without_any_margin_are_withheld_one_by_one():
    assert withheld({("a", "x"): 5, ("a", "y"): 50, ("b", "x"): 60}) == cells("a/x")


@pytest.mark.parametrize(
    ("cell", "residents"),
    [
        (("a", "x"), -1),
        ((TOTAL, "x"), 81),  # More than the 80 of its towns.
        ((TOTAL, "y"), 39),
        ((TOTAL, TOTAL), 151),
        (("a", TOTAL), 39),  # Fewer than the 40 of its largest cell.
        (("a", TOTAL), 61),  # More than the 60 of all its cells.
        (("a", TOTAL), 0),  # A total left out, while other rows have theirs.
    ],
)
def test_counts_that_cannot_be_are_refused(cell, residents):
    table = a_table({"a": {"x": 20, "y": 40}, "b": {"x": 60, "y": 30}})
    assert withheld(table) == frozenset()

    with pytest.raises(AssertionError):
        withheld(table | {cell: residents})


# The attacker

Known = dict[Cell, dict[Cell, Fraction]]


def computed(values: Mapping[Cell, int], hidden: Collection[Cell]) -> Known:
    """Each hidden value, but for what is published, in terms of those that can be chosen freely.

    Gauss-Jordan on one equation for each line that has a total. An empty term is a value that is
    exactly known. Margins and cells are the unknowns as they stand; zeros are published.
    """
    unknowns = sorted(hidden)
    rows = [
        [Fraction(equation.get(cell, 0)) for cell in unknowns] for equation in equations(values)
    ]
    pivots: dict[int, list[Fraction]] = {}
    for column in range(len(unknowns)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [factor / pivot[column] for factor in pivot]
        rows = [_less(row, pivot, row[column]) for row in rows]
        pivots = {at: _less(row, pivot, row[column]) for at, row in pivots.items()}
        pivots[column] = pivot
    return {
        cell: {
            other: -factor
            for at, (other, factor) in enumerate(zip(unknowns, pivots[column], strict=True))
            if factor and at != column
        }
        if column in pivots
        else {cell: Fraction(1)}
        for column, cell in enumerate(unknowns)
    }


def _less(row: list[Fraction], pivot: list[Fraction], times: Fraction) -> list[Fraction]:
    return [a - times * b for a, b in zip(row, pivot, strict=True)] if times else row


def equations(values: Mapping[Cell, int]) -> Iterator[dict[Cell, int]]:
    """Every line's cells less its total are nothing; lines without a total say nothing."""
    for axis in (0, 1):
        for name in {cell[axis] for cell in values}:
            margin = (name, TOTAL) if axis == 0 else (TOTAL, name)
            if margin in values:
                line = {cell: 1 for cell in values if cell[axis] == name}
                yield line | {margin: -1}


def total(known: Known, group: Collection[Cell]) -> dict[Cell, Fraction]:
    """The sum of a group in free terms; empty if the sum is exactly known."""
    terms: dict[Cell, Fraction] = {}
    for cell in group:
        for free, factor in known[cell].items():
            terms[free] = terms.get(free, Fraction(0)) + factor
    return {free: factor for free, factor in terms.items() if factor}


def groups_of_few(
    who: Populations, hidden: Collection[Cell], minimum: int, largest: int
) -> Iterator[tuple[Cell, ...]]:
    """Every choice of up to `largest` hidden cells behind which fewer than `minimum` stand."""
    ordered = sorted(hidden)
    stack: list[tuple[int, tuple[Cell, ...], frozenset[int]]] = [(0, (), frozenset())]
    while stack:
        start, group, people = stack.pop()
        if group:
            yield group
        for at in range(start, len(ordered) if len(group) < largest else 0):
            union = people | who[ordered[at]]
            if len(union) < minimum:
                stack.append((at + 1, (*group, ordered[at]), union))


def margins_of(who: Populations, *, row_totals: bool, column_totals: bool) -> Populations:
    """With margins: who is behind a margin is whoever is behind one of its cells."""
    everyone: dict[Cell, frozenset[int]] = {}
    for (row, column), people in who.items():
        margins = [(row, TOTAL)] * row_totals + [(TOTAL, column)] * column_totals
        if row_totals and column_totals:
            margins.append((TOTAL, TOTAL))
        for cell in [(row, column), *margins]:
            everyone[cell] = everyone.get(cell, frozenset()) | people
    return everyone


@st.composite
def populations(draw: st.DrawFn) -> Populations:
    """Who is behind each cell. Few or none of a town live in two; each does any of 0..6."""
    who: dict[Cell, frozenset[int]] = {}
    moving = draw(st.sampled_from([False, False, True]))
    for town in range(draw(st.integers(0, 5))):
        pool = draw(st.sampled_from([4, 12, 30]))
        first = town * (11 if moving else 1000)  # Towns of 12 and 30 then share residents.
        crowds = st.frozensets(st.integers(0, pool - 1), min_size=1)
        for behaviour, crowd in draw(
            st.dictionaries(st.sampled_from("uvwxyz"), crowds, max_size=6)
        ).items():
            who[str(town), behaviour] = frozenset(first + resident for resident in crowd)
    shape = draw(st.sampled_from([(True, True)] * 4 + [(True, False), (False, True)]))
    return margins_of(who, row_totals=shape[0], column_totals=shape[1])


def residents_of(who: Populations) -> Table:
    return {cell: len(people) for cell, people in who.items()}


@settings(max_examples=250, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS))
def test_no_attacker_computes_a_withheld_value_or_the_sum_of_a_few_residents(who, minimum):
    residents = residents_of(who)
    hidden = withheld(residents, minimum=minimum)

    assert all(residents[cell] >= minimum for cell in residents.keys() - hidden)
    assert not hidden or min(residents[cell] for cell in hidden) < minimum
    known = computed(residents, hidden)  # Only which cells there are matters, not what they hold.
    assert [cell for cell in hidden if not known[cell]] == []
    few = groups_of_few(who, hidden, minimum, largest=4)
    assert [group for group in few if not total(known, group)] == []


@settings(max_examples=60, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS), chance=st.randoms())
def test_no_line_gives_away_the_sum_of_few_residents(who, minimum, chance):
    hidden = withheld(residents_of(who), minimum=minimum)
    activities = activities_of(who, chance)

    for equation in equations(activities):
        assert sum(factor * activities[cell] for cell, factor in equation.items()) == 0
        unknown = [cell for cell in equation if cell in hidden]
        margin = next(cell for cell, factor in equation.items() if factor < 0)
        if unknown and margin not in unknown:
            assert len(frozenset().union(*(who[cell] for cell in unknown))) >= minimum


def activities_of(who: Populations, chance: random.Random) -> Table:
    """An additive measure: every resident behind a cell did one to five activities there."""
    done: Table = {}
    for (row, column), people in who.items():
        if TOTAL in (row, column):
            continue
        count = sum(chance.randint(1, 5) for _ in people)
        for cell in {(row, column), (row, TOTAL), (TOTAL, column), (TOTAL, TOTAL)} & who.keys():
            done[cell] = done.get(cell, 0) + count
    return done


@settings(max_examples=60, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS), chance=st.randoms())
def test_the_order_of_the_counts_changes_nothing(who, minimum, chance):
    residents = residents_of(who)
    shuffled = list(residents.items())
    chance.shuffle(shuffled)

    assert withheld(dict(shuffled), minimum=minimum) == withheld(residents, minimum=minimum)


@settings(max_examples=60, deadline=None)
@given(who=populations())
def test_nothing_is_withheld_without_a_small_cell(who):
    residents = residents_of(who)

    assert withheld(residents, minimum=min(residents.values(), default=1)) == frozenset()
