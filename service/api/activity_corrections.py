"""Corrections of activities: one operator proposes, another approves; auditors look on."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from activities.changes.proposals import Place, approve, get_correction, pending, propose, reject
from activities.events import QUANTITY_MAX
from activities.models import ActivityCorrection
from service.admin import objects
from service.admin.objects import acting_on
from service.api.resources import Blueprint
from service.api.wire import Cursor, Line
from service.auth import actor, caller, requires
from service.authorisation import HOLDER, LISTED, of_holders
from service.request_ids import request_id
from service.services import services

bp = Blueprint(
    "activity_corrections",
    __name__,
    url_prefix="/v1",
    description="活动更正 · Corrections of activities: one operator proposes, another approves",
)
_WAITING = ("at", "id", "id")


class ActivityCorrectionRequest(Schema):
    """What is wrong with one activity of this holder."""

    activity_id = fields.UUID(required=True)
    action = fields.String(
        required=True,
        validate=validate.OneOf(("withdraw", "change")),
        metadata={"description": "withdraw: it did not happen; change: its quantity was wrong"},
    )
    quantity = fields.Integer(
        strict=True,
        validate=validate.Range(0, QUANTITY_MAX),
        metadata={"description": "the right one, in the behaviour's base unit; with change"},
    )
    reason = Line(
        length_max=500, required=True, metadata={"description": "why; the resident reads it"}
    )

    @validates_schema
    def _fits_its_action(self, body: dict[str, Any], **_: Any) -> None:
        if (body.get("action") == "change") != ("quantity" in body):
            raise ValidationError("Send quantity with change, and with it only.", "quantity")


class ActivityCorrectionApprovalRequest(Schema):
    """Nothing: what is approved is what was proposed under the id."""


class ActivityCorrectionRejectionRequest(Schema):
    reason = Line(length_max=500)


class ActivityCorrectionResponse(Schema):
    id = fields.UUID()
    holder_id = fields.UUID()
    activity_id = fields.UUID()
    action = fields.String(metadata={"description": "withdraw or change"})
    quantity = fields.Integer(
        allow_none=True,
        metadata={"description": "the right one, in the behaviour's base unit; null: withdraw"},
    )
    reason = fields.String()
    proposed_by = fields.String()
    proposed_at = fields.AwareDateTime(format="iso")
    state = fields.String(metadata={"description": "proposed, approved or rejected"})
    decided_by = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime(format="iso", allow_none=True)
    rejection_reason = fields.String(allow_none=True)


class ActivityCorrectionsQuery(Schema):
    cursor = Cursor(_WAITING, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class ActivityCorrectionsResponse(Schema):
    corrections = fields.List(fields.Nested(ActivityCorrectionResponse))
    next_cursor = Cursor(_WAITING, allow_none=True, attribute="next_after")


@bp.route("/activity-corrections")
class ActivityCorrections(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(ActivityCorrectionsQuery, location="query")
    @bp.response(200, ActivityCorrectionsResponse)
    def get(self, query: dict[str, Any]) -> Any:
        """What waits for a second person, the oldest first."""
        after = Place(*query["cursor"]) if "cursor" in query else None
        within = of_holders(caller(), ActivityCorrection.holder_id)
        return services().database.transact(
            lambda session: pending(session, within=within, after=after, limit=query["limit"])
        )


@bp.route("/holders/<uuid:holder_id>/activity-corrections/<uuid:correction_id>")
class OneActivityCorrection(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(ActivityCorrectionRequest)
    @bp.response(201, ActivityCorrectionResponse)
    def put(self, body: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Propose to withdraw or change an activity. The same again changes nothing.

        What could not be booked is refused now; nothing is booked before another operator approves.
        """
        now, who = datetime.now(UTC), actor()
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "activity_correction.propose",
                objects.activity_correction(session, holder_id, correction_id),
                lambda: propose(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    activity_id=body["activity_id"],
                    quantity=body.get("quantity"),
                    reason=body["reason"],
                    proposed_by=who.name,
                    now=now,
                ),
                now=now,
            )
        )

    @requires("operator", "auditor", within=HOLDER)
    @bp.response(200, ActivityCorrectionResponse)
    def get(self, holder_id: UUID, correction_id: UUID) -> Any:
        """A correction as it stands."""
        return services().database.transact(
            lambda session: get_correction(session, holder_id, correction_id)
        )


@bp.route("/holders/<uuid:holder_id>/activity-corrections/<uuid:correction_id>/approval")
class ActivityCorrectionApproval(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(ActivityCorrectionApprovalRequest)
    @bp.response(200, ActivityCorrectionResponse)
    def put(self, _: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Approve what somebody else proposed: the difference is booked, the activity adjusted."""
        now, who, request = datetime.now(UTC), actor(), request_id()
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "activity_correction.approve",
                objects.activity_correction(session, holder_id, correction_id),
                lambda: approve(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    approved_by=who.name,
                    now=now,
                    request_id=request,
                ),
                now=now,
            )
        )


@bp.route("/holders/<uuid:holder_id>/activity-corrections/<uuid:correction_id>/rejection")
class ActivityCorrectionRejection(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(ActivityCorrectionRejectionRequest)
    @bp.response(200, ActivityCorrectionResponse)
    def put(self, body: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Reject a correction, or take one's own back; nothing is booked."""
        now, who = datetime.now(UTC), actor()
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "activity_correction.reject",
                objects.activity_correction(session, holder_id, correction_id),
                lambda: reject(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    rejected_by=who.name,
                    now=now,
                    **body,
                ),
                now=now,
            )
        )
