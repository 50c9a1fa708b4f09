"""A district's month."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from service.api.resources import Blueprint
from service.api.wire import MONTH, Month
from service.auth import requires
from service.authorisation import DIVISION
from service.districts.published.month import report
from service.services import services

bp = Blueprint(
    "districts", __name__, url_prefix="/v1/districts", description="区县 · District reports"
)


class ReportQuery(Schema):
    month = Month(required=True)


class FiguresResponse(Schema):
    activities = fields.Integer(metadata={"description": "number of verified activities"})
    residents = fields.Integer(
        allow_none=True,
        metadata={"description": "residents behind them, in tens, rounded down; null below ten"},
    )
    saved_mg_co2e = fields.Integer()
    earned_points = fields.Integer()


class RowResponse(Schema):
    town_code = fields.String(allow_none=True, metadata={"description": "null in a total"})
    town_name = fields.String()
    behaviour_code = fields.String(allow_none=True, metadata={"description": "null in a total"})
    behaviour_name_zh = fields.String()
    behaviour_name_en = fields.String()
    figures = fields.Nested(
        FiguresResponse, allow_none=True, metadata={"description": "null where withheld"}
    )
    left_out = fields.Integer(metadata={"description": "how many withheld cells a total lacks"})


class SpentResponse(Schema):
    town_code = fields.String(allow_none=True)
    town_name = fields.String()
    spent_points = fields.Integer(allow_none=True, metadata={"description": "null where withheld"})


class ReportResponse(Schema):
    division_code = fields.String()
    division_name = fields.String()
    month = fields.String(metadata={"pattern": MONTH, "example": "2016-04"})
    version = fields.Integer(metadata={"description": "of the report as it was issued last"})
    as_of = fields.AwareDateTime(format="iso")
    rows = fields.List(fields.Nested(RowResponse))
    spent = fields.List(fields.Nested(SpentResponse))


@bp.route("/<string:division_code>/report")
class DistrictReport(MethodView):
    @requires("district_officer", "operator", "auditor", within=DIVISION)
    @bp.arguments(ReportQuery, location="query")
    @bp.response(200, ReportResponse)
    def get(self, query: dict[str, Any], division_code: str) -> Any:
        """Activities by town and behaviour, as the month's report was issued last.

        Cells that could show a resident are withheld; more is at `/reports/{period}`.
        """
        now = datetime.now(UTC)
        return services().database.transact(
            lambda session: report(session, division_code, query["month"], now=now)
        )
