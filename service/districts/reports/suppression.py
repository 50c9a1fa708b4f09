"""Which sums of a district's month may not be published.

An *atom* is what a town's residents did on a day, of one behaviour; atoms are never published. A
*line* is a sum of atoms that may be: a town's month, a day of all towns, the district's month. Kept
true for every additive measure that is published once for each line not withheld here: **every
linear combination of published lines, with any coefficients, is of atoms behind which at least
``minimum`` different residents stand**, unless all its coefficients cancel out. So no published
line, no difference or sum of some, and nothing that an attacker solves for is of fewer.

How. Towns and days are nodes, and so are two ends, one of the towns' totals and one of the days'.
A combination is a number for each node: an atom's coefficient is its town's number less its day's,
and a line that is withheld has the same number at both its ends. Between two numbers there is a cut
of the nodes, and all atoms that cross it have a coefficient: so it is enough that every cut is
crossed by nobody's atoms or by those of enough residents. Whoever lives in a town and acted on some
days is a hyperedge of those nodes: it is cut when one of the atoms is. Least cuts of hyperedges are
exact and quick to find (Lawler, Cutsets and partitions of hypergraphs, 1973), and by one that is
too small the cheapest published line that crosses it is withheld.

The same rule holds between two versions of a report, with what changed in the place of what was
done (``service.districts.reports.versions``), and for tables without days (one day for all).

Not covered: bounds (no value is negative, so a withheld one is at most what its line is short of);
one resident who makes up most of a large figure; and what somebody knows of others already.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Hashable, Iterable, Mapping
from itertools import pairwise
from typing import Final

MIN_RESIDENTS = 10
TOTAL: Final = "*"

Cell = tuple[str, str]  # (town, day): an atom, or with TOTAL a line.
_Node = tuple[str, ...]

_TOWNS: Final[_Node] = ("towns",)
_DAYS: Final[_Node] = ("days",)


def withheld(
    residents: Mapping[Cell, int],
    who: Iterable[tuple[Hashable, Cell]],
    *,
    hidden: Collection[Cell] = (),
    minimum: int = MIN_RESIDENTS,
) -> frozenset[Cell]:
    """Return the lines that must not be published, those of ``hidden`` among them.

    Args:
        residents: how many residents stand behind each atom. An absent atom is nothing; one of 0
            residents is something that nobody counts for, and is protected likewise.
        who: each resident behind each atom of fewer than ``minimum``.
        hidden: lines that are not published anyway.
        minimum: the fewest residents that a published figure may stand for, at least 1.

    The answer is the same for the same counts in any order. Lines that are too small themselves and
    those that protect them are not told apart, and a report must not do so either.
    """
    assert minimum >= 1, "a minimum below 1 protects nobody"
    assert all(count >= 0 for count in residents.values()), "fewer than no residents"
    lines = _Lines(residents, who, hidden, minimum)
    for cell in sorted(residents, key=lambda each: (residents[each], each)):
        while side := lines.small_side(cell):
            lines.hide(lines.cheapest_across(side))
        lines.join(*_ends(cell))
    return frozenset(lines.hidden)


def lines_of(cells: Iterable[Cell]) -> set[Cell]:
    """The lines that atoms add up to."""
    found = {line for town, day in cells for line in ((town, TOTAL), (TOTAL, day))}
    return found | {(TOTAL, TOTAL)} if found else found


def _ends(cell: Cell) -> tuple[_Node, _Node]:
    town, day = cell
    first = _DAYS if town == TOTAL else ("town", town)
    return first, _TOWNS if day == TOTAL else ("day", day)


class _Lines:
    """Nodes, joined where no cut can come between; and of each resident which nodes they tie."""

    def __init__(
        self,
        residents: Mapping[Cell, int],
        who: Iterable[tuple[Hashable, Cell]],
        hidden: Collection[Cell],
        minimum: int,
    ) -> None:
        self.minimum = minimum
        self.hidden = set(hidden)
        self.open = lines_of(residents) - self.hidden
        self.price: Counter[Cell] = Counter()
        self._joined: dict[_Node, _Node] = {}
        for cell, count in residents.items():
            for line in lines_of([cell]):
                self.price[line] += count
            if count >= minimum:
                self.join(*_ends(cell))
        for line in self.hidden:
            self.join(*_ends(line))
        small = {cell for cell, count in residents.items() if count < minimum}
        self.ties = _ties(each for each in who if each[1] in small)

    def hide(self, line: Cell) -> None:
        self.hidden.add(line)
        self.open.discard(line)
        self.join(*_ends(line))

    def join(self, one: _Node, other: _Node) -> None:
        one, other = self.found(one), self.found(other)
        if one != other:
            self._joined[max(one, other)] = min(one, other)

    def found(self, node: _Node) -> _Node:
        """The node that stands for all that are joined with this one."""
        while node in self._joined:
            node = self._joined[node]
        return node

    def small_side(self, cell: Cell) -> set[_Node]:
        """The town's side of a least cut between the atom's town and day; empty if none is small.

        Each resident's tie is an arc of capacity 1 that every node of theirs may flow through.
        """
        start, goal = (self.found(node) for node in _ends(cell))
        if start == goal:
            return set()
        ties: Counter[frozenset[_Node]] = Counter()
        for nodes, count in self.ties.items():
            together = frozenset(map(self.found, nodes))
            if len(together) > 1:
                ties[together] += count
        self.ties = ties
        room: defaultdict[_Node, dict[_Node, int]] = defaultdict(dict)
        for number, (nodes, count) in enumerate(ties.items()):
            into: _Node = ("into", str(number))
            out: _Node = ("out of", str(number))
            room[into][out], room[out][into] = count, 0
            for node in nodes:
                room[node][into], room[into][node] = self.minimum, 0
                room[out][node], room[node][out] = self.minimum, 0
        return _side_of_cut(room, start, goal, self.minimum)

    def cheapest_across(self, side: Collection[_Node]) -> Cell:
        """The published line of the fewest acts that crosses a cut; the total only at last.

        There is one: lines tie all nodes together.
        """
        across = [
            line
            for line in self.open
            if len({self.found(node) in side for node in _ends(line)}) == 2
        ]
        return min(across, key=lambda line: (line == (TOTAL, TOTAL), self.price[line], line))


def _ties(who: Iterable[tuple[Hashable, Cell]]) -> Counter[frozenset[_Node]]:
    """How many residents tie which nodes. Who acted in two towns counts in one of them only, so
    that nobody counts twice.
    """
    homes: dict[Hashable, str] = {}
    nodes: defaultdict[Hashable, set[_Node]] = defaultdict(set)
    for resident, (town, day) in sorted(who, key=lambda each: each[1]):
        if homes.setdefault(resident, town) == town:
            nodes[resident] |= {("town", town), ("day", day)}
    return Counter(frozenset(each) for each in nodes.values())


def _side_of_cut(
    room: Mapping[_Node, Mapping[_Node, int]], start: _Node, goal: _Node, enough: int
) -> set[_Node]:
    """The start's side of the minimum cut, or nothing if `enough` can flow from start to goal."""
    changed: dict[tuple[_Node, _Node], int] = {}  # What flow took from the room, and gave back.
    flow = 0
    while flow < enough:
        came_from = {start: start}
        last: list[_Node] = []
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there, capacity in room.get(here, {}).items():
                if there not in came_from and capacity + changed.get((here, there), 0) > 0:
                    if there == goal:
                        last.append(here)
                        continue
                    came_from[there] = here
                    queue.append(there)
        if not last:
            return set(came_from)
        for node in last:  # Each is another way, and some are blocked by those before them.
            trail = [goal, node]
            while trail[-1] != start:
                trail.append(came_from[trail[-1]])
            arcs = [(here, there) for there, here in pairwise(trail)]
            pushed = min(room[here][there] + changed.get((here, there), 0) for here, there in arcs)
            for here, there in arcs if pushed else ():
                changed[here, there] = changed.get((here, there), 0) - pushed
                changed[there, here] = changed.get((there, here), 0) + pushed
            flow += pushed
    return set()
