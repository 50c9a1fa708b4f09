"""What a district's plans want, and what its staff report: one value at a time, or a file."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields, validate

from service.api.report_files import READERS
from service.api.resources import Blueprint
from service.api.wire import Code, Cursor, Line
from service.auth import actor, requires
from service.authorisation import DIVISION
from service.districts.plans import acts as reported_acts
from service.districts.plans import files as reported_files
from service.districts.plans import indicators, reported
from service.districts.plans.targets import UNITS
from service.districts.plans.thousandths import VALUE_MAX
from service.districts.spans import PATTERN
from service.services import services

STAFF = ("district_officer", "operator")
_MOST = VALUE_MAX * 1000
_THOUSANDTHS = {"description": "in thousandths of the unit: 44.6 % is 44600", "example": 44_600}
_SOURCE = {"example": "青浦区绿化和市容管理局 2026 年三季度统计"}

bp = Blueprint(
    "reported_values",
    __name__,
    url_prefix="/v1/districts/<string:division_code>",
    description="规划目标与填报 · Plan targets and reported values",
)


class ReportedRequest(Schema):
    indicator = Code(required=True, metadata={"example": "waste_recycling_rate"})
    period = fields.String(
        required=True,
        validate=validate.Regexp(PATTERN.removesuffix("$") + r"\Z", error="Not a period."),
        metadata={"pattern": PATTERN, "example": "2026-Q3"},
    )
    value_thousandths = fields.Integer(
        required=True, strict=True, validate=validate.Range(-_MOST, _MOST), metadata=_THOUSANDTHS
    )
    unit = fields.String(
        required=True, validate=validate.OneOf(UNITS), metadata={"description": "the indicator’s"}
    )
    source = Line(
        length_max=reported.SOURCE_MAX,
        required=True,
        metadata=_SOURCE,
    )
    source_date = fields.Date(
        required=True, metadata={"description": "of the source", "example": "2026-10-15"}
    )


class ReportedResponse(Schema):
    id = fields.UUID()
    division_code = fields.String()
    indicator = fields.String(metadata={"example": "waste_recycling_rate"})
    period = fields.String(metadata={"example": "2026-Q3"})
    value_thousandths = fields.Integer(metadata=_THOUSANDTHS)
    unit = fields.String(metadata={"example": "%"})
    source = fields.String(metadata=_SOURCE)
    source_date = fields.Date()
    entered_by = fields.String(metadata={"example": "li.na"})
    entered_at = fields.AwareDateTime(format="iso")


class ReportedQuery(Schema):
    indicator = Code(metadata={"description": "only this one"})
    cursor = Cursor(("at", "id"), metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class ReportedsResponse(Schema):
    reported_values = fields.List(fields.Nested(ReportedResponse))
    next_cursor = Cursor(("at", "id"), allow_none=True)


class ReportedFileResponse(Schema):
    id = fields.UUID()
    lines = fields.Integer(metadata={"description": "how many values were entered"})


class ReportableIndicatorResponse(Schema):
    code = fields.String(metadata={"example": "waste_recycling_rate"})
    name_zh = fields.String()
    name_en = fields.String()
    unit = fields.String(metadata={"example": "%"})


class ReportableIndicatorsResponse(Schema):
    indicators = fields.List(fields.Nested(ReportableIndicatorResponse))


class ReportedPointResponse(Schema):
    period = fields.String(metadata={"example": "2026-Q3"})
    value_thousandths = fields.Integer(metadata=_THOUSANDTHS)


class ReportedLatestResponse(ReportedPointResponse):
    source = fields.String(metadata=_SOURCE)
    source_date = fields.String(metadata={"format": "date"})


class PlanTargetResponse(Schema):
    plan = fields.String(metadata={"example": "上海市青浦区碳达峰实施方案（青府发〔2022〕64号）"})
    clause = fields.String(allow_none=True, metadata={"example": "第三章第二节"})
    issued_on = fields.String(allow_none=True, metadata={"format": "date"})
    indicator = fields.String(metadata={"example": "waste_recycling_rate"})
    name_zh = fields.String()
    name_en = fields.String()
    year = fields.Integer(metadata={"description": "by whose end it is to be met"})
    comparison = fields.String(metadata={"description": ">=, >, <= or <", "example": ">="})
    target_thousandths = fields.Integer(metadata=_THOUSANDTHS)
    unit = fields.String(metadata={"example": "%"})
    state = fields.String(metadata={"description": "met, on_the_way, behind or no_value"})
    gap_thousandths = fields.Integer(
        allow_none=True, metadata={"description": "what it lacks; 0 where met, null: no value"}
    )
    latest = fields.Nested(ReportedLatestResponse, allow_none=True)
    trend = fields.List(fields.Nested(ReportedPointResponse))
    sentence_zh = fields.String(
        metadata={
            "example": "2026-Q3 填报 44.6%；目标为 2026 年不低于 45%，推进中，差 0.4 个百分点。"
        }
    )
    sentence_en = fields.String(
        metadata={
            "example": "44.6% reported for 2026-Q3; the target is at least 45% in 2026: on the way,"
            " 0.4 percentage points short."
        }
    )


class PlanTargetsResponse(Schema):
    targets = fields.List(fields.Nested(PlanTargetResponse))


@bp.route("/targets")
class Targets(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.response(200, PlanTargetsResponse)
    def get(self, division_code: str) -> dict[str, Any]:
        """What the division's plans want, and how reported values stand against it today."""
        now = datetime.now(UTC)
        found = services().database.transact(
            lambda session: indicators.targets(session, division_code, as_of=now)
        )
        return {"targets": found}


