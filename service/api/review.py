"""Review: operators decide on held activities, residents answer what is asked; auditors look on."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.history import Standing, get_activity
from activities.models import Activity, ReviewCase, ReviewStep
from activities.reviewing.queue import (
    Dossier,
    Filter,
    Place,
    Queued,
    dossier,
    evidence,
    get_case,
    queue,
)
from activities.reviewing.review import Decision, answer
from activities.reviewing.steps import TEXT_MAX, steps_of
from activities.tracing import traced
from service.admin.batches import decide
from service.api.acts import ActivityResponse, reasons, standing_told
from service.api.explained import ExplainedResponse, KnownDetailsResponse, explained
from service.api.resources import Blueprint
from service.api.wire import Code, Cursor, Instant, Line, Words
from service.auth import acting_name, actor, caller, caller_holder_id, requires
from service.authorisation import HOLDER, LISTED, of_holders
from service.language import language
from service.services import services

bp = Blueprint(
    "review",
    __name__,
    url_prefix="/v1",
    description="复核 · Review: held activities, decided by operators",
)
PLACE = ("at", "id", "id")
_OPEN = {"type": "object", "additionalProperties": True}


class ReviewsQuery(Schema):
    programme = Code(metadata={"description": "code of the programme"})
    code = Code(metadata={"description": "why they are held: sampled, velocity or shared_device"})
    state = fields.String(
        validate=validate.OneOf(("open", "asked", "seconded", "closed")),
        metadata={"description": "absent: all that are not closed"},
    )
    opened_before = Instant(metadata={"description": "held before this instant"})
    cursor = Cursor(PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class CaseResponse(Schema):
    holder_id = fields.UUID()
    activity_id = fields.UUID()
    programme = fields.String()
    code = fields.String(metadata={"description": "why it was held"})
    potential_points = fields.Integer(metadata={"description": "what it would earn, before caps"})
    state = fields.String(
        metadata={
            "description": "open, asked (the resident is to answer), seconded (a second person is"
            " to approve), closed"
        }
    )
    opened_at = fields.AwareDateTime(format="iso")
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)
    waiting_s = fields.Integer(metadata={"description": "in the queue, until now or its end"})


class QueuedResponse(CaseResponse):
    reason = fields.String(metadata={"description": "the code's sentence, by Accept-Language"})
    scene = fields.String()
    behaviour = fields.String()
    day = fields.Date(metadata={"description": "in the programme's zone"})
    started_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso")
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    details = fields.Nested(KnownDetailsResponse)
    facts = fields.Raw(metadata=_OPEN | {"description": "what the decision knew besides the event"})


class ReviewsResponse(Schema):
    reviews = fields.List(fields.Nested(QueuedResponse))
    next_cursor = Cursor(PLACE, allow_none=True)


class StepResponse(Schema):
    """What somebody did or said; never changed."""

    id = fields.UUID()
    action = fields.String(
        metadata={
            "description": "approve, reject, ask, answer; appeal, uphold, overturn of an appeal"
        }
    )
    actor = fields.String()
    text = fields.String()
    at = fields.AwareDateTime(format="iso")


class CountsResponse(Schema):
    """All of the resident's activities, as they stand."""

    verified = fields.Integer()
    held = fields.Integer()
    rejected = fields.Integer()


class HistoryResponse(Schema):
    counts = fields.Nested(CountsResponse)
    recent = fields.List(
        fields.Nested(ActivityResponse), metadata={"description": "the last ones, newest first"}
    )
    reviews = fields.List(
        fields.Nested(CaseResponse), metadata={"description": "other cases, newest first"}
    )


class DossierResponse(Schema):
    """All that is needed to decide."""

    review = fields.Nested(CaseResponse, allow_none=True)
    activity = fields.Nested(ExplainedResponse)
    steps = fields.List(fields.Nested(StepResponse), metadata={"description": "oldest first"})
    history = fields.Nested(HistoryResponse)


class DecisionRequest(Schema):
    action = fields.String(
        required=True,
        validate=validate.OneOf(("approve", "reject", "ask")),
        metadata={"description": "ask: the resident is to answer `reason`"},
    )
    reason = Line(
        length_max=500,
        required=True,
        metadata={"description": "why, or the question; the resident and auditors read it"},
    )


class AnswerRequest(Schema):
    question_id = fields.UUID(required=True, metadata={"description": "of the latest question"})
    text = Words(length_max=TEXT_MAX, required=True)


class QuestionResponse(Schema):
    id = fields.UUID()
    text = fields.String()
    asked_at = fields.AwareDateTime(format="iso")
    answer = fields.String(allow_none=True)
    answered_at = fields.AwareDateTime(format="iso", allow_none=True)


class OwnReviewResponse(Schema):
    """What a resident sees of the review of an activity."""

    activity_id = fields.UUID()
    state = fields.String(
        metadata={"description": "open, asked: I am to answer the last question, closed"}
    )
    opened_at = fields.AwareDateTime(format="iso")
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)
    questions = fields.List(
        fields.Nested(QuestionResponse), metadata={"description": "oldest first"}
    )


