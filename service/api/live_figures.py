"""A division's month as it stands, for those who may see single residents."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from service.api.resources import Blueprint
from service.api.wire import MONTH, Month
from service.auth import requires
from service.authorisation import DIVISION_OF_ALL
from service.districts.rollups.live import live
from service.services import services

bp = Blueprint(
    "live_figures",
    __name__,
    url_prefix="/v1/districts/<string:division_code>/live",
    description="区划实时汇总 · Live figures of divisions",
)


class LiveQuery(Schema):
    month = Month(required=True)


class LiveRowResponse(Schema):
    division_code = fields.String(metadata={"description": "the division, or one right below it"})
    division_name = fields.String()
    behaviour_code = fields.String(
        allow_none=True,
        metadata={"description": "null in a total; - for what is of no behaviour"},
    )
    behaviour_name_zh = fields.String()
    behaviour_name_en = fields.String()
    activities = fields.Integer(metadata={"description": "that stand"})
    residents = fields.Integer(
        allow_none=True,
        metadata={"description": "different ones behind them; null where there is no behaviour"},
    )
    saved_mg_co2e = fields.Integer()
    earned_points = fields.Integer()
    spent_points = fields.Integer(metadata={"description": "less what came back"})
    expired_points = fields.Integer()
    vouchers = fields.Integer(metadata={"description": "redeemed, less those given back"})


class LiveResponse(Schema):
    division_code = fields.String()
    division_name = fields.String()
    month = fields.String(metadata={"pattern": MONTH, "example": "2026-10"})
    as_of = fields.AwareDateTime(format="iso")
    folded_to = fields.Integer(
        metadata={"description": "how many leaves of the log are in the figures"}
    )
    rows = fields.List(fields.Nested(LiveRowResponse))


@bp.route("")
class LiveFigures(MethodView):
    @requires("operator", "auditor", within=DIVISION_OF_ALL)
    @bp.arguments(LiveQuery, location="query")
    @bp.response(200, LiveResponse)
    def get(self, query: dict[str, Any], division_code: str) -> Any:
        """Figures of the division and of those right below it; nothing is withheld, so they are not
        for publication.
        """
        with services().database.snapshot() as session:
            return live(session, division_code, query["month"], now=datetime.now(UTC))
