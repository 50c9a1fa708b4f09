"""What operators do to a scene: suspend, end, approve, extend; and who was reminded of its end.

A change holds from now on, names who asked and why, and stays; an approval and an extension name
a second person too.
"""

import calendar
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.catalogue.models import SceneChange, SceneReminder
from activities.errors import (
    ExtensionNotLater,
    SceneChangeBackdated,
    SceneChangeReused,
    SceneNeedsSecondPerson,
    SceneStepNotAllowed,
)
from activities.scenes import (
    APPROVED,
    DRAFT,
    ENDED,
    SUSPENDED,
    Standing,
    changes_of,
    standing,
    standings,
)

BACKDATED_MAX = timedelta(minutes=5)  # What clocks and an operator's hands may take.
REMINDED_MONTHS = 3  # An extension is asked for three months before the end.
_STEPS = {
    DRAFT: {APPROVED, ENDED},
    APPROVED: {APPROVED, SUSPENDED, ENDED},  # Approved again: extended.
    SUSPENDED: {APPROVED, ENDED},
    ENDED: set[str](),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What every change names: ``effective_at``, from when on; who asks and why; for an approval
    also who else approves.
    """

    effective_at: datetime
    actor: str
    reason: str
    approved_by: str | None = None


def suspend(session: Session, scene_code: str, asked: Asked, *, now: datetime) -> SceneChange:
    """Take no acts from then on, until it is approved again.

    Raises, as ``end``, ``approve`` and ``extend`` do:
        UnknownScene: there is none.
        SceneStepNotAllowed: its status, or a change recorded for later, does not allow it.
        SceneChangeBackdated: more than BACKDATED_MAX ago.
        SceneChangeReused: it changes otherwise at that very instant.
    The same change again is a retry: the first is the answer, and nothing is written.
    """
    return _change(session, scene_code, SUSPENDED, asked, now=now)


def end(session: Session, scene_code: str, asked: Asked, *, now: datetime) -> SceneChange:
    """Take no acts from then on, for good."""
    return _change(session, scene_code, ENDED, asked, now=now)


def approve(session: Session, scene_code: str, asked: Asked, *, now: datetime) -> SceneChange:
    """Open a draft or a suspended scene; raises SceneNeedsSecondPerson too."""
    return _change(session, scene_code, APPROVED, asked, now=now)


def extend(
    session: Session, scene_code: str, approved_to: date, asked: Asked, *, now: datetime
) -> SceneChange:
    """Approve an approved scene to a later day (exclusive).

    Raises SceneNeedsSecondPerson, and ExtensionNotLater unless the day lies beyond the present end
    and today.
    """
    return _change(session, scene_code, APPROVED, asked, now=now, approved_to=approved_to)


def start_as_draft(
    session: Session, scene_codes: Collection[str], *, actor: str, reason: str, now: datetime
) -> None:
    """Let scenes begin as drafts: for whoever loads them, in the same transaction.

    Not for scenes in use: they would never have been approved. Those with changes stay as they are.
    """
    known = changes_of(session, scene_codes)
    for code in sorted(set(scene_codes) - known.keys()):
        session.add(
            SceneChange(
                scene_code=code,
                effective_at=now,
                status=DRAFT,
                actor=actor,
                reason=reason,
                recorded_at=now,
            )
        )
    session.flush()


def _change(
    session: Session,
    scene_code: str,
    status: str,
    asked: Asked,
    *,
    now: datetime,
    approved_to: date | None = None,
) -> SceneChange:
    found = standing(session, scene_code, now=asked.effective_at)
    new = SceneChange(
        scene_code=scene_code,
        effective_at=asked.effective_at,
        status=status,
        approved_to=approved_to,
        actor=asked.actor,
        approved_by=asked.approved_by if status == APPROVED else None,
        reason=asked.reason,
        recorded_at=now,
    )
    for change in found.changes:
        if change.effective_at == new.effective_at:
            return _same(change, new)
    if new.effective_at < now - BACKDATED_MAX:
        raise SceneChangeBackdated(scene_code, new.effective_at, now - BACKDATED_MAX)
    if status == APPROVED and _name(new.approved_by) in ("", _name(new.actor)):
        raise SceneNeedsSecondPerson(scene_code, new.actor)
    _check_steps(found, new)
    if approved_to is not None:
        end = max(found.approved_to, found.timeline.day(now))
        if approved_to <= end:
            raise ExtensionNotLater(scene_code, end, approved_to)
    return _write(session, new)


def _name(written: str | None) -> str:
    """As two names are compared."""
    return (written or "").strip().casefold()


def _check_steps(found: Standing, new: SceneChange) -> None:
    """Each change, those recorded for later too, must follow from the one before it."""
    code = found.scene.code
    if new.approved_to is not None and found.status != APPROVED:
        raise SceneStepNotAllowed(code, found.status, "extended")
    ordered = sorted([*found.changes, new], key=lambda change: change.effective_at)
    statuses = [found.timeline.steps[0][1], *(change.status for change in ordered)]
    if statuses[0] == DRAFT and found.changes:
        statuses = statuses[1:]  # The first change is the draft itself.
    for before, after in pairwise(statuses):
        if after not in _STEPS[before]:
            raise SceneStepNotAllowed(code, before, after)
    if new.status == APPROVED == found.status and new.approved_to is None:
        raise SceneStepNotAllowed(code, APPROVED, APPROVED)


def _write(session: Session, new: SceneChange) -> SceneChange:
    """Insert it; of two at once for the same instant the later one is looked at as a retry."""
    values = {name: getattr(new, name) for name in SceneChange.__table__.columns.keys()}  # noqa: SIM118 - no mapping.
    session.execute(insert(SceneChange).values(values).on_conflict_do_nothing())
    key = (new.scene_code, new.effective_at)
    return _same(session.get_one(SceneChange, key, populate_existing=True), new)


def _same(change: SceneChange, new: SceneChange) -> SceneChange:
    names = ("status", "approved_to", "actor", "approved_by", "reason")
    if any(getattr(change, name) != getattr(new, name) for name in names):
        raise SceneChangeReused(new.scene_code, new.effective_at)
    return change


def due_reminders(session: Session, *, now: datetime) -> list[Standing]:
    """The scenes whose approval ends within three calendar months, by code, of which nobody was
    reminded yet. Not those that are drafts, or ended or about to be.
    """
    known = {(each.scene_code, each.approved_to) for each in session.scalars(select(SceneReminder))}
    return [
        each
        for each in standings(session, now=now)
        if ends_soon(each) and (each.scene.code, each.ends_on) not in known
    ]


def remind(session: Session, *, now: datetime) -> list[Standing]:
    """Those due, each once: of two jobs at once one gets a scene. At most four statements."""
    due = {each.scene.code: each for each in due_reminders(session, now=now)}
    if not due:
        return []
    values = [
        {"scene_code": code, "approved_to": each.ends_on, "reminded_at": now}
        for code, each in due.items()
    ]
    new = insert(SceneReminder).values(values).on_conflict_do_nothing()
    written = session.scalars(new.returning(SceneReminder.scene_code))
    return [due[code] for code in sorted(written)]


def ends_soon(found: Standing) -> bool:
    """Whether its approval ends within three calendar months, and no change is recorded that ends
    it before or leads beyond.
    """
    return (
        found.days_left > 0
        and found.timeline.day(found.at) >= months_before(found.ends_on, REMINDED_MONTHS)
        and found.status in (APPROVED, SUSPENDED)
        and found.timeline.steps[-1][1] != ENDED
    )


def months_before(day: date, months: int) -> date:
    """The same day so many calendar months before, or that month's last."""
    years, index = divmod(day.month - 1 - months, 12)
    year, month = day.year + years, index + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
