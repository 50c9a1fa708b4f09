"""Which cells of a district's table may not be published.

Kept true, for each additive measure that is published once for every cell not withheld here:

- no cell with 1 to ``minimum - 1`` residents is published;
- no withheld cell is a linear combination of published cells;
- no such combination is a sum of cells behind which fewer than ``minimum`` residents stand. This
  holds for any choice of cells, not only for those of one line.

How. Every row and column, the margins among them, is an equation: its cells less its total are
nothing. Draw lines as nodes and withheld cells as edges: what published cells give away are the
cuts of that graph. A cell alone in a cut (a bridge) is exactly computed; a cut that only cells
cross, all from the rows' side to the columns' side, gives away their sum, and every disclosed sum
is made of such cuts. A margin, or a cell that crosses the other way, has the opposite sign: what
is then known is a difference, which is nobody's. A minimum cut finds the small groups; the
cheapest path of further cells across the cut takes them away.

A group is counted from below. Along a row residents overlap: its part of a group is at least its
largest cell, and at least the row's residents less those of the row's other cells. A resident
lives in one town, so the rows' parts add up, less what the totals show to be counted twice of
those who moved.

Not covered: bounds (no value is negative, so a withheld one is at most what its line is short of;
a shortfall of nothing says that all are nothing); measures that are fixed multiples of each other
within a behaviour, whose row totals are further equations on the same unknowns; other tables
about the same residents (this month read again tomorrow, the city's table, that of one town),
where other cells may be withheld; one resident who makes up most of a large cell; and what
follows from knowing this algorithm.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import Final

MIN_RESIDENTS = 10
TOTAL: Final = "*"  # The name of the margin in rows and in columns.
CUTS_MAX = 64  # Cuts looked at for one cell; past that a group of uncertain size counts as small.

Cell = tuple[str, str]  # (row, column), either may be TOTAL
_Node = tuple[str, ...]

_FREE: Final[_Node] = ("free",)  # Stands for all lines without a total: they are no equations.


def withheld(residents: Mapping[Cell, int], *, minimum: int = MIN_RESIDENTS) -> frozenset[Cell]:
    """Return the cells, margins included, that must not be published.

    Args:
        residents: distinct residents behind each cell, by (town, behaviour), with TOTAL for a
            margin. An absent cell is 0: nothing happened, which is published and protects
            nothing. Either margin may be left out altogether (points spent by town have no total
            along the row); then no such total may be published.
        minimum: the fewest residents that a published figure may stand for, at least 1.

    The answer is the same for the same counts in any order. Primary and complementary cells are
    not told apart, and a report must not do so either. Fails on counts that cannot be: below 0, or
    a total below its largest cell, above the sum of its cells, or missing beside other totals.
    """
    assert minimum >= 1, "a minimum below 1 protects nobody"
    people = {cell: count for cell, count in residents.items() if count}
    assert all(count > 0 for count in people.values()), "fewer than no residents"
    table = _Table(people, minimum)
    for cell in sorted(table.hidden, key=table.price):
        while group := table.small_group(cell):  # What is safe stays so when more is hidden.
            table.hide(table.path(cell, group))
    return frozenset(table.hidden)


def _is_margin(cell: Cell) -> bool:
    return TOTAL in cell


def _overlap(people: Mapping[Cell, int]) -> int:
    """How many times too often residents of several towns are counted when towns add up."""
    most = 0
    for axis in (0, 1):
        cells: defaultdict[str, list[int]] = defaultdict(list)
        totals: dict[str, int] = {}
        for cell, count in people.items():
            if cell[1 - axis] == TOTAL:
                totals[cell[axis]] = count
            else:
                cells[cell[axis]].append(count)
        for name in cells.keys() | totals.keys() if totals else ():
            low, total, high = max(cells[name], default=0), totals.get(name, 0), sum(cells[name])
            assert low <= total <= high, f"{name}: {total} residents in all, {low} to {high} fit"
            most = max(most, high - total) if axis else 0
    return most


class _Table:
    """The table as a graph: lines with a total are nodes, cells with residents are edges.

    `room` has the capacities whose cuts weigh what a group counts; `enough` is as good as no
    limit. A small cell is cut from its row's side to its column's only, other hidden cells never.
    The small cells of a row share arcs, one for each step up in size, so that those which are
    cut weigh as much as the largest of them.
    """

    def __init__(self, people: Mapping[Cell, int], minimum: int) -> None:
        self.people, self.minimum = people, minimum
        self.overlap = _overlap(people)
        self.enough = minimum + self.overlap
        by_row = any(column == TOTAL for _, column in people)
        by_column = any(row == TOTAL for row, _ in people)
        self.ends: dict[Cell, tuple[_Node, _Node]] = {}
        self.edges: defaultdict[_Node, list[tuple[Cell, _Node]]] = defaultdict(list)
        self.rows: defaultdict[str, set[Cell]] = defaultdict(set)
        for cell in people:
            row = ("row", cell[0]) if by_row else _FREE
            column = ("column", cell[1]) if by_column else _FREE
            self.ends[cell] = row, column
            self.edges[row].append((cell, column))
            self.edges[column].append((cell, row))
            if not _is_margin(cell):
                self.rows[cell[0]].add(cell)
        self.hidden: set[Cell] = set()
        self.room: defaultdict[_Node, Counter[_Node]] = defaultdict(Counter)
        self.firm: set[tuple[_Node, _Node]] = set()  # Columns that no small group comes between.
        self.hide(cell for cell in people if people[cell] < minimum)

    def price(self, cell: Cell) -> tuple[int, int, Cell]:
        return int(_is_margin(cell)), self.people[cell], cell

    def hide(self, cells: Iterable[Cell]) -> None:
        for cell in set(cells) - self.hidden:
            self.hidden.add(cell)
            row, column = self.ends[cell]
            self._widen(column, row, self.enough)
            if _is_margin(cell) or self.people[cell] >= self.minimum:
                self._widen(row, column, self.enough)
                continue
            small = {c for c in self.rows[cell[0]] if self.people[c] < self.minimum}
            sizes = sorted({self.people[c] for c in small})
            for below, size in pairwise([0, *sizes]):
                step: _Node = ("step", cell[0], str(size))
                self.room[row][step], self.room[step][row] = size - below, 0
                if self.people[cell] >= size:
                    self._widen(step, column, self.enough)

    def _widen(self, here: _Node, there: _Node, capacity: int) -> None:
        self.room[here][there] += capacity
        self.room[there][here] += 0  # The way back has to be listed, since flow can be undone.

    def path(self, cell: Cell, cut: Collection[Cell]) -> tuple[Cell, ...]:
        """The cheapest cells to hide, so that hidden ones join the ends of `cell` outside `cut`."""
        start, goal = self.ends[cell]
        queue: list[tuple[int, int, tuple[Cell, ...], _Node]] = [(0, 0, (), start)]
        settled: set[_Node] = set()
        while queue:
            margins, count, trail, here = heapq.heappop(queue)
            if here == goal:
                assert trail, f"{cell} is in no cut, since hidden cells lead round it"
                return trail
            if here in settled:
                continue
            settled.add(here)
            for step, there in self.edges[here]:
                if step in cut or there in settled:
                    continue
                if step in self.hidden:
                    heapq.heappush(queue, (margins, count, trail, there))
                else:
                    margin, more, _ = self.price(step)
                    heapq.heappush(queue, (margins + margin, count + more, (*trail, step), there))
        # A cell's three margins lead round it, or in a vector its one, and none is in a cut.
        raise AssertionError(f"no cell can protect {cell}")

    def small_group(self, cell: Cell) -> frozenset[Cell]:
        """Cells, this one among them, with too few residents and a sum that is given away.

        The minimum cut counts a row's part as its largest cell. Where the row's total shows the
        part to be larger, the cut may be harmless and hide a harmful one behind it, which lacks
        one of the part's cells: look again with each of them kept out (solid).
        """
        start, goal = self.ends[cell]
        if _is_margin(cell) or start == goal:
            return frozenset()  # Who knew a small margin knew the sum of its cells, all small.
        queue: deque[frozenset[Cell]] = deque([frozenset()])
        seen: set[frozenset[Cell]] = set()
        while queue:
            solid = queue.popleft()
            # Beside a solid cell of the same row its column is on the start's side as well.
            ways = {(self.ends[other][1], goal) for other in solid if other[0] == cell[0]}
            if solid in seen or ways & self.firm:
                continue
            seen.add(solid)
            closed = {self.ends[other] for other in solid}
            side = _side_of_cut(self.room, closed, start, goal, self.enough)
            if not side:
                self.firm |= ways if len(solid) == 1 else set()
                continue
            group = {
                other
                for other, (row, column) in self.ends.items()
                if other in self.hidden and row in side and column not in side
            }
            surely, enlarged = self._residents_at_least(group)
            if surely < self.minimum or len(seen) > CUTS_MAX:
                return frozenset(group)
            queue.extend(solid | {other} for other in sorted(enlarged - {cell}))
        return frozenset()

    def _residents_at_least(self, group: Collection[Cell]) -> tuple[int, set[Cell]]:
        """A lower bound, and the cells of rows where the row's total raised it."""
        parts, enlarged = [], set[Cell]()
        for row in {row for row, _ in group}:
            part = self.rows[row].intersection(group)
            largest = max(self.people[cell] for cell in part)
            others = sum(self.people[cell] for cell in self.rows[row] - part)
            left = self.people.get((row, TOTAL), 0) - others
            parts.append(max(largest, left))
            if left > largest:
                enlarged |= part
        return max(*parts, sum(parts) - self.overlap), enlarged


def _side_of_cut(
    room: Mapping[_Node, Mapping[_Node, int]],
    solid: set[tuple[_Node, _Node]],
    start: _Node,
    goal: _Node,
    enough: int,
) -> set[_Node]:
    """The start's side of the minimum cut, or nothing if `enough` can flow from start to goal."""
    changed = dict.fromkeys(solid, enough)  # What flow took from, and gave back to, the room.
    flow = 0
    while flow < enough:
        came_from = {start: start}
        last: list[_Node] = []
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there, capacity in room[here].items():
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
