"""Until when somebody is a child: the fourteenth birthday, a day of the programme's zone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.models import Participant
from service.identity.models import Person

_ZONE = "Asia/Shanghai"  # Of a person who takes part nowhere.


@dataclass(frozen=True, slots=True)
class Who:
    """What a delegation depends on. ``minor_on`` is the fourteenth birthday, ``minor_until`` the
    instant at which it begins; None for whom no guardian registered.
    """

    is_open: bool
    division_code: str | None
    minor_on: date | None
    minor_until: datetime | None

    def is_minor(self, now: datetime) -> bool:
        return self.minor_until is not None and now < self.minor_until


NOBODY = Who(is_open=True, division_code=None, minor_on=None, minor_until=None)
"""A resident of whom no personal data are kept: no child, and nothing was closed."""


def look(session: Session, holders: Collection[UUID]) -> dict[UUID, Who]:
    """Each of some holders; one statement, however many."""
    query = (
        select(
            Person.holder_id,
            Person.closed_at,
            Person.minor_until,
            Participant.division_code,
            Programme.zone,
        )
        .join(Participant, Participant.holder_id == Person.holder_id, isouter=True)
        .join(Programme, Programme.code == Participant.programme_code, isouter=True)
        .where(Person.holder_id.in_(sorted(holders)))
    )
    found = dict.fromkeys(holders, NOBODY)
    for holder_id, closed_at, minor_on, division_code, zone in session.execute(query):
        until = None if minor_on is None else beginning(minor_on, zone or _ZONE)
        found[holder_id] = Who(closed_at is None, division_code, minor_on, until)
    return found


def is_minor(session: Session, holder_id: UUID, now: datetime) -> bool:
    """Whether a guardian registered this resident and they are under fourteen."""
    return look(session, [holder_id])[holder_id].is_minor(now)


def minor_until(session: Session, holder_id: UUID) -> datetime | None:
    """The instant at which the fourteenth birthday begins; None for whom no guardian registered."""
    return look(session, [holder_id])[holder_id].minor_until


def beginning(day: date, zone: str) -> datetime:
    """When a day begins there."""
    return datetime.combine(day, time(), ZoneInfo(zone))
