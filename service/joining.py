"""Joining: requests that come while another's transaction is under way go together in the next.

Kept here: nobody waits for company, so a lone request takes no longer than without this; nobody
waits without end; one item's fault hurts no other, and each caller gets its own answer or its own
fault. A transaction costs some dozen statements and a commit however many events it has, so
together they cost a fraction of what they would cost one by one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition, Event, Lock
from typing import Generic, TypeVar

from service.errors import TooBusy

Item = TypeVar("Item")
Done = TypeVar("Done")

JOINED_MAX = 64  # Of them a transaction takes some 20 ms: those behind it wait no longer.
WAITING_MAX = 256
PATIENCE_S = 10.0


class _Ticket(Generic[Item, Done]):
    """One caller's item on its way. ``woken`` is set once there is an outcome, or the lead."""

    __slots__ = ("done", "fault", "finished", "item", "leads", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.woken = Event()
        self.leads = self.finished = False
        self.done: Done | None = None
        self.fault: BaseException | None = None


class Joining(Generic[Item, Done]):
    """Callers' items, worked on together, of one process.

    Args:
        work: does all of a list's items in a transaction of its own, whole or not at all, and
            answers one result an item, in their order. It is called by one thread at a time.
        shared: whether a fault concerns all alike (the database is away), so that trying each item
            alone would only take longer.

    The first caller leads: it takes what waits, at most ``joined_max``, and works on it. Whoever
    comes meanwhile waits, and the first of them leads the next round.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Done]],
        *,
        shared: Callable[[BaseException], bool] = lambda _: False,
        joined_max: int = JOINED_MAX,
        waiting_max: int = WAITING_MAX,
        patience_s: float = PATIENCE_S,
    ) -> None:
        assert joined_max > 0
        self._work, self._shared = work, shared
        self._joined_max, self._waiting_max, self._patience_s = joined_max, waiting_max, patience_s
        self._waiting: deque[_Ticket[Item, Done]] = deque()
        self._lock = Lock()
        self._idle = Condition(self._lock)
        self._led = self._closed = False

    def do(self, item: Item) -> Done:
        """The item's result, once it is committed.

        Raises what ``work`` raised for this item, or TooBusy: too many wait, it waited
        ``patience_s``, or the process is ending. Sending it again is safe, as ``work`` is.
        """
        ticket: _Ticket[Item, Done] = _Ticket(item)
        with self._lock:
            if self._closed or len(self._waiting) >= self._waiting_max:
                raise TooBusy
            self._waiting.append(ticket)
            if not self._led:
                self._led = ticket.leads = True
        try:
            if not ticket.leads:
                self._wait(ticket)
        except BaseException:
            self._leave(ticket)
            raise
        if ticket.leads:
            self._lead()
        assert ticket.finished
        if ticket.fault is not None:
            raise ticket.fault
        return ticket.done  # type: ignore[return-value]  # Of a ticket without a fault.

    def close(self, *, patience_s: float = PATIENCE_S) -> bool:
        """Let nobody in any more, and wait for those who are; False if some are left."""
        with self._idle:
            self._closed = True
            return self._idle.wait_for(lambda: not self._led, patience_s)

    def _wait(self, ticket: _Ticket[Item, Done]) -> None:
        """Until it has an outcome or leads. Nobody takes a ticket back that is being worked on: it
        may be committed, and a statement's own time limit ends that wait.
        """
        if ticket.woken.wait(self._patience_s):
            return
        with self._lock:
            if ticket in self._waiting and not ticket.leads:
                raise TooBusy
        ticket.woken.wait()

    def _leave(self, ticket: _Ticket[Item, Done]) -> None:
        """Out of the queue, whyever; the lead, if it was given meanwhile, goes on to the next."""
        with self._lock:
            with suppress(ValueError):
                self._waiting.remove(ticket)
            if ticket.leads and not ticket.finished:
                self._pass_on()

    def _pass_on(self) -> None:
        """The next in line leads, if there is one; the caller has the lock."""
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].woken.set()
        else:
            self._led = False
            self._idle.notify_all()

    def _lead(self) -> None:
        """Work on what waits, the leader's own first; then the next in line leads."""
        with self._lock:
            count = min(len(self._waiting), self._joined_max)
            tickets = [self._waiting.popleft() for _ in range(count)]
        try:
            self._settle(tickets)
        finally:
            with self._lock:
                self._pass_on()
            for ticket in tickets:
                if not ticket.finished:  # The leader's thread is being ended: theirs are not.
                    ticket.fault, ticket.finished = TooBusy(), True
                ticket.woken.set()

    def _settle(self, tickets: Sequence[_Ticket[Item, Done]]) -> None:
        """An outcome for each: together, else each alone, so that only the faulty one has it."""
        fault = self._try(tickets)
        if fault is not None and len(tickets) > 1 and not self._shared(fault):
            for ticket in tickets:
                if (fault := self._try([ticket])) is not None:
                    if self._shared(fault):
                        break
                    ticket.fault, ticket.finished = fault, True
        for ticket in tickets:
            if not ticket.finished:
                ticket.fault, ticket.finished = fault, True

    def _try(self, tickets: Sequence[_Ticket[Item, Done]]) -> Exception | None:
        """Their results, or what hindered them all."""
        try:
            results = self._work([ticket.item for ticket in tickets])
            assert len(results) == len(tickets)
        except Exception as fault:
            return fault
        for ticket, done in zip(tickets, results, strict=True):
            ticket.done, ticket.finished = done, True
        return None
