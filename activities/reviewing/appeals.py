"""Appeals: a resident may have a refusal looked at once more, and gets an answer in writing.

Kept here: a refusal is appealed once; somebody else than who refused it answers, once; above an
amount two persons overturn. What is overturned counts by the method of its day and under the caps
as they stand, and only where the act and its time are nobody else's: no act is counted twice.

Locks are taken as in intake: residents, then claims, then accounts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy.orm import Session

from activities.changes.adjusting import Key, activities_of, current
from activities.changes.late_grants import Cause, grant_late
from activities.changes.regranting import Due, Standing, read_standing
from activities.deciding.residents import lock_residents, refuse_absent
from activities.errors import UnknownActivity
from activities.models import Appeal
from activities.policies import load_policies
from activities.reviewing.appeal_queue import (
    OVERTURNED,
    UPHELD,
    Heard,
    appeals_of,
    first_to_overturn,
    get_appeal,
    heard,
)
from activities.reviewing.errors import (
    AlreadyAppealed,
    AppealAnswered,
    NotAppealable,
    OwnRefusal,
    SecondReviewerNeeded,
    UnknownAppeal,
)
from activities.reviewing.overturning import quantify, take
from activities.reviewing.steps import Steps, refuse_own
from ledgers.bulk import array_of, together

VERDICTS_MAX = 1_000
_APPEALS = uuid5(NAMESPACE_URL, "https://tanhui.example/appeal")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody answers to an appeal, under an id that the client made; the resident reads
    ``text``, at most TEXT_MAX characters.
    """

    step_id: UUID
    holder_id: UUID
    activity_id: UUID
    action: Literal["uphold", "overturn"]
    actor: str
    text: str

    @property
    def key(self) -> Key:
        return self.holder_id, self.activity_id


@dataclass(frozen=True, slots=True)
class _Appealing:
    """A resident's appeal as a step; its id follows from the activity."""

    step_id: UUID
    holder_id: UUID
    activity_id: UUID
    actor: str
    text: str
    action: str = "appeal"


def open_appeal(
    session: Session,
    holder_id: UUID,
    activity_id: UUID,
    *,
    words: str,
    now: datetime,
    acting: str | None = None,
) -> Heard:
    """A resident appeals a refusal; ``words``, at most TEXT_MAX characters, say why. The same again
    answers how it stands. ``acting`` is who appeals for the resident, in whose place the step names
    them.

    Raises:
        UnknownResident: the holder takes part in nothing.
        AccountClosed: not any more.
        UnknownActivity: the holder has none of this id.
        AlreadyAppealed: it was appealed in other words before.
        NotAppealable: it is verified, or still held.

    Locks the resident.
    """
    home = lock_residents(session, [holder_id.hex]).get(holder_id.hex)
    if home is None:
        refuse_absent(session, holder_id)
    key = holder_id, activity_id
    activity = activities_of(session, [key]).get(activity_id)
    if activity is None:
        raise UnknownActivity(activity_id)
    if (before := appeals_of(session, [key]).get(activity_id)) is not None:
        if before.text != words:
            raise AlreadyAppealed(activity_id)
        return get_appeal(session, holder_id, activity_id)
    state = current(session, [key])[activity_id]
    if state.decision != "rejected":
        raise NotAppealable(activity_id, state.decision)
    scene = load_policies(session, {activity.scene_code}).get(activity.scene_code)
    step_id, who = uuid5(_APPEALS, activity_id.hex), acting or str(holder_id)
    step = _Appealing(step_id, holder_id, activity_id, who, words)
    session.add(
        Appeal(
            holder_id=holder_id,
            activity_id=activity_id,
            programme_code=scene.programme_code if scene else home.programme_code,
            text=words,
            opened_at=now,
        )
    )
    steps = Steps.read(session, [step])
    steps.add(step, now)
    steps.write(session)
    session.flush()
    return get_appeal(session, holder_id, activity_id)


