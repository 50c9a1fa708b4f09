"""What staff act on: each object with its id, whose it is, its programme, and how it stands.

Kept here: a state is facts of the object's own rows (dates, states, codes, numbers, and the reasons
that staff gave), never personal data and never what a resident wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import own_ids
from activities.catalogue.models import FeedKey, Programme, Scene
from activities.models import Activity, ActivityCorrection, Consent, Participant
from activities.scene_steps import Asked
from activities.scenes import standing
from ledgers.models import Correction, LogCheckpoint
from service.admin.log import Act, Actor, State, acting
from service.registration import Registration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Object:
    """``programme`` and ``holder_id`` where there is one; ``state`` reads the rows anew."""

    kind: str
    id: str
    programme: str | None
    holder_id: UUID | None
    state: Callable[[], State]

    def act(self, what: str) -> Act:
        return Act(what, self.kind, self.id, self.holder_id, self.programme)


def acting_on(
    session: Session,
    actor: Actor,
    what: str,
    about: Object,
    work: Callable[[], T],
    *,
    now: datetime,
) -> T:
    """Do ``work``, and write down what it changed (``service.admin.log.acting``)."""
    return acting(session, actor, about.act(what), state=about.state, work=work, now=now)


def programme_of(session: Session, holder_id: UUID) -> str | None:
    """Of a resident, or the programme whose own holder it is; None for others."""
    theirs = select(Participant.programme_code).where(Participant.holder_id == holder_id)
    own = select(Programme.code).where(Programme.holder_id == holder_id)
    return session.scalar(theirs) or session.scalars(own).first()


def correction(session: Session, holder_id: UUID, correction_id: UUID) -> Object:
    """A correction of the ledger."""

    def state() -> State:
        key = (holder_id, correction_id)
        one = session.get(Correction, key, populate_existing=True, with_for_update=True)
        return None if one is None else _proposal(one) | dict(one.content)

    programme = programme_of(session, holder_id)
    return Object("correction", str(correction_id), programme, holder_id, state)


def activity_correction(session: Session, holder_id: UUID, correction_id: UUID) -> Object:
    """A correction of an activity."""

    def state() -> State:
        key = (holder_id, correction_id)
        one = session.get(ActivityCorrection, key, populate_existing=True, with_for_update=True)
        return (
            None
            if one is None
            else _proposal(one)
            | {
                "activity_id": one.activity_id,
                "action": one.action,
                "quantity": one.quantity,
                "rejection_reason": one.rejection_reason,
            }
        )

    programme = programme_of(session, holder_id)
    return Object("activity_correction", str(correction_id), programme, holder_id, state)


def _proposal(one: Correction | ActivityCorrection) -> dict[str, object]:
    return {
        "state": one.state,
        "reason": one.reason,
        "proposed_by": one.proposed_by,
        "proposed_at": one.proposed_at,
        "decided_by": one.decided_by,
        "decided_at": one.decided_at,
    }


def scene(session: Session, code: str, asked: Asked, *, now: datetime) -> Object:
    """A scene: how it stands now, and the change that holds from the instant that is asked for."""

    def state() -> State:
        found = standing(session, code, now=now)
        change = next(
            (each for each in found.changes if each.effective_at == asked.effective_at), None
        )
        return {
            "status": found.status,
            "approved_to": found.ends_on,
            "change": change
            and {
                "status": change.status,
                "effective_at": change.effective_at,
                "approved_to": change.approved_to,
                "actor": change.actor,
                "approved_by": change.approved_by,
                "reason": change.reason,
            },
        }

    found = session.get(Scene, code)
    return Object("scene", code, found.programme_code if found else None, None, state)


def entry(session: Session, activity_id: UUID, holder_id: UUID, scene_code: str) -> Object:
    """An act that is entered for a resident, under the id that the desk made."""

    def state() -> State:
        if (key := own_ids.find(session, activity_id)) is None:
            return None
        one = session.get_one(Activity, key)
        names = ("scene_code", "behaviour_code", "day", "quantity", "decision", "code")
        facts = {name: getattr(one, name) for name in (*names, "saved_mg_co2e", "points")}
        return {"activity_id": one.id} | facts

    found = session.get(Scene, scene_code)
    programme = found.programme_code if found else None
    return Object("entry", str(activity_id), programme, holder_id, state)


def registration(session: Session, wanted: Registration) -> Object:
    """A resident who is registered at the desk, with the consents on paper."""

    def state() -> State:
        one = session.get(Participant, wanted.holder_id, populate_existing=True)
        if one is None:
            return None
        query = select(Consent).where(
            Consent.holder_id == wanted.holder_id, Consent.given_at == one.joined_at
        )
        return {
            "programme": one.programme_code,
            "division": one.division_code,
            "joined_at": one.joined_at,
            "consents": {each.scene_code: each.text_version for each in session.scalars(query)},
        }

    id_ = str(wanted.id)
    return Object("registration", id_, wanted.programme_code, wanted.holder_id, state)


def checkpoint(session: Session) -> Object:
    """The newest checkpoint of the transparency log, with the signatures under it."""

    def state() -> State:
        one = session.scalars(newest, execution_options={"populate_existing": True}).first()
        if one is None:
            return None
        signatures = one.note.rpartition("\n\n")[2].splitlines()
        return {"size": one.size, "signatures": signatures}

    newest = select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1)
    found = session.scalars(newest).first()
    return Object("checkpoint", str(found.size) if found else "", None, None, state)


def feed_key(session: Session, key_id: UUID) -> Object:
    """A partner's key; its secret is nowhere."""

    def state() -> State:
        one = session.get(FeedKey, key_id, populate_existing=True)
        return None if one is None else feed_key_facts(one)

    return Object("feed_key", str(key_id), None, None, state)


def feed_key_facts(one: FeedKey) -> State:
    """Without its secret, which is nowhere."""
    return {
        "partner": one.partner_code,
        "scopes": sorted(one.scopes),
        "made_by": one.made_by,
        "made_at": one.made_at,
        "expires_at": one.expires_at,
        "retired_at": one.retired_at,
    }
