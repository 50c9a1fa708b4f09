"""What a household's own baseline depends on, as its resident declared it: persons, since when they
live there, a solar roof, the tariff's tier. No name, no address, no meter number.

Kept here: a declaration holds from a day on and is never changed; a change is a new one. It reaches
back a month at most, so that nobody betters what was decided.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.deciding.residents import refuse_absent
from activities.errors import HouseholdOutOfBounds, HouseholdReused
from activities.models import Household, Participant

PERSONS_MAX = 20
TIER_MAX = 3
REACH = timedelta(days=31)  # Back: the reading of the month before; ahead: a planned move.
MOVED_IN_MIN = date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class Declared:
    """A household from ``valid_from`` on. ``tier`` is the electricity tariff's, 3 the top."""

    valid_from: date
    persons: int
    moved_in_on: date
    solar: bool
    tier: int


def declare(
    session: Session, holder_id: UUID, declared: Declared, *, now: datetime, actor: str
) -> Household:
    """Declare a resident's household; the same again is a retry and writes nothing.

    Raises:
        UnknownResident: the holder takes part in no programme.
        AccountClosed: not any more.
        HouseholdOutOfBounds: the first field that is not possible, with its bounds. Days are of the
            programme's zone.
        HouseholdReused: another household was declared as of the same day.
    """
    zone = _zone(session, holder_id)
    if (known := session.get(Household, (holder_id, declared.valid_from))) is None:
        _check(declared, now.astimezone(zone).date())
        values = {"holder_id": holder_id, "actor": actor, "recorded_at": now, **asdict(declared)}
        session.execute(insert(Household).values(values).on_conflict_do_nothing())
        known = session.get_one(Household, (holder_id, declared.valid_from))
    if any(getattr(known, name) != value for name, value in asdict(declared).items()):
        raise HouseholdReused(declared.valid_from)
    return known


def history(session: Session, holder_id: UUID) -> list[Household]:
    """All that a resident declared, the latest ``valid_from`` first."""
    query = select(Household).where(Household.holder_id == holder_id)
    return list(session.scalars(query.order_by(Household.valid_from.desc())))


def _zone(session: Session, holder_id: UUID) -> ZoneInfo:
    """Of the resident's programme; nobody closes the account meanwhile."""
    query = (
        select(Programme.zone)
        .join(Participant, Participant.programme_code == Programme.code)
        .where(Participant.holder_id == holder_id, Participant.closed_at.is_(None))
        .with_for_update(of=Participant, read=True)
    )
    if (zone := session.scalar(query)) is None:
        refuse_absent(session, holder_id)
    return ZoneInfo(zone)


def _check(declared: Declared, today: date) -> None:
    bounds: dict[str, tuple[date | int, date | int]] = {
        "valid_from": (today - REACH, today + REACH),
        "persons": (1, PERSONS_MAX),
        "moved_in_on": (MOVED_IN_MIN, declared.valid_from),
        "tier": (1, TIER_MAX),
    }
    for name, (lowest, highest) in bounds.items():
        if not lowest <= getattr(declared, name) <= highest:
            raise HouseholdOutOfBounds(name, lowest, highest)
