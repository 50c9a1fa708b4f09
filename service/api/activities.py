"""A resident's activities: sent in by the app, each with its why."""

from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities.days import days
from activities.errors import UnknownActivity
from activities.history import page, standings
from rewards.redeeming.days import period_of
from service import attestation
from service.api.acts import ActivityRequest, ActivityResponse, decided, event_of, standing_told
from service.api.conditional import conditional
from service.api.explained import ExplainedResponse, told_of
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.wire import IdCursor, Month
from service.auth import acting_name, caller, caller_holder_id, own_holder_id, requires
from service.authorisation import FOUND, check_holder, reaches_holder
from service.errors import InvalidAttestation
from service.services import services

bp = Blueprint(
    "activities", __name__, url_prefix="/v1/activities", description="活动 · Activities and why"
)
bp.after_request(conditional)
_REQUEST = ActivityRequest()  # Once for all: a new one costs a fifth of a request's own time.
_ATTESTATION = {
    "name": attestation.HEADER,
    "in": "header",
    "description": "the attestation service's word for `details.device`, a JWS (docs/app.md)",
    "schema": {"type": "string", "maxLength": attestation.LENGTH_MAX},
}


class ActivitiesResponse(Schema):
    activities = fields.List(fields.Nested(ActivityResponse))
    next_cursor = IdCursor(allow_none=True)


class DaysQuery(Schema):
    month = Month(required=True)


class DayResponse(Schema):
    day = fields.Date(metadata={"description": "in the programme's zone"})
    activities = fields.Integer(metadata={"description": "number of those that count"})
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()


class DaysResponse(Schema):
    days = fields.List(fields.Nested(DayResponse), metadata={"description": "the earliest first"})


class HolderQuery(Schema):
    holder_id = fields.UUID(
        metadata={"description": "whose it is: for operators and auditors, with our own id of it"}
    )


@bp.route("")
class Activities(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ActivitiesResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What I did, what it saved, what it earned, and why, as it stands now; newest first."""
        holder_id = caller_holder_id()

        def look(session: Session) -> dict[str, Any]:
            found = page(session, holder_id, before=query.get("cursor"), limit=query["limit"])
            shown = [standing_told(each) for each in standings(session, found.activities)]
            return {"activities": shown, "next_cursor": found.next_before}

        return services().database.transact(look)


@bp.route("/days")
class ActivityDays(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(DaysQuery, location="query")
    @bp.response(200, DaysResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """My days of a month: what each saved and earned, as it stands now; others are left out."""
        holder_id = caller_holder_id()
        first, beyond = period_of("month", query["month"])
        found = services().database.transact(lambda s: days(s, holder_id, first, beyond))
        return {"days": found}


@bp.route("/<uuid:activity_id>")
class OneActivity(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(_REQUEST)
    @bp.response(201, ActivityResponse)
    @bp.doc(parameters=[_ATTESTATION])
    def put(self, body: dict[str, Any], activity_id: UUID) -> dict[str, Any]:
        """Report one act. The app makes the id, so sending it twice is the same activity.

        A refused act is recorded too, with its reason: the answer's `decision` says it.
        """
        attested = _attested(activity_id, body)
        event = event_of(activity_id, caller_holder_id(), body, attested=attested)
        return decided(services().entries.from_app(event, acting=acting_name()))

    @requires("resident", "operator", "auditor", within=FOUND, acting="read")
    @bp.arguments(HolderQuery, location="query")
    @bp.response(200, ExplainedResponse)
    def get(self, query: dict[str, Any], activity_id: UUID) -> dict[str, Any]:
        """One activity with its whole why: every rule, the method, the factors, the figure.

        By our id of it or by the one that the app or the desk made.
        """
        own, asked = own_holder_id(), query.get("holder_id")
        if own is not None:
            return services().database.transact(
                lambda session: told_of(session, activity_id, own, names=False)
            )

        def look(session: Session) -> dict[str, Any]:
            if asked is not None:
                check_holder(session, caller(), asked)
            told = told_of(session, activity_id, asked, names=True)
            if not reaches_holder(session, caller(), told["holder_id"]):
                raise UnknownActivity(activity_id)
            return told

        return services().database.transact(look)


def _attested(activity_id: UUID, body: dict[str, Any]) -> bool:
    """By the header. One that does not hold is refused before anything is kept, so that the app
    may get another; with a retry it may be as old as it likes.
    """
    sent = request.headers.get(attestation.HEADER)
    device = body.get("details", {}).get("device")
    try:
        return services().attestations.check(sent, event_id=activity_id, device=device)
    except InvalidAttestation:
        if services().entries.is_known(activity_id):
            return False
        raise
