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

Residents live in one town: down a column they add up. Along a row they overlap, so a group in a
row counts as its largest cell, or as the row's residents less those of the row's other cells,
whichever is more; both are lower bounds.

Not covered: bounds (no value is negative, so a withheld one is at most what its line is short of;
a shortfall of nothing says that all are nothing); measures that are fixed multiples of each other
within a behaviour, whose row totals are further equations on the same unknowns; other tables
about the same residents (the next month, the city's, a town redrawn); one resident who makes up
most of a large cell; and what follows from knowing this algorithm.
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
    not told apart, and a report must not do so either. Fails on counts that cannot be: a column
    that is not the sum of its towns, a row's total below its largest cell or above their sum.
    """
    assert minimum >= 1, "a minimum below 1 protects nobody"
    people = {cell: count for cell, count in residents.items() if count}
    _assert_consistent(people)
    table = _Table(people, minimum)
    for cell in sorted(table.hidden, key=table.price):
        table.hide(table.path(cell, {cell}))
        while group := table.small_group(cell):  # What is safe stays so when more is hidden.
            table.hide(table.path(cell, group))
    return frozenset(table.hidden)


def _is_margin(cell: Cell) -> bool:
    return TOTAL in cell


def _assert_consistent(people: Mapping[Cell, int]) -> None:
    """The guarantees rest on these sums, and a wrong one would leak without a sign."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    columns: defaultdict[str, list[int]] = defaultdict(list)
    for (row, column), count in people.items():
        assert count > 0, f"{count} residents behind {(row, column)}"
        if column != TOTAL:
            rows[row].append(count)
        if row != TOTAL:
            columns[column].append(count)
    row_totals = {row: count for (row, column), count in people.items() if column == TOTAL}
    column_totals = {column: count for (row, column), count in people.items() if row == TOTAL}
    for row in rows.keys() | row_totals.keys() if row_totals else ():
        low, high = max(rows[row], default=0), sum(rows[row])
        assert low <= row_totals.get(row, 0) <= high, f"row {row} does not fit its total"
    for column in columns.keys() | column_totals.keys() if column_totals else ():
        total = column_totals.get(column, 0)
        assert total == sum(columns[column]), f"column {column} does not add up to its total"


class _Table:
    """The table as a graph: lines with a total are nodes, cells with residents are edges.

    `room` has the capacities whose cuts weigh what a group counts; `minimum` is as good as no
    limit. A small cell is cut from its row's side to its column's only, other hidden cells never.
    The small cells of a row share arcs, one for each step up in size, so that those which are
    cut weigh as much as the largest of them.
    """

    def __init__(self, people: Mapping[Cell, int], minimum: int) -> None:
        self.people, self.minimum = people, minimum
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
        self.hide(cell for cell in people if people[cell] < minimum)

    def price(self, cell: Cell) -> tuple[int, int, Cell]:
        return int(_is_margin(cell)), self.people[cell], cell

    def hide(self, cells: Iterable[Cell]) -> None:
        for cell in set(cells) - self.hidden:
            self.hidden.add(cell)
            row, column = self.ends[cell]
            self._widen(column, row, self.minimum)
            if _is_margin(cell) or self.people[cell] >= self.minimum:
                self._widen(row, column, self.minimum)
                continue
            small = {c for c in self.rows[cell[0]] if self.people[c] < self.minimum}
            sizes = sorted({self.people[c] for c in small})
            for below, size in pairwise([0, *sizes]):
                step: _Node = ("step", cell[0], str(size))
                self.room[row][step], self.room[step][row] = size - below, 0
                if self.people[cell] >= size:
                    self._widen(step, column, self.minimum)

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
        # A cell and its three margins are a cycle, and so is a margin with a cell of its line.
        raise AssertionError(f"no cell can protect {cell}")

    def small_group(self, cell: Cell) -> frozenset[Cell]:
        """Cells, this one among them, with too few residents and a sum that is given away.

        The minimum cut counts a row's part as its largest cell. Where the row's total shows the
        part to be larger, the cut may be harmless and hide a harmful one behind it, which lacks
        one of the part's cells: look again with each of them kept out (solid).
        """
        start, goal = self.ends[cell]
        if _is_margin(cell) or start == goal:
            return frozenset()  # A small margin has small cells, and their sum is tested.
        queue: deque[frozenset[Cell]] = deque([frozenset()])
        seen: set[frozenset[Cell]] = set()
        while queue:
            solid = queue.popleft()
            if solid in seen:
                continue
            seen.add(solid)
            closed = {self.ends[other] for other in solid}
            side = _side_of_cut(self.room, closed, start, goal, self.minimum)
            if not side:
                continue
            group = {c for c in self.hidden if _leaves(side, *self.ends[c])}
            surely, enlarged = self._residents_at_least(group)
            if surely < self.minimum or len(seen) > CUTS_MAX:
                return frozenset(group)
            queue.extend(solid | {other} for other in sorted(enlarged - {cell}))
        return frozenset()

    def _residents_at_least(self, group: Collection[Cell]) -> tuple[int, set[Cell]]:
        """A lower bound, and the cells of rows where the row's total raised it."""
        surely, enlarged = 0, set[Cell]()
        for row in {row for row, _ in group}:
            part = self.rows[row].intersection(group)
            largest = max(self.people[cell] for cell in part)
            others = sum(self.people[cell] for cell in self.rows[row] - part)
            left = self.people.get((row, TOTAL), 0) - others
            surely += max(largest, left)
            if left > largest:
                enlarged |= part
        return surely, enlarged


def _leaves(side: Collection[_Node], row: _Node, column: _Node) -> bool:
    return row in side and column not in side


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
