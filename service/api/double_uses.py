"""Vouchers that an offline till handed goods out for, and that had ended before it told."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.models import DoubleUse, Shop
from rewards.tills.double_uses import Listed, listed
from service.api.resources import Blueprint
from service.api.wire import Cursor
from service.auth import caller, requires
from service.authorisation import LISTED, MERCHANT_ROLES
from service.language import Text, chosen
from service.services import services
from service.tills.reach import of_merchants

bp = Blueprint(
    "double_uses", __name__, url_prefix="/v1/double-uses", description="重复使用 · Double uses"
)
_WHY = ("consumed", "cancelled", "expired", "lapsed")


class DoubleUsesQuery(Schema):
    cursor = Cursor(("at", "id"), metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class DoubleUseResponse(Schema):
    id = fields.UUID(metadata={"description": "of the consumption that was refused"})
    merchant_id = fields.UUID()
    offer_id = fields.UUID()
    redemption_id = fields.UUID()
    why = fields.String(
        validate=validate.OneOf(_WHY), metadata={"description": "how the voucher had ended"}
    )
    scanned_at = fields.AwareDateTime(
        format="iso", metadata={"description": "by the scanner's clock"}
    )
    shop_id = fields.UUID(allow_none=True)
    shop = fields.String(allow_none=True, metadata={"example": "一号店"})
    scanner_id = fields.UUID(allow_none=True)
    recorded_at = fields.AwareDateTime(format="iso", metadata={"description": "when it was sent"})
    recorded_by = fields.String(metadata={"description": "who sent it"})
    first_id = fields.UUID(
        allow_none=True, metadata={"description": "the consumption that counted"}
    )
    first_at = fields.AwareDateTime(
        format="iso", metadata={"description": "when the voucher had ended, by that one's clock"}
    )
    first_shop_id = fields.UUID(allow_none=True)
    first_shop = fields.String(allow_none=True, metadata={"example": "二号店"})
    first_scanner_id = fields.UUID(allow_none=True)
    first_recorded_by = fields.String(allow_none=True)
    earlier = fields.String(
        validate=validate.OneOf(("this", "first")),
        metadata={"description": "which of the two was first, each by its own clock"},
    )
    clocks_may_differ = fields.Boolean(
        metadata={"description": "they are within four minutes: clocks may have turned them round"}
    )


class DoubleUsesResponse(Schema):
    double_uses = fields.List(fields.Nested(DoubleUseResponse))
    next_cursor = Cursor(("at", "id"), allow_none=True)


@bp.route("")
class DoubleUses(MethodView):
    @requires("operator", "auditor", *MERCHANT_ROLES, within=LISTED)
    @bp.arguments(DoubleUsesQuery, location="query")
    @bp.response(200, DoubleUsesResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Double uses at one's merchant, or at the programme's merchants, the newest first."""
        who, limit = caller(), query["limit"]

        def page(session: Session) -> dict[str, Any]:
            reach = of_merchants(session, who, DoubleUse.merchant_id)
            rows = listed(session, reach, before=query.get("cursor"), limit=limit + 1)
            shown = rows[:limit]
            last = shown[-1].row if len(rows) > limit else None
            return {
                "double_uses": [_told(each) for each in shown],
                "next_cursor": last and (last.recorded_at, last.id),
            }

        return services().database.transact(page)


def _told(each: Listed) -> dict[str, Any]:
    columns = {column.key: getattr(each.row, column.key) for column in DoubleUse.__table__.columns}
    return columns | {
        "shop": _name(each.shop),
        "first_shop": _name(each.first_shop),
        "first_recorded_by": each.first_recorded_by,
        "earlier": each.earlier,
        "clocks_may_differ": each.clocks_may_differ,
    }


def _name(shop: Shop | None) -> str | None:
    return None if shop is None else chosen(Text(shop.name_zh, shop.name_en))
