"""A resident's activities, each with its why."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from activities.explanations import why
from activities.history import page
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.auth import caller_holder_id, requires
from service.language import language
from service.services import services

bp = Blueprint(
    "activities", __name__, url_prefix="/v1/activities", description="活动 · Activities and why"
)


class ActivityResponse(Schema):
    id = fields.UUID()
    event_id = fields.String(metadata={"description": "the sender's own id"})
    scene = fields.String(attribute="scene_code")
    behaviour = fields.String(attribute="behaviour_code", allow_none=True)
    day = fields.Date(allow_none=True, metadata={"description": "in the programme's zone"})
    started_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso")
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    decision = fields.String(metadata={"description": "verified, held or rejected"})
    code = fields.String(metadata={"description": "machine code of the decision"})
    reason = fields.Function(
        lambda activity: why(activity)[language()],
        metadata={"type": "string", "description": "the sentence, by Accept-Language"},
    )
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()
    trimmed_points = fields.Integer(metadata={"description": "withheld by a cap"})
    duplicate_of = fields.UUID(allow_none=True)


class ActivitiesResponse(Schema):
    activities = fields.List(fields.Nested(ActivityResponse))
    next_cursor = fields.UUID(allow_none=True, attribute="next_before")


@bp.route("")
class Activities(MethodView):
    @requires("resident")
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ActivitiesResponse)
    def get(self, query: dict[str, Any]) -> Any:
        """What I did, what it saved, what it earned, and why; newest first."""
        holder_id = caller_holder_id()
        return services().database.transact(
            lambda s: page(s, holder_id, before=query.get("cursor"), limit=query["limit"])
        )
