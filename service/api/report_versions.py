"""Issuing reports: a version is put once, and stays."""

from datetime import UTC, datetime
from typing import Any

from flask import abort
from flask.views import MethodView
from marshmallow import Schema

from service.api.report_files import IssuedReportResponse
from service.api.resources import Blueprint
from service.api.wire import Line
from service.auth import actor, requires
from service.authorisation import DIVISION
from service.districts.reports.acts import issue
from service.districts.reports.periods import period_of
from service.services import services

VERSION_MAX = 1_000_000

bp = Blueprint(
    "report_versions",
    __name__,
    url_prefix="/v1/districts/<string:division_code>/reports",
    description="区县报告 · District reports as issued",
)


class IssueRequest(Schema):
    reason = Line(
        length_max=300,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "why there is another version; null for the first",
            "example": "地铁数据方补传 10 月记录",
        },
    )


@bp.route("/<string:period>/versions/<int:version>")
class Version(MethodView):
    @requires("operator", "district_officer", within=DIVISION)
    @bp.arguments(IssueRequest)
    @bp.response(200, IssuedReportResponse)
    def put(self, body: dict[str, Any], division_code: str, period: str, version: int) -> Any:
        """Issue a district's report of a month, quarter or year; the same again changes nothing.

        Version 1 first; another, with its reason, when something changed that may be told.
        """
        try:
            name = period_of(period).name
        except ValueError:
            abort(404)
        if not 1 <= version <= VERSION_MAX:
            abort(404)
        who, log, now = actor(), services().log, datetime.now(UTC)
        return services().database.transact(
            lambda session: issue(
                session, who, log, division_code, name, now=now, version=version, **body
            )
        )