@bp.route("/reviews")
class Reviews(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(ReviewsQuery, location="query")
    @bp.response(200, ReviewsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What waits for a person, the oldest first, with its evidence."""
        now = datetime.now(UTC)
        chosen = Filter(
            query.get("programme"),
            query.get("code"),
            query.get("state"),
            query.get("opened_before"),
            of_holders(caller(), ReviewCase.holder_id),
        )
        after = Place(*query["cursor"]) if "cursor" in query else None
        page = services().database.transact(
            lambda session: queue(session, chosen, after=after, limit=query["limit"])
        )
        return {
            "reviews": [queued_told(each, now) for each in page.cases],
            "next_cursor": page.next_after,
        }


@bp.route("/holders/<uuid:holder_id>/reviews/<uuid:activity_id>")
class OneReview(MethodView):
    @requires("operator", "auditor", within=HOLDER)
    @bp.response(200, DossierResponse)
    def get(self, holder_id: UUID, activity_id: UUID) -> dict[str, Any]:
        """One held activity: evidence, every rule, the steps so far, the resident's history."""
        now = datetime.now(UTC)

        def look(session: Session) -> dict[str, Any]:
            get_case(session, holder_id, activity_id)
            return dossier_told(session, dossier(session, holder_id, activity_id), now)

        return services().database.transact(look)


@bp.route("/holders/<uuid:holder_id>/reviews/<uuid:activity_id>/steps/<uuid:step_id>")
class ReviewDecision(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(DecisionRequest)
    @bp.response(200, CaseResponse)
    def put(
        self, body: dict[str, Any], holder_id: UUID, activity_id: UUID, step_id: UUID
    ) -> dict[str, Any]:
        """Approve, reject or ask. The client makes the step's id: the same again changes nothing.

        Above a number of points the first approval makes the case `seconded`, and somebody else's
        books it.
        """
        now, limit = datetime.now(UTC), services().settings.review_two_persons_points
        who = actor()
        one = Decision(step_id, holder_id, activity_id, body["action"], who.name, body["reason"])
        (case,) = services().database.transact(
            lambda session: decide(session, who, [one], two_persons_above_points=limit, now=now)
        )
        return case_told(case, now)


@bp.route("/activities/<uuid:activity_id>/review")
class OwnReview(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, OwnReviewResponse)
    def get(self, activity_id: UUID) -> dict[str, Any]:
        """How far the review of my held activity is, and what I am asked."""
        holder_id = caller_holder_id()

        def look(session: Session) -> dict[str, Any]:
            id_ = get_activity(session, holder_id, activity_id).id
            return _own_told(session, get_case(session, holder_id, id_))

        return services().database.transact(look)


@bp.route("/activities/<uuid:activity_id>/answer")
class OwnAnswer(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(AnswerRequest)
    @bp.response(200, OwnReviewResponse)
    def put(self, body: dict[str, Any], activity_id: UUID) -> dict[str, Any]:
        """Answer the last question. The same again changes nothing; an answer stays as it is."""
        holder_id, acting, now = caller_holder_id(), acting_name(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            id_ = get_activity(session, holder_id, activity_id).id
            case = answer(session, holder_id, id_, now=now, acting=acting, **body)
            return _own_told(session, case)

        return services().database.transact(work)


def case_told(case: ReviewCase, now: datetime) -> dict[str, Any]:
    """For ``CaseResponse``."""
    return {
        "holder_id": case.holder_id,
        "activity_id": case.activity_id,
        "programme": case.programme_code,
        "code": case.code,
        "potential_points": case.points,
        "state": case.state,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "waiting_s": max(0, int(((case.closed_at or now) - case.opened_at).total_seconds())),
    }


def queued_told(queued: Queued, now: datetime) -> dict[str, Any]:
    """For ``QueuedResponse``."""
    case, activity = queued
    return case_told(case, now) | recorded_told(activity, case.code)


def recorded_told(activity: Activity, code: str) -> dict[str, Any]:
    """What was recorded, with the sentence of a code."""
    details, facts = evidence(activity)
    return {
        "reason": reasons(activity, code, activity.quantity, activity.trimmed_points)[language()],
        "scene": activity.scene_code,
        "behaviour": activity.behaviour_code,
        "day": activity.day,
        "started_at": activity.started_at,
        "ended_at": activity.ended_at,
        "quantity": activity.quantity,
        "details": details,
        "facts": facts,
    }


def dossier_told(session: Session, found: Dossier, now: datetime) -> dict[str, Any]:
    """For ``DossierResponse``."""
    standing = Standing(found.activity, found.adjustments, found.state)
    history = found.history
    decisions = ("verified", "held", "rejected")
    recent = [Standing(one.activity, (), one.state) for one in history.recent]
    return {
        "review": case_told(found.case, now) if found.case else None,
        "activity": explained(standing, traced(session, found.activity), names=True),
        "steps": [step_told(step) for step in found.steps],
        "history": {
            "counts": {name: history.counts.get(name, 0) for name in decisions},
            "recent": [standing_told(one) for one in recent],
            "reviews": [case_told(case, now) for case in history.cases],
        },
    }


def step_told(step: ReviewStep) -> dict[str, Any]:
    """For ``StepResponse``."""
    return {
        "id": step.id,
        "action": step.action,
        "actor": step.actor,
        "text": step.text,
        "at": step.at,
    }


def _own_told(session: Session, case: ReviewCase) -> dict[str, Any]:
    """Without who asked; a second approval is not the resident's matter."""
    steps = steps_of(session, [(case.holder_id, case.activity_id)]).get(case.activity_id, [])
    questions: list[dict[str, Any]] = []
    for step in steps:
        if step.action == "ask":
            asked = {"id": step.id, "text": step.text, "asked_at": step.at}
            questions.append(asked | {"answer": None, "answered_at": None})
        elif step.action == "answer":
            questions[-1] |= {"answer": step.text, "answered_at": step.at}
    return {
        "activity_id": case.activity_id,
        "state": "open" if case.state == "seconded" else case.state,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "questions": questions,
    }
