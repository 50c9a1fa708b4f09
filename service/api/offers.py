"""What residents can redeem now."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.offers.drafting import KINDS
from rewards.offers.listing import OnSale, Shown, on_sale, shown
from service.api.conditional import conditional
from service.api.resources import Blueprint
from service.api.wire import Cursor
from service.auth import caller_holder_id, requires
from service.buyers import buyer_of
from service.language import Text, chosen
from service.services import services

bp = Blueprint("offers", __name__, url_prefix="/v1/offers", description="商品 · Offers")
bp.after_request(conditional)
_PLACE = ("number", "id")


def _chosen(what: str, of: str) -> fields.Function:
    """A text of the row in the caller's language."""

    def told(row: OnSale | Shown) -> str:
        of_row = getattr(row, of)
        return chosen(Text(getattr(of_row, f"{what}_zh"), getattr(of_row, f"{what}_en")))

    return fields.Function(told, metadata={"type": "string"})


class OffersQuery(Schema):
    kind = fields.String(validate=validate.OneOf(KINDS))
    merchant_id = fields.UUID()
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=200, validate=validate.Range(1, 200))


class OfferResponse(Schema):
    id = fields.UUID(attribute="offer.id")
    kind = fields.String(attribute="offer.kind")
    title = _chosen("title", "version")
    merchant_id = fields.UUID(attribute="offer.merchant_id")
    merchant = _chosen("name", "merchant")
    pictures = fields.List(
        fields.String(),
        attribute="version.pictures",
        metadata={"description": "shown by `GET /v1/pictures/{sha256}`"},
    )
    price_points = fields.Integer(attribute="version.price_points")
    stock_units = fields.Integer(metadata={"description": "left"})
    on_sale_to = fields.AwareDateTime(format="iso", attribute="version.on_sale_to")


class OfferOnSaleResponse(OfferResponse):
    own_left_units = fields.Integer(
        allow_none=True,
        metadata={
            "description": "how many I may have today by the limits of each resident, whatever is"
            " left; null: no limit"
        },
    )


class OffersResponse(Schema):
    offers = fields.List(fields.Nested(OfferOnSaleResponse))
    next_cursor = Cursor(_PLACE, allow_none=True)


class OfferShopResponse(Schema):
    id = fields.UUID()
    name = fields.Function(
        lambda shop: chosen(Text(shop.name_zh, shop.name_en)), metadata={"type": "string"}
    )
    address = fields.String()


class OneOfferQuery(Schema):
    version = fields.Integer(
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "the terms under which it was redeemed; none: those of now"},
    )


class OneOfferResponse(OfferResponse):
    state = fields.String(
        attribute="offer.state", metadata={"description": "published, paused or ended"}
    )
    version = fields.Integer(attribute="version.version")
    text = _chosen("text", "version")
    face_value_fen = fields.Integer(attribute="version.face_value_fen")
    on_sale_from = fields.AwareDateTime(format="iso", attribute="version.on_sale_from")
    daily_units = fields.Integer(attribute="version.daily_units", allow_none=True)
    resident_day_units = fields.Integer(attribute="version.resident_day_units", allow_none=True)
    resident_week_units = fields.Integer(attribute="version.resident_week_units", allow_none=True)
    resident_month_units = fields.Integer(attribute="version.resident_month_units", allow_none=True)
    valid_days = fields.Integer(
        attribute="version.valid_days",
        allow_none=True,
        metadata={"description": "good to the end of so many days after redemption"},
    )
    valid_until = fields.AwareDateTime(
        format="iso", attribute="version.valid_until", allow_none=True
    )
    cancel_hours = fields.Integer(
        attribute="version.cancel_hours",
        metadata={"description": "how long it may be cancelled; 0: not at all"},
    )
    expiry_returns = fields.Boolean(
        attribute="version.expiry_returns",
        metadata={"description": "points of what lapses unused come back"},
    )
    project_id = fields.UUID(attribute="offer.project_id", allow_none=True)
    shops = fields.List(
        fields.Nested(OfferShopResponse), metadata={"description": "where it is taken"}
    )


@bp.route("")
class Offers(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(OffersQuery, location="query")
    @bp.response(200, OffersResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What my points buy now, cheapest first: of my programme, for where I live and for the
        scenes to which I consent.
        """
        holder_id, now, limit = caller_holder_id(), datetime.now(UTC), query["limit"]

        def look(session: Session) -> list[OnSale]:
            buyer = buyer_of(session, holder_id)
            asked = {name: query.get(name) for name in ("kind", "merchant_id")}
            after = query.get("cursor")
            return list(
                on_sale(session, buyer=buyer, now=now, limit=limit + 1, after=after, **asked)
            )

        rows = services().database.transact(look)
        last = rows[limit - 1] if len(rows) > limit else None
        return {
            "offers": rows[:limit],
            "next_cursor": last and (last.version.price_points, last.offer.id),
        }


@bp.route("/<uuid:offer_id>")
class OneOffer(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(OneOfferQuery, location="query")
    @bp.response(200, OneOfferResponse)
    def get(self, query: dict[str, Any], offer_id: UUID) -> Any:
        """An offer of my programme with all its terms, also after its sale."""
        holder_id = caller_holder_id()

        def look(session: Session) -> Shown:
            return shown(session, offer_id, buyer=buyer_of(session, holder_id), **query)

        return services().database.transact(look)
