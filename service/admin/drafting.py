"""Drafting a version of the catalogue in the name of staff, written down in the admin log."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from activities.catalogue import drafting
from activities.catalogue.drafts import Row, key_in
from service.admin.log import Act, Actor, State, acting
from service.identity.staff.models import ALL


def write_draft(
    session: Session, actor: Actor, name: str, values: Mapping[str, str], *, now: datetime
) -> Row:
    """Draft it in the actor's name (``activities.catalogue.drafting.write``)."""

    def state() -> State:
        row = drafting.standing(session, name)
        return None if row is None else state_of(row)

    kind, key = key_in(name)
    programme = str(key[0]) if kind == "tariff" else values.get("programme_code")
    return acting(
        session,
        actor,
        Act("draft.write", "draft", name, None, programme or ALL),  # A factor is everybody's.
        state=state,
        work=lambda: drafting.write(session, name, values, drafted_by=actor.name, now=now),
        now=now,
    )


def state_of(row: Row) -> State:
    """Who drafted and approved it, and when it holds."""
    return {
        "drafted_by": row.drafted_by,
        "drafted_at": row.drafted_at,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
    }
