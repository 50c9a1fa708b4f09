"""Hand-worked tables, and an attacker who has every published line and exact arithmetic."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.districts.reports.suppression import MIN_RESIDENTS, TOTAL, Cell, lines_of, withheld
from tests.service.districts.attacks import isolated

Who = Mapping[Cell, frozenset[int]]  # Who is behind each atom.


def secret(who: Who, minimum: int = MIN_RESIDENTS, **more: Collection[Cell]) -> frozenset[Cell]:
    counts = {cell: len(people) for cell, people in who.items()}
    each = [(resident, cell) for cell, people in who.items() for resident in people]
    return withheld(counts, each, minimum=minimum, **more)


def lines(text: str) -> set[Cell]:
    """``a/* */1`` is the month of town a, and day 1."""
    return {(town, day) for town, day in (pair.split("/") for pair in text.split())}


def people(**atoms: int) -> Who:
    """``a1=5``: five residents in town a on day 1; nobody twice."""
    numbers = iter(range(10_000))
    return {
        (name[0], name[1:]): frozenset(next(numbers) for _ in range(count))
        for name, count in atoms.items()
    }


def test_nothing_is_withheld_of_nothing():
    assert withheld({}, []) == frozenset()


def test_large_lines_are_published_though_every_atom_is_small():
    assert secret(people(a1=5, a2=5, b1=5, b2=5)) == frozenset()


def test_the_minimum_itself_is_published_and_one_less_is_not():
    assert secret(people(a1=10, b1=20)) == frozenset()
    assert secret(people(a1=9, b1=20)) == lines("a/* b/*")


def test_a_small_town_takes_the_cheapest_other_with_it():
    assert secret(people(a1=9, b1=40, c1=12)) == lines("a/* c/*")


def test_small_towns_hide_each_other_only_if_they_are_enough_together():
    assert secret(people(a1=5, b1=5, c1=40)) == lines("a/* b/*")
    assert secret(people(a1=5, b1=4, c1=40)) == lines("a/* b/* c/*")


def test_a_district_of_few_shows_nothing():
    assert secret(people(a1=5, b2=4)) == lines("a/* b/* */1 */2 */*")


def test_a_day_is_withheld_likewise():
    assert secret(people(a1=3, a2=30, a3=40)) == lines("*/1 */2")


def test_residents_of_several_days_count_once():
    everybody = frozenset(range(9))
    assert secret({("a", "1"): everybody, ("a", "2"): everybody}) == lines("a/* */1 */2 */*")
    assert secret({("a", "1"): frozenset(range(9)), ("a", "2"): frozenset(range(1, 10))}) == lines(
        "*/1 */2"
    )


def test_a_small_difference_of_a_town_and_its_days_is_not_told():
    """All of town a on day 1 and 2 but for three: a/* less both days is these three and those of
    b, and had b few on them it would be told.
    """
    who = people(a1=30, a2=30, a3=3, b1=2, b3=40)
    known = published(who, secret(who))

    assert isolated(known, MIN_RESIDENTS) == frozenset()
    assert secret(who) != frozenset()


def test_what_is_withheld_anyway_protects():
    who = people(a1=9, b1=40, c1=12)
    assert secret(who, hidden=lines("b/*")) == lines("a/* b/*")


def test_what_nobody_counts_for_is_protected_too():
    counts = {("a", "1"): 0, ("b", "1"): 12, ("c", "1"): 15}
    assert withheld(counts, []) == lines("a/* b/*")


def test_who_lives_in_two_towns_counts_once():
    both = frozenset(range(6))
    who = {("a", "1"): both, ("b", "1"): both, ("c", "1"): frozenset(range(100, 140))}
    assert secret(who) == lines("a/* b/* c/*")


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
def test_a_table_without_days(towns, expected):
    no_day = (TOTAL, "")
    who = {(town, ""): range(number * 100, number * 100 + count)
           for number, (town, count) in enumerate(towns.items())}  # fmt: skip
    found = secret({cell: frozenset(each) for cell, each in who.items()}, hidden={no_day})
    assert found - {no_day} == {(town, TOTAL) for town in expected.split()}


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(AssertionError):
        withheld({("a", "1"): -1}, [])


# The attacker


@st.composite
def populations(draw: st.DrawFn, movers: tuple[bool, ...] = (False, False, True)) -> Who:
    """Who is behind each atom. Few or none of a town live in two; each acts on any days."""
    who: defaultdict[Cell, set[int]] = defaultdict(set)
    moving = draw(st.sampled_from(movers))
    days = draw(st.integers(1, 4))
    for town in range(draw(st.integers(0, 4))):
        pool = draw(st.sampled_from([3, 6, 12, 30]))
        first = town * (11 if moving else 1000)  # Towns of 12 and 30 then share residents.
        chance = random.Random(draw(st.integers(0, 10**6)))  # noqa: S311
        often = draw(st.sampled_from([0.15, 0.4, 0.9]))
        for resident in range(first, first + pool):
            for day in range(days):
                if chance.random() < often:
                    who[str(town), str(day)].add(resident)
    return {cell: frozenset(each) for cell, each in who.items()}


def published(who: Who, hidden: Collection[Cell]) -> Iterator[dict[tuple[int, Cell], int]]:
    """Each line that is not withheld, as the sum of what each resident did in each atom."""
    for town, day in sorted(lines_of(who) - set(hidden)):
        yield {
            (resident, cell): 1
            for cell, each in who.items()
            for resident in each
            if town in (cell[0], TOTAL) and day in (cell[1], TOTAL)
        }


@settings(max_examples=150, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS))
def test_no_combination_of_lines_is_of_a_few_residents(who, minimum):
    assert isolated(published(who, secret(who, minimum)), minimum) == frozenset()


@settings(max_examples=100, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS))
def test_every_cut_of_towns_and_days_has_nobody_or_enough(who, minimum):
    """The rule itself, by looking at all cuts: what is withheld has its ends on one side."""
    hidden = secret(who, minimum)
    nodes = sorted({f"t{town}" for town, _ in who} | {f"d{day}" for _, day in who} | {"T", "D"})

    def ends(cell: Cell) -> tuple[str, str]:
        return (
            "D" if cell[0] == TOTAL else f"t{cell[0]}",
            "T" if cell[1] == TOTAL else f"d{cell[1]}",
        )

    for size in range(1, len(nodes) // 2 + 1):
        for side in combinations(nodes, size):
            if any(len({end in side for end in ends(line)}) == 2 for line in hidden):
                continue
            cut = [each for cell, each in who.items() if len({e in side for e in ends(cell)}) == 2]
            assert not cut or len(frozenset().union(*cut)) >= minimum


@settings(max_examples=60, deadline=None)
@given(who=populations(), minimum=st.integers(2, MIN_RESIDENTS), chance=st.randoms())
def test_the_order_of_the_counts_changes_nothing(who, minimum, chance):
    shuffled = list(who.items())
    chance.shuffle(shuffled)

    assert secret(dict(shuffled), minimum) == secret(who, minimum)


@settings(max_examples=60, deadline=None)
@given(who=populations(movers=(False,)), minimum=st.integers(2, MIN_RESIDENTS))
def test_nothing_is_withheld_where_nothing_could_be_told(who, minimum):
    """Where somebody moved, more than needed may be: they count in one of their towns only."""
    if not isolated(published(who, ()), minimum):
        assert secret(who, minimum) == frozenset()


def test_the_attacker_wins_where_small_lines_alone_are_withheld():
    """Complementary suppression is what stops them: weakened, it is found out."""
    won = 0
    for seed in range(20):
        chance = random.Random(seed)  # noqa: S311
        who = {
            (town, day): frozenset(
                1000 * number + resident for resident in range(size) if chance.random() < 0.5
            )
            for number, (town, size) in enumerate((("a", 12), ("b", 14), ("c", 40)))
            for day in "12"
        }
        who = {cell: each for cell, each in who.items() if each}
        small = {line for line, count in _counts(who).items() if count < MIN_RESIDENTS}
        won += bool(isolated(published(who, small), MIN_RESIDENTS))
        assert not isolated(published(who, secret(who)), MIN_RESIDENTS)
    assert won


def _counts(who: Who) -> Counter[Cell]:
    behind: defaultdict[Cell, set[int]] = defaultdict(set)
    for cell, each in who.items():
        for line in lines_of([cell]):
            behind[line] |= each
    return Counter({line: len(each) for line, each in behind.items()})