def answer(
    session: Session,
    verdicts: Sequence[Verdict],
    *,
    two_persons_above_points: int,
    now: datetime,
) -> list[Heard]:
    """Answer appeals: all of the list, or none where one is refused.

    Args:
        session: the caller's open transaction; the caller commits.
        verdicts: at most VERDICTS_MAX, each about another activity.
        two_persons_above_points: what would earn more than that, before caps, is overturned by two
            persons: the second one's text is the answer. One alone may uphold.
        now: the zone-aware instant of this write.

    Returns:
        Each appeal and how far it is, in their order. The same verdict again is a retry.

    Raises:
        UnknownAppeal: nobody appealed it, or it is somebody else's.
        AppealAnswered: it has its answer.
        OwnActivity: who answers is the holder.
        OwnRefusal: who answers refused it.
        NotAppealable: it was granted meanwhile; such an appeal can be upheld only.
        NotOverturnable, ActTaken: see ``activities.reviewing.overturning``.
        SecondReviewerNeeded: the same person overturns twice.
        ReviewStepReused: the id stands for another step.

    A fixed number of statements.
    """
    keys = [one.key for one in verdicts]
    assert 0 < len(keys) <= VERDICTS_MAX
    assert len(set(keys)) == len(keys) == len({one.step_id for one in verdicts})
    homes = lock_residents(session, (one.holder_id.hex for one in verdicts))
    appeals, steps = appeals_of(session, keys), Steps.read(session, verdicts)
    for one in verdicts:
        if one.activity_id not in appeals or appeals[one.activity_id].holder_id != one.holder_id:
            raise UnknownAppeal(one.activity_id)
    fresh = [one for one in verdicts if not steps.is_retry(one)]
    standings = read_standing(session, [one.key for one in fresh])
    for one in fresh:
        _refuse(one, appeals[one.activity_id], standings[one.activity_id])
    overturning = {one.activity_id: one for one in fresh if one.action == "overturn"}
    granted: list[tuple[Due, Cause]] = []
    answered = [one for one in fresh if one.action == "uphold"]
    due = quantify(session, [standings[id_] for id_ in overturning], homes, now=now)
    for each in due:
        one = overturning[each.standing.activity.id]
        first = first_to_overturn(steps.of(one.activity_id))
        if cause := _cause(one, each.points, first, two_persons_above_points):
            granted.append((each, cause))
            answered.append(one)
    take(session, [each for each, _ in granted])
    for one in fresh:
        steps.add(one, now)
    steps.write(session)
    _write_answers(session, answered, now)
    grant_late(session, granted, "appeal", now=now)
    found = appeals_of(session, keys)
    return [heard(found[id_], steps.of(id_)) for _, id_ in keys]


def _refuse(one: Verdict, appeal: Appeal, standing: Standing) -> None:
    if appeal.outcome is not None:
        assert appeal.answered_by is not None
        raise AppealAnswered(one.activity_id, appeal.outcome, appeal.answered_by)
    refuse_own(one, standing.activity)
    refused_by = standing.adjustments[-1] if standing.adjustments else None
    if refused_by and one.actor in (refused_by.actor, refused_by.approved_by):
        raise OwnRefusal(one.activity_id, one.actor)
    if one.action == "overturn" and standing.state.decision != "rejected":
        raise NotAppealable(one.activity_id, standing.state.decision)


def _cause(one: Verdict, points: int, first: str | None, limit: int) -> Cause | None:
    """None where somebody else has to overturn it, too. Of two the first is the actor."""
    if points <= limit:
        return Cause(one.step_id, one.actor, None, one.text)
    if first == one.actor:
        raise SecondReviewerNeeded(one.activity_id, points, limit, first)
    return Cause(one.step_id, first, one.actor, one.text) if first else None


def _write_answers(session: Session, answered: Sequence[Verdict], now: datetime) -> None:
    if not answered:
        return
    in_order = sorted(answered, key=lambda one: (one.holder_id, one.activity_id))
    outcomes = {"uphold": UPHELD, "overturn": OVERTURNED}
    parameters = {
        "holders": array_of(one.holder_id.hex for one in in_order),
        "activities": array_of(one.activity_id.hex for one in in_order),
        "outcomes": array_of(outcomes[one.action] for one in in_order),
        "answers": [one.text for one in in_order],
        "actors": [one.actor for one in in_order],
        "now": now,
    }
    together(session, (_ANSWER, parameters))


_ANSWER: LiteralString = """
    UPDATE appeal AS a SET answered_at = %(now)s, answer = k.answer, outcome = k.outcome,
        answered_by = k.actor
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(activities)s AS uuid[]),
        CAST(%(outcomes)s AS text[]), CAST(%(answers)s AS text[]), CAST(%(actors)s AS text[]))
        AS k (holder_id, activity_id, outcome, answer, actor)
    WHERE a.holder_id = k.holder_id AND a.activity_id = k.activity_id AND a.outcome IS NULL
"""
