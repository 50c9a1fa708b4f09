"""District reports as they were issued: listed, read, and downloaded in five formats."""

from datetime import UTC
from typing import Any

from flask import Response, abort
from flask.views import MethodView
from marshmallow import Schema, fields, validate

from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.wire import Cursor
from service.auth import requires
from service.authorisation import DIVISION
from service.districts.models import DistrictReport
from service.districts.rendering import formats as rendering
from service.districts.rendering.html import content_security_policy
from service.districts.rendering.model import Language
from service.districts.reports import issued
from service.districts.reports.contents import decoded
from service.language import language
from service.services import services

READERS = ("district_officer", "operator", "auditor")
_VERSION_MAX = 1_000_000
_FILE = {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4…"}
_MARK = "— "  # Before each signature of a signed note.

bp = Blueprint(
    "report_files",
    __name__,
    url_prefix="/v1/districts/<string:division_code>/reports",
    description="区县报告 · District reports as issued",
)


class ReportsQuery(Schema):
    cursor = Cursor(("number",), metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class VersionQuery(Schema):
    version = fields.Integer(
        validate=validate.Range(1, _VERSION_MAX),
        metadata={"description": "without it, the latest"},
    )


class IssuedReportResponse(Schema):
    division_code = fields.String()
    period = fields.String(metadata={"example": "2026-10"})
    version = fields.Integer()
    as_of = fields.AwareDateTime(format="iso")
    log_size = fields.Integer(
        metadata={"description": "how many transfers of the log had been summed"}
    )
    issued_at = fields.AwareDateTime(format="iso")
    issued_by = fields.String(metadata={"example": "job:issue_reports"})
    reason = fields.String(
        allow_none=True, metadata={"description": "why there is another version; null: the first"}
    )
    content_sha256 = fields.Function(
        lambda one: one.content_sha256.hex(),
        metadata={"type": "string", "description": "of the canonical JSON, in hex"},
    )


class IssuedReportsResponse(Schema):
    reports = fields.List(fields.Nested(IssuedReportResponse))
    next_cursor = Cursor(("number",), allow_none=True)


class WholeReportResponse(IssuedReportResponse):
    signature = fields.String(
        metadata={
            "description": "C2SP signed note by the log's key, over period, version and hash",
            "example": "tanhui district report\n310118 2026-10 v1\n9f86…\n\n— example.org Az3g…\n",
        }
    )
    content = fields.Function(
        lambda one: decoded(one.content),
        metadata={
            "type": "object",
            "description": "see docs/districts.md",
            "example": {"format": "tanhui district report 1", "kind": "month"},
        },
    )


@bp.route("")
class Reports(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(ReportsQuery, location="query")
    @bp.response(200, IssuedReportsResponse)
    def get(self, query: dict[str, Any], division_code: str) -> dict[str, Any]:
        """The latest version of each period that was issued, the latest period first."""
        before = query["cursor"][0] if "cursor" in query else None
        limit = query["limit"]
        found = services().database.transact(
            lambda session: issued.listed(session, division_code, before=before, limit=limit + 1)
        )
        shown = found[:limit]
        return {
            "reports": shown,
            "next_cursor": (shown[-1].place,) if len(found) > limit else None,
        }


@bp.route("/<string:period>")
class OneReport(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(VersionQuery, location="query")
    @bp.response(200, WholeReportResponse)
    def get(self, query: dict[str, Any], division_code: str, period: str) -> Any:
        """A report with its content, hash and signature."""
        return _found(division_code, period, query.get("version"))


@bp.route("/<string:period>.<string:shape>")
class ReportFile(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(VersionQuery, location="query")
    @bp.doc(
        responses={
            "200": {
                "description": "the file; its content’s `Report-SHA256`, `Report-Signature`",
                "content": {
                    media.partition(";")[0]: _FILE for media in rendering.MEDIA_TYPES.values()
                },
            }
        }
    )
    @bp.alt_response(404, schema=ProblemResponse)
    def get(self, query: dict[str, Any], division_code: str, period: str, shape: str) -> Response:
        """A report as a file: `pdf`, `xlsx`, `csv`, `html` or `json`, always the same bytes.

        PDF, workbook and HTML come by Accept-Language.
        """
        if shape not in rendering.MEDIA_TYPES:
            abort(404)
        found = _found(division_code, period, query.get("version"))
        tongue: Language = "en" if language() == "en" else "zh-CN"
        report = rendering.Issued.of(found)
        answer = Response(
            rendering.render(report, shape, tongue), content_type=rendering.MEDIA_TYPES[shape]
        )
        name = rendering.file_name(decoded(found.content), shape, tongue)
        shown = "inline" if shape == "html" else "attachment"
        answer.headers["Content-Disposition"] = f'{shown}; filename="{name}"'
        answer.headers["Report-SHA256"] = report.sha256
        answer.headers["Report-Signature"] = _signatures(report.signature)
        answer.last_modified = found.issued_at.astimezone(UTC)
        if shape == "html":
            answer.headers["Content-Security-Policy"] = content_security_policy()
        return answer


def _found(division_code: str, period: str, version: int | None) -> DistrictReport:
    return services().database.transact(
        lambda session: issued.get(session, division_code, period, version)
    )


def _signatures(note: str) -> str:
    """``name base64`` of each signature, without the dash that a header cannot carry."""
    told = [line.removeprefix(_MARK) for line in note.splitlines() if line.startswith(_MARK)]
    return ", ".join(told)
