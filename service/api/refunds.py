"""Refund of a voucher that was used."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields

from rewards.redeeming.refunding import Refunded
from service import refunds
from service.api.resources import Blueprint
from service.api.wire import Line
from service.auth import actor, caller, requires
from service.authorisation import FOUND, reaches_holder
from service.services import services

bp = Blueprint("refunds", __name__, url_prefix="/v1/consumptions", description="退还 · Refunds")


class RefundRequest(Schema):
    reason = Line(
        length_max=500, required=True, metadata={"description": "why; the resident reads it"}
    )


class RefundResponse(Schema):
    consumption_id = fields.UUID()
    redemption_id = fields.UUID()
    merchant_id = fields.UUID()
    returned_points = fields.Integer(
        metadata={"description": "to the resident; none to who has closed the account"}
    )
    returned_fen = fields.Integer(
        metadata={"description": "what the merchant owes for it, in the next settlement"}
    )
    refunded_at = fields.AwareDateTime(format="iso")
    refunded_by = fields.String()


@bp.route("/<uuid:consumption_id>/refund")
class Refund(MethodView):
    @requires("operator", within=FOUND)
    @bp.arguments(RefundRequest)
    @bp.response(201, RefundResponse)
    def put(self, body: dict[str, Any], consumption_id: UUID) -> Refunded:
        """Give back what a resident paid for a voucher that was used: the points to their lots, the
        merchant's pay with the next settlement. The same again answers the same.
        """
        now, who, found = datetime.now(UTC), actor(), caller()
        return services().database.transact(
            lambda session: refunds.give(
                session,
                who,
                consumption_id,
                reason=body["reason"],
                reaches=lambda s, holder_id: reaches_holder(s, found, holder_id),
                now=now,
            )
        )
