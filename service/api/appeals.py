"""Appeals: a resident has a refusal looked at once more; an operator answers in writing."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.history import get_activity
from activities.models import Appeal
from activities.reviewing.appeal_queue import (
    PENDING,
    SECONDED,
    Heard,
    Listed,
    Place,
    appeals,
    get_appeal,
)
from activities.reviewing.appeals import Verdict, open_appeal
from activities.reviewing.queue import dossier
from activities.reviewing.steps import TEXT_MAX
from service.admin.batches import answer
from service.api.explained import KnownDetailsResponse
from service.api.resources import Blueprint
from service.api.review import PLACE, DossierResponse, dossier_told, recorded_told
from service.api.wire import Code, Cursor, Words
from service.auth import acting_name, actor, caller, caller_holder_id, requires
from service.authorisation import HOLDER, LISTED, of_holders
from service.services import services

bp = Blueprint(
    "appeals",
    __name__,
    url_prefix="/v1",
    description="申诉 · Appeals: against a refusal, once, answered in writing",
)
_OPEN = {"type": "object", "additionalProperties": True}


class AppealRequest(Schema):
    text = Words(length_max=TEXT_MAX, required=True, metadata={"description": "why it is wrong"})


class OwnAppealResponse(Schema):
    activity_id = fields.UUID()
    state = fields.String(metadata={"description": "pending, upheld (it stays) or overturned"})
    text = fields.String()
    opened_at = fields.AwareDateTime(format="iso")
    answer = fields.String(allow_none=True)
    answered_at = fields.AwareDateTime(format="iso", allow_none=True)


class AppealResponse(OwnAppealResponse):
    holder_id = fields.UUID()
    programme = fields.String()
    state = fields.String(
        metadata={"description": "pending, seconded (one would overturn it), upheld or overturned"}
    )
    answered_by = fields.String(allow_none=True)
    waiting_s = fields.Integer(metadata={"description": "until now, or until its answer"})


class ListedAppealResponse(AppealResponse):
    code = fields.String(metadata={"description": "of the first decision"})
    reason = fields.String(metadata={"description": "the code's sentence, by Accept-Language"})
    scene = fields.String()
    behaviour = fields.String(allow_none=True)
    day = fields.Date(allow_none=True, metadata={"description": "in the programme's zone"})
    started_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso")
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    details = fields.Nested(KnownDetailsResponse)
    facts = fields.Raw(metadata=_OPEN | {"description": "what the decision knew besides the event"})


class AppealsQuery(Schema):
    programme = Code(metadata={"description": "code of the programme"})
    state = fields.String(
        load_default="waiting",
        validate=validate.OneOf(("waiting", "answered")),
        metadata={"description": "waiting: without an answer yet"},
    )
    cursor = Cursor(PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class AppealsResponse(Schema):
    appeals = fields.List(fields.Nested(ListedAppealResponse))
    next_cursor = Cursor(PLACE, allow_none=True)


class AppealDossierResponse(DossierResponse):
    appeal = fields.Nested(AppealResponse)


class VerdictRequest(Schema):
    action = fields.String(required=True, validate=validate.OneOf(("uphold", "overturn")))
    text = Words(
        length_max=TEXT_MAX,
        required=True,
        metadata={"description": "the answer that the resident reads"},
    )


@bp.route("/activities/<uuid:activity_id>/appeal")
class OwnAppeal(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(AppealRequest)
    @bp.response(201, OwnAppealResponse)
    def put(self, body: dict[str, Any], activity_id: UUID) -> dict[str, Any]:
        """Appeal against the refusal of my activity, once. The same text again changes nothing."""
        holder_id, acting, now = caller_holder_id(), acting_name(), datetime.now(UTC)
        words = body["text"]

        def work(session: Session) -> Heard:
            id_ = get_activity(session, holder_id, activity_id).id
            return open_appeal(session, holder_id, id_, words=words, now=now, acting=acting)

        return _own_told(services().database.transact(work))

    @requires("resident", acting="read")
    @bp.response(200, OwnAppealResponse)
    def get(self, activity_id: UUID) -> dict[str, Any]:
        """How far my appeal is, and its answer."""
        holder_id = caller_holder_id()

        def look(session: Session) -> Heard:
            id_ = get_activity(session, holder_id, activity_id).id
            return get_appeal(session, holder_id, id_)

        return _own_told(services().database.transact(look))


@bp.route("/appeals")
class Appeals(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(AppealsQuery, location="query")
    @bp.response(200, AppealsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Appeals that wait for an answer, the oldest first; or those that have one."""
        now, after = datetime.now(UTC), Place(*query["cursor"]) if "cursor" in query else None
        page = services().database.transact(
            lambda session: appeals(
                session,
                programme_code=query.get("programme"),
                answered=query["state"] == "answered",
                within=of_holders(caller(), Appeal.holder_id),
                after=after,
                limit=query["limit"],
            )
        )
        return {
            "appeals": [_listed_told(each, now) for each in page.appeals],
            "next_cursor": page.next_after,
        }


@bp.route("/holders/<uuid:holder_id>/appeals/<uuid:activity_id>")
class OneAppeal(MethodView):
    @requires("operator", "auditor", within=HOLDER)
    @bp.response(200, AppealDossierResponse)
    def get(self, holder_id: UUID, activity_id: UUID) -> dict[str, Any]:
        """One appeal with the activity's evidence, every rule, and the resident's history."""
        now = datetime.now(UTC)

        def look(session: Session) -> dict[str, Any]:
            found = get_appeal(session, holder_id, activity_id)
            about = dossier_told(session, dossier(session, holder_id, activity_id), now)
            return {"appeal": _told(found, now)} | about

        return services().database.transact(look)


@bp.route("/holders/<uuid:holder_id>/appeals/<uuid:activity_id>/verdicts/<uuid:step_id>")
class AppealVerdict(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(VerdictRequest)
    @bp.response(200, AppealResponse)
    def put(
        self, body: dict[str, Any], holder_id: UUID, activity_id: UUID, step_id: UUID
    ) -> dict[str, Any]:
        """Answer an appeal: uphold the refusal, or overturn it, and the activity is booked.

        Not by who refused it. Above a number of points two persons overturn, and the second one's
        text is the answer. The client makes the id: the same again changes nothing.
        """
        now, limit = datetime.now(UTC), services().settings.review_two_persons_points
        who = actor()
        one = Verdict(step_id, holder_id, activity_id, body["action"], who.name, body["text"])
        (heard,) = services().database.transact(
            lambda session: answer(session, who, [one], two_persons_above_points=limit, now=now)
        )
        return _told(heard, now)


def _own_told(heard: Heard) -> dict[str, Any]:
    """That a second person is needed is not the resident's matter."""
    appeal, state = heard
    return {
        "activity_id": appeal.activity_id,
        "state": PENDING if state == SECONDED else state,
        "text": appeal.text,
        "opened_at": appeal.opened_at,
        "answer": appeal.answer,
        "answered_at": appeal.answered_at,
    }


def _told(heard: Heard, now: datetime) -> dict[str, Any]:
    appeal = heard.appeal
    waiting = (appeal.answered_at or now) - appeal.opened_at
    return _own_told(heard) | {
        "holder_id": appeal.holder_id,
        "programme": appeal.programme_code,
        "state": heard.state,
        "answered_by": appeal.answered_by,
        "waiting_s": max(0, int(waiting.total_seconds())),
    }


def _listed_told(listed: Listed, now: datetime) -> dict[str, Any]:
    activity = listed.activity
    about = recorded_told(activity, activity.code) | {"code": activity.code}
    return _told(Heard(listed.appeal, listed.state), now) | about
