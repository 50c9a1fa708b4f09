"""Redemptions: the resident's points for an offer."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities.participants import programme_holder
from rewards.redeeming.redemption import Redeemed, acted_by, get_redemption, redeem
from service.api.conditional import conditional
from service.api.resources import Blueprint
from service.auth import acting_name, caller_holder_id, requires
from service.request_ids import request_id
from service.services import services

bp = Blueprint(
    "redemptions", __name__, url_prefix="/v1/redemptions", description="兑换 · Redemptions"
)
bp.after_request(conditional)


class RedemptionRequest(Schema):
    offer_id = fields.UUID(required=True)


class RedemptionResponse(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    spent_points = fields.Integer(metadata={"description": "whole points"})
    redeemed_at = fields.AwareDateTime(format="iso")
    acted_by = fields.String(
        allow_none=True,
        metadata={"description": "`delegate:` or `guardian:` and who it was; null: myself"},
    )


class NewRedemptionResponse(RedemptionResponse):
    voucher_code = fields.String(
        metadata={"description": "shown in this answer only, and again to a retry of it"}
    )


@bp.route("/<uuid:redemption_id>")
class Redemption(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(RedemptionRequest)
    @bp.response(201, NewRedemptionResponse)
    def put(self, body: dict[str, Any], redemption_id: UUID) -> Any:
        """Redeem one offer. The client makes the id, so sending it twice is the same request."""
        holder_id, now, request = caller_holder_id(), datetime.now(UTC), request_id()
        code_key, acting = services().voucher_key, acting_name()

        def work(session: Session) -> Redeemed:
            return redeem(
                session,
                redemption_id,
                holder_id=holder_id,
                programme_holder_id=programme_holder(session, holder_id),
                code_key=code_key,
                now=now,
                request_id=request,
                acting=acting,
                **body,
            )

        return services().database.transact(work)

    @requires("resident", acting="read")
    @bp.response(200, RedemptionResponse)
    def get(self, redemption_id: UUID) -> Any:
        """One of my redemptions; without the voucher's code."""
        holder_id = caller_holder_id()

        def look(session: Session) -> dict[str, Any]:
            found = get_redemption(session, redemption_id, holder_id=holder_id)
            return {
                "id": found.id,
                "offer_id": found.offer_id,
                "spent_points": found.spent_points,
                "redeemed_at": found.redeemed_at,
                "acted_by": acted_by(session, found.id),
            }

        return services().database.transact(look)
