"""Working off the audits that somebody asked for.

Kept here: of all processes one at a time works, the one that holds an advisory lock on a connection
of its own. So a run that stands as running while the lock is free was somebody's who is gone: it is
begun again once, and given up when that was cut short too. An audit only reads, so beginning it
again does no harm. Progress goes out on the connection of the lock: the audit's own transaction is
a snapshot for reading, which shows nothing to others.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, text, update
from sqlalchemy.orm import Session

from ledgers.audit import Drift
from service.audits import running
from service.audits.models import AuditRun
from service.audits.requests import CLEAN, DRIFT, FAILED, LOCKS, RUNNING, WAITING
from service.db import Database
from service.jobs.records import reason
from service.services import Services

WORKING = 2
TELL_S = 0.5
DRIFTS_KEPT = 1_000  # Of more, the number is told.
CUT_SHORT = "cut short once and begun again"
CUT_SHORT_AGAIN = "cut short twice: see whether the machine ends what uses much memory"

_TAKE = text("SELECT pg_try_advisory_lock(:locks, :what)")
_LEAVE = text("SELECT pg_advisory_unlock(:locks, :what)")
_LOOK = text("SELECT pg_try_advisory_xact_lock(:locks, :what)")
_LOCK = {"locks": LOCKS, "what": WORKING}
Clock = Callable[[], datetime]


def is_needed(session: Session) -> bool:
    """Whether an audit waits, or was cut short, and nobody is at work."""
    open_ = select(AuditRun.id).where(AuditRun.state.in_((WAITING, RUNNING))).limit(1)
    return session.scalar(open_) is not None and bool(session.scalar(_LOOK, _LOCK))


def work_off(services: Services, *, clock: Clock = lambda: datetime.now(UTC)) -> int:
    """Run what waits, the first asked for first; how many ended. 0 where another process works."""
    ended = 0
    with _turn(services.database) as telling:
        if telling is None:
            return 0
        services.database.transact(lambda session: _take_over(session, now=clock()))
        while (audit_id := _begin(services.database, now=clock())) is not None:
            _run(services, audit_id, telling, clock)
            ended += 1
    return ended


@contextmanager
def _turn(database: Database) -> Iterator[Connection | None]:
    """A connection that holds the lock meanwhile and writes at once; None: another process does."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as telling:
        if not telling.scalar(_TAKE, _LOCK):
            yield None
            return
        try:
            yield telling
        finally:
            telling.scalar(_LEAVE, _LOCK)


def _take_over(session: Session, *, now: datetime) -> None:
    """Nobody is at work, for we hold the lock: what stands as running was cut short."""
    for run in session.scalars(select(AuditRun).where(AuditRun.state == RUNNING)).all():
        if run.error is None:
            run.state, run.error = WAITING, CUT_SHORT
        else:
            run.state, run.error, run.ended_at = FAILED, CUT_SHORT_AGAIN, now


def _begin(database: Database, *, now: datetime) -> UUID | None:
    """The next audit, which runs from here on; None: none waits."""

    def work(session: Session) -> UUID | None:
        waiting = select(AuditRun).where(AuditRun.state == WAITING)
        # One cut short first: it was asked for before all others.
        run = session.scalars(waiting.order_by(AuditRun.requested_at, AuditRun.id)).first()
        if run is None:
            return None
        run.state, run.started_at, run.step, run.done, run.total = RUNNING, now, None, 0, 0
        return run.id

    return database.transact(work)


def _run(services: Services, audit_id: UUID, telling: Connection, clock: Clock) -> None:
    progress = _Telling(telling, audit_id)
    try:
        with services.database.snapshot(unhurried=True) as session:
            found = running.drifts(session, services.log.folder, progress=progress)
            kept = list(islice(found, DRIFTS_KEPT))
            count = len(kept) + sum(1 for _ in found)
            facts = _found(kept, count, running.totals(session))
    except Exception as error:  # However it ends, it does not stay running.
        facts = {"state": FAILED, "error": reason(error)}
    ended = update(AuditRun).where(AuditRun.id == audit_id).values(ended_at=clock(), **facts)
    services.database.transact(lambda session: session.execute(ended))


def _found(kept: list[Drift], count: int, totals: running.Totals) -> dict[str, Any]:
    accounts = [
        {"programme": programme, "unit": unit, "kind": kind, "balance": balance}
        for programme, balances in totals.items()
        for (unit, kind), balance in sorted(balances.items())
    ]
    told = [
        {"check": d.check, "subject": d.subject, "expected": d.expected, "found": d.found}
        for d in kept
    ]
    return {
        "state": DRIFT if count else CLEAN,
        "drifts": told,
        "totals": {"drifts": count, "system_accounts": accounts},
        "error": None,
    }


class _Telling:
    """Writes how far an audit is, at most every TELL_S; each write is a commit of its own."""

    def __init__(self, connection: Connection, audit_id: UUID) -> None:
        self._connection, self._id = connection, audit_id
        self._told_at = 0.0

    def __call__(self, check: str, done: int, of: int) -> None:
        if time.monotonic() - self._told_at < TELL_S:
            return
        facts = {"step": check, "done": done, "total": of}
        self._connection.execute(update(AuditRun).where(AuditRun.id == self._id).values(facts))
        self._told_at = time.monotonic()