@bp.route("/indicators")
class Indicators(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.response(200, ReportableIndicatorsResponse)
    def get(self, division_code: str) -> dict[str, Any]:
        """What can be reported, with its unit."""
        found = services().database.transact(reported.indicators)
        return {"indicators": list(found.values())}


@bp.route("/reported-values")
class ReportedValues(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(ReportedQuery, location="query")
    @bp.response(200, ReportedsResponse)
    def get(self, query: dict[str, Any], division_code: str) -> dict[str, Any]:
        """What was reported of the division and those below it, the latest entry first."""
        limit = query["limit"]
        found = services().database.transact(
            lambda session: reported.entered(
                session,
                division_code,
                indicator=query.get("indicator"),
                after=query.get("cursor"),
                limit=limit + 1,
            )
        )
        shown = found[:limit]
        last = shown[-1] if len(found) > limit else None
        return {
            "reported_values": shown,
            "next_cursor": None if last is None else (last.entered_at, last.id),
        }


@bp.route("/reported-values/<uuid:value_id>")
class OneReportedValue(MethodView):
    @requires(*STAFF, within=DIVISION)
    @bp.arguments(ReportedRequest)
    @bp.response(201, ReportedResponse)
    def put(self, body: dict[str, Any], division_code: str, value_id: UUID) -> Any:
        """Report one value; the one entered last counts. The same again is a retry."""
        now, who = datetime.now(UTC), actor()
        new = reported.NewValue(id=value_id, division_code=division_code, **body)
        return services().database.transact(
            lambda session: reported_acts.enter_one(session, who, new, now=now)
        )


@bp.route("/reported-value-files/<uuid:file_id>")
class ReportedValueFile(MethodView):
    @requires(*STAFF, within=DIVISION)
    @bp.doc(
        requestBody={
            "description": "CSV; its first line names the columns"
            " `indicator,period,value,unit,source,source_date` and, if wanted, `division_code`"
            f" (the division or one below it). At most {reported_files.ROWS_MAX:,} rows and 1 MiB;"
            " UTF-8 or GB 18030.",
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "indicator,period,value,unit,source,source_date\n"
                    "waste_recycling_rate,2026-Q3,44.6,%,区绿化市容局统计,2026-10-15\n",
                }
            },
        }
    )
    @bp.response(201, ReportedFileResponse)
    def put(self, division_code: str, file_id: UUID) -> dict[str, Any]:
        """Report the values of a file, all or none; the same file under the same id is a retry.

        Each row that cannot be taken is named, with its column and why.
        """
        request.max_content_length = reported_files.FILE_BYTES_MAX
        now, who, content = datetime.now(UTC), actor(), request.get_data()
        entered = services().database.transact(
            lambda session: reported_acts.upload(
                session, who, division_code, file_id, content, now=now
            )
        )
        return {"id": file_id, "lines": len(entered)}
