"""What can be redeemed now."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities.participants import programme_holder
from rewards.offers.listing import OnSale, on_sale
from service.api.conditional import conditional
from service.api.resources import Blueprint
from service.auth import caller_holder_id, requires
from service.language import Text, chosen
from service.services import services

bp = Blueprint("offers", __name__, url_prefix="/v1/offers", description="商品 · Offers")
bp.after_request(conditional)


class OfferResponse(Schema):
    id = fields.UUID(attribute="offer.id")
    title = fields.Function(
        lambda row: chosen(Text(row.offer.title_zh, row.offer.title_en)),
        metadata={"type": "string"},
    )
    merchant = fields.Function(
        lambda row: chosen(Text(row.merchant.name_zh, row.merchant.name_en)),
        metadata={"type": "string"},
    )
    price_points = fields.Integer(attribute="offer.price_points")
    stock_units = fields.Integer()
    on_sale_to = fields.AwareDateTime(format="iso", attribute="offer.on_sale_to")


class OffersResponse(Schema):
    offers = fields.List(fields.Nested(OfferResponse))


@bp.route("")
class Offers(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, OffersResponse)
    def get(self) -> dict[str, Any]:
        """What my programme's points buy now, cheapest first."""
        holder_id, now = caller_holder_id(), datetime.now(UTC)

        def look(session: Session) -> Sequence[OnSale]:
            own = programme_holder(session, holder_id)
            return on_sale(session, programme_holder_id=own, now=now)

        return {"offers": services().database.transact(look)}
