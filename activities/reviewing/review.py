"""Review: what was held waits for a person, who approves, rejects or asks the resident.

Kept here: a case is decided once; nobody decides on an act of their own; above an amount two
persons approve; every step is put down with its actor and instant and never changed. What is
approved is quantified by the policy that held it, and its caps apply as they stand at the approval.

Locks are taken as in intake: residents, then claims, then accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.orm import Session

from activities.changes.adjusting import Change, Key, adjust
from activities.changes.corrections import free, quantity_saved
from activities.changes.late_grants import Cause, adjustment_id, due, grant_late
from activities.changes.regranting import Due, Standing, read_standing
from activities.deciding.residents import lock_residents, refuse_absent
from activities.models import ReviewCase, ReviewStep
from activities.reviewing.cases import CLOSED, cases_of, move_cases
from activities.reviewing.errors import (
    CaseClosed,
    QuestionNotOpen,
    SecondReviewerNeeded,
    UnknownCase,
)
from activities.reviewing.steps import Steps, refuse_own

DECISIONS_MAX = 1_000
OPEN, ASKED, SECONDED = "open", "asked", "seconded"
_ANSWERS = uuid5(NAMESPACE_URL, "https://tanhui.example/review/answer")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decides about one activity, under an id that the client made.

    ``text`` is one line that says why; the resident, auditors and the next reviewer read it.
    """

    step_id: UUID
    holder_id: UUID
    activity_id: UUID
    action: Literal["approve", "reject", "ask"]
    actor: str
    text: str

    @property
    def key(self) -> Key:
        return self.holder_id, self.activity_id


@dataclass(frozen=True, slots=True)
class _Answer:
    """A resident's answer as a step; its id follows from the question."""

    step_id: UUID
    holder_id: UUID
    activity_id: UUID
    actor: str
    text: str
    action: str = "answer"


def decide(
    session: Session,
    decisions: Sequence[Decision],
    *,
    two_persons_above_points: int,
    now: datetime,
) -> list[ReviewCase]:
    """Decide on held activities: all of the list, or none where one is refused.

    Args:
        session: the caller's open transaction; the caller commits.
        decisions: at most DECISIONS_MAX, each about another activity.
        two_persons_above_points: what would earn more than that, before caps, is only seconded by
            its first approval and booked by somebody else's. A question or a rejection in between
            undoes the first approval.
        now: the zone-aware instant of this write.

    Returns:
        Each case as it stands, in their order. The same decision again (same id, same content) is a
        retry and changes nothing.

    Raises:
        UnknownCase: the activity was never held, or is somebody else's.
        CaseClosed: it was decided, withdrawn or superseded.
        OwnActivity: the reviewer is the holder.
        SecondReviewerNeeded: the same person approves twice.
        ReviewStepReused: the id stands for another step.

    A fixed number of statements. A rejected act, its time and its month are free again.
    """
    keys = [one.key for one in decisions]
    assert 0 < len(keys) <= DECISIONS_MAX
    assert len(set(keys)) == len(keys) == len({one.step_id for one in decisions})
    lock_residents(session, (one.holder_id.hex for one in decisions))
    cases, steps = cases_of(session, keys), Steps.read(session, decisions)
    for one in decisions:
        if one.activity_id not in cases or cases[one.activity_id].holder_id != one.holder_id:
            raise UnknownCase(one.activity_id)
    fresh = [one for one in decisions if not steps.is_retry(one)]
    if not fresh:
        return [cases[one.activity_id] for one in decisions]
    standings = read_standing(session, [one.key for one in fresh])
    states: dict[Key, str] = {}
    causes: dict[UUID, Cause] = {}
    for one in fresh:
        case = cases[one.activity_id]
        _refuse_closed(case, standings[one.activity_id])
        refuse_own(one, standings[one.activity_id].activity)
        approved_by = _first_approver(case, steps.of(one.activity_id))
        states[one.key] = _state_after(one, case, approved_by, two_persons_above_points)
        if one.action == "approve" and states[one.key] == CLOSED:
            causes[one.activity_id] = _cause(one, case, approved_by, two_persons_above_points)
        steps.add(one, now)
    steps.write(session)
    move_cases(session, states, now)
    _reject(session, [one for one in fresh if one.action == "reject"], standings, now)
    granted = [(_due(standings[id_]), cause) for id_, cause in causes.items()]
    grant_late(session, granted, "review", now=now)
    cases = cases_of(session, keys)
    return [cases[one.activity_id] for one in decisions]


