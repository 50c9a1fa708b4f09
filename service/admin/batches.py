"""What staff decide about many at once: each object has its own row in the admin log.

Kept here: all of a list are decided and written down, or none; however many, in a fixed number of
statements. Residents are locked before their state is read, so that it is what the act changed.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from activities.catalogue import drafts
from activities.deciding.residents import lock_residents
from activities.models import ReviewCase, ReviewStep
from activities.reviewing import appeals, review
from activities.reviewing.appeal_queue import Heard, appeals_of, heard
from activities.reviewing.cases import cases_of
from activities.reviewing.steps import Asked, steps_of
from service.admin.drafting import state_of
from service.admin.log import Act, Actor, State, acting_on_many
from service.identity.staff.models import ALL


def decide(
    session: Session,
    actor: Actor,
    decisions: Sequence[review.Decision],
    *,
    two_persons_above_points: int,
    now: datetime,
) -> list[ReviewCase]:
    """Decide on held activities (``activities.reviewing.review.decide``), each written down."""
    asked = {one.activity_id: one for one in decisions}
    keys = [one.key for one in decisions]

    def states() -> Mapping[str, State]:
        steps = steps_of(session, keys)
        return {
            str(id_): {"state": case.state, "closed_at": case.closed_at}
            | _step(steps.get(id_, ()), asked[id_])
            for id_, case in cases_of(session, keys).items()
        }

    lock_residents(session, (one.holder_id.hex for one in decisions))
    acts = [
        Act(f"review.{asked[id_].action}", "review", str(id_), case.holder_id, case.programme_code)
        for id_, case in cases_of(session, keys).items()
    ]
    return acting_on_many(
        session,
        actor,
        acts,
        states=states,
        work=lambda: review.decide(
            session, decisions, two_persons_above_points=two_persons_above_points, now=now
        ),
        now=now,
    )


def answer(
    session: Session,
    actor: Actor,
    verdicts: Sequence[appeals.Verdict],
    *,
    two_persons_above_points: int,
    now: datetime,
) -> list[Heard]:
    """Answer appeals (``activities.reviewing.appeals.answer``), each written down."""
    asked = {one.activity_id: one for one in verdicts}
    keys = [one.key for one in verdicts]

    def states() -> Mapping[str, State]:
        steps = steps_of(session, keys)
        return {
            str(id_): {
                "state": heard(appeal, steps.get(id_, ())).state,
                "answered_by": appeal.answered_by,
                "answered_at": appeal.answered_at,
            }
            | _step(steps.get(id_, ()), asked[id_])
            for id_, appeal in appeals_of(session, keys).items()
        }

    lock_residents(session, (one.holder_id.hex for one in verdicts))
    acts = [
        Act(f"appeal.{asked[id_].action}", "appeal", str(id_), each.holder_id, each.programme_code)
        for id_, each in appeals_of(session, keys).items()
    ]
    return acting_on_many(
        session,
        actor,
        acts,
        states=states,
        work=lambda: appeals.answer(
            session, verdicts, two_persons_above_points=two_persons_above_points, now=now
        ),
        now=now,
    )


def approve_drafts(
    session: Session, actor: Actor, names: Collection[str], *, now: datetime
) -> list[drafts.Row]:
    """Approve drafts in the actor's name (``activities.catalogue.drafts.approve``), likewise."""

    def states() -> Mapping[str, State]:
        return {
            drafts.name_of(row): state_of(row) for row in drafts.find(session, names, lock=True)
        }

    acts = [  # A factor is every programme's.
        Act(
            "draft.approve", "draft", drafts.name_of(row), None, getattr(row, "programme_code", ALL)
        )
        for row in drafts.find(session, names)
    ]
    return acting_on_many(
        session,
        actor,
        acts,
        states=states,
        work=lambda: drafts.approve(session, names, approved_by=actor.name, now=now),
        now=now,
    )


def _step(steps: Sequence[ReviewStep], asked: Asked) -> dict[str, object]:
    """What the actor says, once it stands."""
    stands = next((one for one in steps if one.id == asked.step_id), None)
    said = stands and {"id": stands.id, "action": stands.action, "text": stands.text}
    return {"step": said}
