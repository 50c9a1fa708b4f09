"""Entering reported values in somebody's name: a value and a file have rows in the admin log."""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from service.admin.log import Act, Actor, State, acting
from service.districts.models import ReportedValue
from service.districts.plans import files as reported_files
from service.districts.plans.reported import NewValue, enter

_FACTS = (
    *("division_code", "indicator", "period", "value_thousandths", "unit", "source"),
    *("source_date", "entered_by", "entered_at"),
)


def enter_one(session: Session, who: Actor, new: NewValue, *, now: datetime) -> ReportedValue:
    """Enter one value (``service.districts.plans.reported.enter``)."""
    key = (new.division_code, new.id)

    def state() -> State:
        one = session.get(ReportedValue, key)
        return None if one is None else {name: getattr(one, name) for name in _FACTS}

    act = Act("reported_value.enter", "reported_value", str(new.id), programme="*")
    (entered,) = acting(
        session,
        who,
        act,
        state=state,
        work=lambda: enter(session, [new], by=who.name, now=now),
        now=now,
    )
    return entered


def upload(
    session: Session,
    who: Actor,
    division_code: str,
    file_id: UUID,
    content: bytes,
    *,
    now: datetime,
) -> list[ReportedValue]:
    """Enter the values of a file (``service.districts.plans.files.upload``)."""

    def state() -> State:
        rows = reported_files.entered_of(session, division_code, file_id)
        digest = sha256(content).hexdigest()
        return {"division_code": division_code, "rows": rows, "sha256": digest} if rows else None

    act = Act("reported_value.upload", "reported_value_file", str(file_id), programme="*")
    return acting(
        session,
        who,
        act,
        state=state,
        work=lambda: reported_files.upload(
            session, division_code, file_id, content, by=who.name, now=now
        ),
        now=now,
    )
