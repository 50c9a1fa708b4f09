"""The courier: takes due messages, sends many at once, records what became of them.

Kept here: who answers well is sent several at once; whoever answers late or badly is sent one at a
time, on threads of their own, so that the others need not wait behind them.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import cached_property, partial
from uuid import UUID

from rewards.webhooks.deliveries import Claimed, Outcome, claim, record
from service.db import Database
from service.webhooks.sending import TIMEOUT_S, Sender

log = logging.getLogger(__name__)
STEADY, TRYING = 8, 4  # Threads: for those who answer well, and for the others.
AT_ONCE = 4  # To one endpoint that answers well; to any other one.
REST = timedelta(seconds=2)  # After a failure an endpoint is not sent the next message at once.
_LOOK_S = 0.5  # So often, at most, while all threads wait, somebody looks for new messages.


class Courier:
    """One a process: it remembers how endpoints answered.

    Two processes with a courier each may work at once.
    """

    def __init__(self, *, private: bool, timeout_s: float = TIMEOUT_S) -> None:
        self._private, self._timeout_s = private, timeout_s
        self._well: set[UUID] = set()
        self._badly: set[UUID] = set()
        self._rests_until: dict[UUID, datetime] = {}

    @cached_property
    def sender(self) -> Sender:
        """Made when there is something to send: it takes its time."""
        return Sender(private=self._private, timeout_s=self._timeout_s)

    def run(
        self, database: Database, key: bytes, *, clock: Callable[[], datetime], budget_s: float
    ) -> dict[str, int]:
        """Send what is due, until there is nothing or the budget is spent.

        ``key``: of which endpoints' secrets are derived. What is killed meanwhile is sent again
        by whoever runs later.
        """
        counts, until = {"delivered": 0, "failed": 0}, time.monotonic() + budget_s
        steady, trying = ThreadPoolExecutor(STEADY), ThreadPoolExecutor(TRYING)
        flying: dict[Future[Outcome], Claimed] = {}
        try:
            while True:
                if time.monotonic() < until:
                    for each in self._claimed(database, flying.values(), clock()):
                        lane = trying if each.endpoint_id in self._badly else steady
                        flying[lane.submit(self._sent, self.sender, each, key, clock)] = each
                if not flying:
                    return counts
                done, _ = wait(flying, _LOOK_S, FIRST_COMPLETED)
                outcomes = [each.result() for each in done if flying.pop(each)]
                if outcomes:
                    database.transact(partial(record, outcomes=outcomes, now=clock()))
                for outcome in outcomes:
                    counts["delivered" if outcome.good else "failed"] += 1
        finally:
            steady.shutdown(cancel_futures=True)
            trying.shutdown(cancel_futures=True)
            if "sender" in vars(self):  # Where it was needed.
                self.sender.close()

    def _claimed(
        self, database: Database, flying: Collection[Claimed], now: datetime
    ) -> list[Claimed]:
        in_flight = Counter(each.endpoint_id for each in flying)
        badly = sum(count for id_, count in in_flight.items() if id_ in self._badly)
        limit = 2 * STEADY + TRYING - len(flying)
        if limit <= 0:
            return []
        return database.transact(
            lambda session: claim(
                session, room=self._rooms(in_flight, TRYING - badly, now), limit=limit, now=now
            )
        )

    def _rooms(
        self, in_flight: Mapping[UUID, int], trying: int, now: datetime
    ) -> Callable[[UUID], int]:
        """How many more each endpoint may be sent; ``trying``: so many threads are free for those
        who answer badly.
        """

        def room(endpoint_id: UUID) -> int:
            nonlocal trying
            if now < self._rests_until.get(endpoint_id, now):
                return 0
            if endpoint_id in self._well:
                return AT_ONCE - in_flight[endpoint_id]
            free = in_flight[endpoint_id] == 0
            if endpoint_id not in self._badly:
                return int(free)
            trying -= free
            return int(free and trying >= 0)

        return room

    def _sent(
        self, sender: Sender, claimed: Claimed, key: bytes, clock: Callable[[], datetime]
    ) -> Outcome:
        began = time.monotonic()
        try:
            outcome = sender.send(claimed, key, at=clock())
        except Exception:
            # Our own mistake; the other messages are none the worse for it.
            log.exception("webhooks: message %s could not be sent", claimed.id)
            outcome = Outcome(claimed, False, "not sent")
        self._remember(outcome, time.monotonic() - began, clock())
        return outcome

    def _remember(self, outcome: Outcome, took_s: float, now: datetime) -> None:
        endpoint_id = outcome.claimed.endpoint_id
        if outcome.good and took_s < self._timeout_s / 2:
            self._badly.discard(endpoint_id)
            self._well.add(endpoint_id)
        else:
            self._well.discard(endpoint_id)
            self._badly.add(endpoint_id)
        if outcome.good:
            self._rests_until.pop(endpoint_id, None)
        else:
            self._rests_until[endpoint_id] = now + REST
