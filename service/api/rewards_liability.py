"""What a programme's offers could still cost it."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from rewards.offers.liability import OfferLiability, liability
from service.api.resources import Blueprint
from service.auth import requires
from service.authorisation import PROGRAMME
from service.services import services

bp = Blueprint(
    "rewards_liability", __name__, url_prefix="/v1/programmes", description="项目 · Programmes"
)


class OfferLiabilityRow(Schema):
    offer_id = fields.UUID()
    merchant_id = fields.UUID()
    title_zh = fields.String()
    title_en = fields.String()
    state = fields.String()
    settlement_fen = fields.Integer(metadata={"description": "of one unit that is on sale"})
    stock_units = fields.Integer(metadata={"description": "that its budget could pay for"})
    stock_fen = fields.Integer()
    stock_points = fields.Integer()
    open_units = fields.Integer(metadata={"description": "redeemed, not used or ended yet"})
    open_fen = fields.Integer()
    open_points = fields.Integer()


class RewardsLiabilityResponse(Schema):
    offers = fields.List(fields.Nested(OfferLiabilityRow))
    stock_fen = fields.Integer(
        metadata={"description": "no more than the budgets have left, which offers share"}
    )
    stock_points = fields.Integer()
    open_fen = fields.Integer()
    open_points = fields.Integer()
    unsettled_fen = fields.Integer(metadata={"description": "owed, and in no settlement yet"})
    unpaid_fen = fields.Integer(metadata={"description": "in settlements that are not paid yet"})
    total_fen = fields.Integer()


@bp.route("/<string:code>/rewards-liability")
class RewardsLiability(MethodView):
    @requires("operator", "auditor", within=PROGRAMME)
    @bp.response(200, RewardsLiabilityResponse)
    def get(self, code: str) -> dict[str, Any]:
        """What offers could still cost: stock, open vouchers, what is owed and not paid."""
        now = datetime.now(UTC)

        def read(session: Session) -> dict[str, Any]:
            programme = get_programme(session, code)
            day = now.astimezone(ZoneInfo(programme.zone)).date()
            found = liability(session, programme.holder_id, day=day, now=now)
            names = ("stock_fen", "stock_points", "open_fen", "open_points", "unsettled_fen")
            return {name: getattr(found, name) for name in names} | {
                "unpaid_fen": found.unpaid_fen,
                "total_fen": found.total_fen,
                "offers": [_row(each) for each in found.offers],
            }

        return services().database.transact(read)


def _row(each: OfferLiability) -> dict[str, Any]:
    offer, version = each.offer, each.version
    titles = {"title_zh": version.title_zh, "title_en": version.title_en}
    names = ("settlement_fen", "stock_units", "stock_fen", "stock_points")
    open_ = ("open_units", "open_fen", "open_points")
    counted = {name: getattr(each, name) for name in (*names, *open_)}
    of_offer = {"offer_id": offer.id, "merchant_id": offer.merchant_id, "state": offer.state}
    return of_offer | titles | counted