def answer(
    session: Session,
    holder_id: UUID,
    activity_id: UUID,
    *,
    question_id: UUID,
    text: str,
    now: datetime,
    acting: str | None = None,
) -> ReviewCase:
    """A resident answers what a reviewer asked; the case is open again. The same again is a retry,
    whoever sends it. ``acting`` is who answers for the resident: the step names them instead.

    Raises:
        UnknownCase: the activity was not held, or is somebody else's.
        QuestionNotOpen: not the latest question about it, answered otherwise, or the case went on.
        UnknownResident: the holder takes part in nothing.
        AccountClosed: not any more.
    """
    if not lock_residents(session, [holder_id.hex]):
        refuse_absent(session, holder_id)
    key = holder_id, activity_id
    step_id, who = uuid5(_ANSWERS, question_id.hex), acting or str(holder_id)
    given = _Answer(step_id, holder_id, activity_id, who, text)
    case, steps = cases_of(session, [key]).get(activity_id), Steps.read(session, [given])
    if case is None:
        raise UnknownCase(activity_id)
    asked = [step for step in steps.of(activity_id) if step.action == "ask"]
    told = [step for step in steps.of(activity_id) if step.id == given.step_id]
    if told and told[0].text == text:
        return case
    if told or case.state != ASKED or asked[-1].id != question_id:
        raise QuestionNotOpen(activity_id, question_id)
    steps.add(given, now)
    steps.write(session)
    move_cases(session, {key: OPEN}, now)
    return cases_of(session, [key])[activity_id]


def _refuse_closed(case: ReviewCase, standing: Standing) -> None:
    if case.state == CLOSED or standing.state.decision != "held":
        raise CaseClosed(case.activity_id, standing.state.decision, standing.state.code)


def _first_approver(case: ReviewCase, steps: Sequence[ReviewStep]) -> str | None:
    """Who has approved a case that waits for a second person."""
    if case.state != SECONDED:
        return None
    assert steps[-1].action == "approve", "whatever came later undid the state"
    return steps[-1].actor


def _state_after(one: Decision, case: ReviewCase, approved_by: str | None, limit: int) -> str:
    if one.action == "ask":
        return ASKED
    if one.action == "reject" or case.points <= limit:
        return CLOSED
    if approved_by == one.actor:
        raise SecondReviewerNeeded(one.activity_id, case.points, limit, one.actor)
    return CLOSED if approved_by else SECONDED


def _cause(one: Decision, case: ReviewCase, approved_by: str | None, limit: int) -> Cause:
    """Of two persons the first is the actor, the second the one who approves."""
    if case.points > limit:
        assert approved_by is not None
        return Cause(one.step_id, approved_by, one.actor, one.text)
    return Cause(one.step_id, one.actor, None, one.text)


def _due(standing: Standing) -> Due:
    assert standing.policy is not None
    assert standing.policy_id is not None
    quantity = quantity_saved(standing, standing.state.quantity)
    return due(standing, standing.policy, standing.policy_id, quantity=quantity)


def _reject(
    session: Session,
    rejected: Sequence[Decision],
    standings: Mapping[UUID, Standing],
    now: datetime,
) -> None:
    if not rejected:
        return
    free(session, [standings[one.activity_id] for one in rejected])
    changes = [
        Change(
            id=adjustment_id(one.step_id, one.activity_id),
            activity=standings[one.activity_id].activity,
            kind="review",
            decision="rejected",
            code="review_rejected",
            quantity=standings[one.activity_id].state.quantity,
            policy_id=standings[one.activity_id].policy_id,
            actor=one.actor,
            reason=one.text,
        )
        for one in rejected
    ]
    adjust(session, changes, now=now)
