"""Top-ups: the gateway calls back with what became of one, and operators look after those that
hang.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.models import TopUp
from rewards.redeeming import top_up_queue
from rewards.redeeming.top_up_answers import agrees
from rewards.redeeming.top_up_errors import TopUpContradicted, UnknownTopUp
from rewards.redeeming.top_up_queue import Page, Place, due_of
from service.admin.top_ups import hurry, tick_off
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.wire import Cursor, Line
from service.auth import actor, caller, requires, signed_by_gateway
from service.authorisation import FOUND, LISTED, of_holders, reaches_holder
from service.gateway.answers import called_back
from service.gateway.settling import answered
from service.identity.tokens import Caller
from service.services import services

bp = Blueprint("top_ups", __name__, url_prefix="/v1/top-ups", description="充值 · Top-ups")
_PLACE = ("at", "id")


class TopUpsQuery(Schema):
    which = fields.String(
        load_default="hanging",
        validate=validate.OneOf(("hanging", "contradicted")),
        metadata={
            "description": "hanging: open for ten minutes and more; contradicted: the gateway has"
            " said two things"
        },
    )
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class TopUpResponse(Schema):
    """``answered`` is what the gateway said last, or against the outcome that stands."""

    id = fields.UUID(
        attribute="order_id", metadata={"description": "under which the gateway knows it"}
    )
    redemption_id = fields.UUID()
    holder_id = fields.UUID()
    offer_id = fields.UUID()
    amount_fen = fields.Integer()
    state = fields.String(metadata={"description": "ordered, done, refused or cancelled"})
    answered = fields.String(allow_none=True)
    gateway_reference = fields.String(allow_none=True)
    tries = fields.Integer(metadata={"description": "how often the gateway left it open"})
    ordered_at = fields.AwareDateTime(format="iso")
    next_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "when it is asked about again"}
    )
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    contradicted_at = fields.AwareDateTime(format="iso", allow_none=True)


class TopUpsResponse(Schema):
    top_ups = fields.List(fields.Nested(TopUpResponse))
    next_cursor = Cursor(_PLACE, allow_none=True, attribute="next_after")


class SettledRequest(Schema):
    reason = Line(
        length_max=500,
        required=True,
        metadata={"description": "auditors read it", "example": "网关已冲正，凭证 R-8"},
    )


class OutcomeRequest(Schema):
    """Written down for the API's document; what is read is msgspec's (``service.gateway``)."""

    order_id = fields.UUID(required=True, metadata={"description": "the same as in the path"})
    state = fields.String(required=True, validate=validate.OneOf(("done", "refused")))
    reference = fields.String(
        validate=validate.Length(1, 128),
        metadata={"description": "the gateway's own, where it is done", "example": "R-1"},
    )
    reason = fields.String(
        validate=validate.Length(1, 128), metadata={"description": "why not, where it is refused"}
    )


class OutcomeResponse(Schema):
    id = fields.UUID(attribute="order_id")
    state = fields.String(metadata={"description": "done, refused or cancelled"})


@bp.route("")
class TopUps(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(TopUpsQuery, location="query")
    @bp.response(200, TopUpsResponse)
    def get(self, query: dict[str, Any]) -> Any:
        """Top-ups that a person may want to look after, the oldest first."""
        who, now = caller(), datetime.now(UTC)
        after = Place(*query["cursor"]) if "cursor" in query else None

        def look(session: Session) -> Page:
            own = of_holders(who, TopUp.holder_id)
            if query["which"] == "contradicted":
                return top_up_queue.contradicted(session, own, limit=query["limit"], after=after)
            return top_up_queue.hanging(session, own, now=now, limit=query["limit"], after=after)

        return services().database.transact(look)


@bp.route("/<uuid:top_up_id>")
class OneTopUp(MethodView):
    @requires("operator", "auditor", within=FOUND)
    @bp.response(200, TopUpResponse)
    def get(self, top_up_id: UUID) -> Any:
        """A top-up as it stands; never the card."""
        who = caller()
        return services().database.transact(lambda session: _reached(session, who, top_up_id))


@bp.route("/<uuid:top_up_id>/check")
class Check(MethodView):
    @requires("operator", within=FOUND)
    @bp.response(200, TopUpResponse)
    def put(self, top_up_id: UUID) -> Any:
        """Let the gateway be asked about an open top-up at once, instead of at `next_at`."""
        who, by, now = caller(), actor(), datetime.now(UTC)

        def work(session: Session) -> TopUp:
            _reached(session, who, top_up_id)
            return hurry(session, by, top_up_id, now=now)

        return services().database.transact(work)


@bp.route("/<uuid:top_up_id>/settled")
class Settled(MethodView):
    @requires("operator", within=FOUND)
    @bp.arguments(SettledRequest)
    @bp.response(200, TopUpResponse)
    def put(self, body: dict[str, str], top_up_id: UUID) -> Any:
        """Tick off what the gateway said against the outcome that stands, once it is settled with
        the gateway: it is no longer listed. Again changes nothing.
        """
        who, by, now = caller(), actor(), datetime.now(UTC)

        def work(session: Session) -> TopUp:
            _reached(session, who, top_up_id)
            return tick_off(session, by, top_up_id, reason=body["reason"], now=now)

        return services().database.transact(work)


@bp.route("/<uuid:top_up_id>/outcome")
class TheOutcome(MethodView):
    @signed_by_gateway
    @bp.doc(
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": OutcomeRequest}},
        }
    )
    @bp.response(200, OutcomeResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    def put(self, top_up_id: UUID) -> Any:
        """The gateway says what became of a top-up. The same again is answered the same; what
        contradicts the first outcome is refused, and kept for a person.
        """
        outcome = called_back(request.get_data(), top_up_id)
        parts = services()
        top_up = parts.database.transact(lambda session: top_up_queue.get(session, top_up_id))
        top_up = answered(parts, due_of(top_up, datetime.now(UTC)), outcome)
        if not agrees(top_up, outcome):
            raise TopUpContradicted(top_up_id, top_up.state)
        return top_up


def _reached(session: Session, who: Caller, top_up_id: UUID) -> TopUp:
    """Raises UnknownTopUp, for one of a resident out of the caller's reach too."""
    found = top_up_queue.get(session, top_up_id)
    if not reaches_holder(session, who, found.holder_id):
        raise UnknownTopUp(top_up_id)
    return found
