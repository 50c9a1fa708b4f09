"""Until when somebody is a child: the fourteenth birthday, a day of the programme's zone."""

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.models import Participant
from service.identity.models import Person

_ZONE = "Asia/Shanghai"  # Of a person who takes part nowhere.


def is_minor(session: Session, holder_id: UUID, now: datetime) -> bool:
    """Whether a guardian registered this resident and they are under fourteen."""
    until = minor_until(session, holder_id)
    return until is not None and now < until


def minor_until(session: Session, holder_id: UUID) -> datetime | None:
    """The instant at which the fourteenth birthday begins; None for whom no guardian registered."""
    found = session.execute(
        select(Person.minor_until, Programme.zone)
        .join(Participant, Participant.holder_id == Person.holder_id, isouter=True)
        .join(Programme, Programme.code == Participant.programme_code, isouter=True)
        .where(Person.holder_id == holder_id)
    ).one_or_none()
    if found is None or found.minor_until is None:
        return None
    return beginning(found.minor_until, found.zone or _ZONE)


def beginning(day: date, zone: str) -> datetime:
    """When a day begins there."""
    return datetime.combine(day, time(), ZoneInfo(zone))
