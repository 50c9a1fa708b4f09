"""The merchant takes a voucher."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from rewards.tills.consuming import consume
from service.admin import objects
from service.admin.objects import acting_on
from service.api.resources import Blueprint
from service.auth import actor, caller_merchant_id, requires
from service.language import Text, chosen
from service.services import services

bp = Blueprint(
    "consumptions", __name__, url_prefix="/v1/consumptions", description="核销 · Vouchers taken"
)


class ConsumptionRequest(Schema):
    code = fields.String(
        required=True,
        validate=validate.Length(1, 40),
        metadata={
            "description": "as typed: case, spaces and dashes do not matter",
            "example": "7KQ2-M9XD-4RTB",
        },
    )


class ConsumptionResponse(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    title = fields.Function(
        lambda taken: chosen(Text(taken.title_zh, taken.title_en)), metadata={"type": "string"}
    )
    consumed_at = fields.AwareDateTime(format="iso")


@bp.route("/<uuid:consumption_id>")
class Consumption(MethodView):
    @requires("merchant", key_scope="consumptions")
    @bp.arguments(ConsumptionRequest)
    @bp.response(201, ConsumptionResponse)
    def put(self, body: dict[str, Any], consumption_id: UUID) -> Any:
        """Take a voucher, once. The till makes the id, so sending it twice is the same request."""
        merchant_id, now, who = caller_merchant_id(), datetime.now(UTC), actor()
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "voucher.consume",
                objects.consumption(session, consumption_id, body["code"]),
                lambda: consume(session, consumption_id, merchant_id=merchant_id, now=now, **body),
                now=now,
            )
        )
