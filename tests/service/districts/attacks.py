"""An attacker who has every published number of every version, and exact arithmetic.

What they do not know are *variables*: what one resident did in one atom, for each value that it
had. Each published number is a sum of variables. The attacker adds and subtracts numbers, each as
often as they like, and wins with an outcome in which only variables of fewer than ten residents
are left.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

PRIME = (1 << 61) - 1  # Row reduction modulo a prime: no rounding, and no luck worth a mention.

Variable = tuple[Hashable, Hashable]  # A resident, and what of theirs.
Number = Mapping[Variable, int]  # A published number: how often it has each variable.


def isolated(numbers: Iterable[Number], minimum: int) -> frozenset[Hashable]:
    """Some residents, fewer than ``minimum``, of whom a combination of numbers tells; else none.

    Exhaustive: for every union of columns' residents that is small enough, whether something is
    left of the numbers' space when all other columns have cancelled out.
    """
    rows = [number for number in numbers if number]
    columns = _columns(rows)
    whole = _rank(columns.values())
    for few in _small_unions(set(columns), minimum):
        others = [column for people, column in columns.items() if not people <= few]
        if _rank(others) < whole:
            return few
    return frozenset()


def _columns(rows: Sequence[Number]) -> dict[frozenset[Hashable], tuple[int, ...]]:
    """The coefficients that variables have in all numbers, by whose variables these are.

    Variables with the same coefficients cancel out together. Where the same people have several
    columns, these are told apart by a mark that is nobody.
    """
    coefficients: defaultdict[Variable, list[int]] = defaultdict(lambda: [0] * len(rows))
    for at, row in enumerate(rows):
        for variable, times in row.items():
            coefficients[variable][at] = times
    people: defaultdict[tuple[int, ...], set[Hashable]] = defaultdict(set)
    for (resident, _), column in coefficients.items():
        people[tuple(column)].add(resident)
    return {_Marked(residents, at): column for at, (column, residents) in enumerate(people.items())}


class _Marked(frozenset[Hashable]):
    """People, of one column: equal to no other column's."""

    def __new__(cls, people: Iterable[Hashable], mark: int) -> "_Marked":
        return super().__new__(cls, people)

    def __init__(self, people: Iterable[Hashable], mark: int) -> None:
        self.mark = mark

    def __hash__(self) -> int:
        return hash(self.mark)

    def __eq__(self, other: object) -> bool:
        return self is other


def _small_unions(sets: Iterable[frozenset[Hashable]], minimum: int) -> set[frozenset[Hashable]]:
    """Unions of fewer than ``minimum`` people to which no further one can be added."""
    small = {frozenset(each | set()) for each in sets if len(each) < minimum}
    found = set(small)
    waiting = list(small)
    while waiting:
        union = waiting.pop()
        for each in small:
            larger = union | each
            if len(larger) < minimum and larger not in found:
                found.add(larger)
                waiting.append(larger)
    return {one for one in found if not any(one < other for other in found)}


def _rank(vectors: Iterable[Sequence[int]]) -> int:
    basis: dict[int, list[int]] = {}
    for vector in vectors:
        rest = [value % PRIME for value in vector]
        for at in range(len(rest)):
            if not rest[at]:
                continue
            if at not in basis:
                inverse = pow(rest[at], -1, PRIME)
                basis[at] = [value * inverse % PRIME for value in rest]
                break
            times = rest[at]
            rest = [
                (value - times * other) % PRIME
                for value, other in zip(rest, basis[at], strict=True)
            ]
    return len(basis)
