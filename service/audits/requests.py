"""Asking for an audit, and reading how audits stand.

Kept here: at most one audit waits. Whoever asks while one runs gets one behind it; whoever asks
while one waits is told of that one, which will see all that theirs would.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from service.admin.log import State
from service.admin.objects import Object
from service.audits.errors import AuditIdReused, AuditWaiting, UnknownAudit
from service.audits.models import AuditRun

WAITING, RUNNING, CLEAN, DRIFT, FAILED = "waiting", "running", "clean", "drift", "failed"
LOCKS = 0x61756474  # "audt": these advisory locks are apart from the program's others.
ASKING = 1
_LOCK = text("SELECT pg_advisory_xact_lock(:locks, :what)")


def ask(session: Session, audit_id: UUID, *, requested_by: str, now: datetime) -> AuditRun:
    """Ask for an audit under an id that the client made; the same again answers the same.

    Waits for whoever asks at the same time, until the caller's transaction ends.

    Raises:
        AuditIdReused: somebody else has asked under this id.
        AuditWaiting: one waits already.
    """
    session.execute(_LOCK, {"locks": LOCKS, "what": ASKING})
    if (earlier := session.get(AuditRun, audit_id, populate_existing=True)) is not None:
        if earlier.requested_by != requested_by:
            raise AuditIdReused(audit_id)
        return earlier
    waiting = session.scalar(select(AuditRun.id).where(AuditRun.state == WAITING).limit(1))
    if waiting is not None:
        raise AuditWaiting(waiting)
    run = AuditRun(
        id=audit_id, requested_by=requested_by, requested_at=now, state=WAITING, done=0, total=0
    )
    session.add(run)
    session.flush()
    return run


def get_run(session: Session, audit_id: UUID) -> AuditRun:
    """One audit as it stands; raises UnknownAudit."""
    found = session.get(AuditRun, audit_id, populate_existing=True)
    if found is None:
        raise UnknownAudit(audit_id)
    return found


def listed(
    session: Session, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> Sequence[AuditRun]:
    """Up to ``limit`` audits, the last asked for first."""
    query = select(AuditRun).order_by(AuditRun.requested_at.desc(), AuditRun.id.desc())
    if before is not None:
        query = query.where(tuple_(AuditRun.requested_at, AuditRun.id) < tuple_(*before))
    fresh = {"populate_existing": True}
    return session.scalars(query.limit(limit), execution_options=fresh).all()


def about(session: Session, audit_id: UUID) -> Object:
    """An audit, as the admin log has it: that it was asked for."""
    return Object("audit", str(audit_id), "*", None, _asked(session, audit_id))


def _asked(session: Session, audit_id: UUID) -> Callable[[], State]:
    def state() -> State:
        run = session.get(AuditRun, audit_id)
        return None if run is None else {"requested_by": run.requested_by}

    return state
