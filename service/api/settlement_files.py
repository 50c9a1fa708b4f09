"""Settlements as files: every line as CSV or as a workbook, and a merchant's own file held against
ours.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Response, request
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.models import Merchant
from rewards.settling.drafting import Key, get_settlement
from rewards.settling.periods import Period
from rewards.settling.reconciling import KINDS, Ours, of_period, of_settlement
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.settlements import KEY_SCOPE, READERS, SettlementRequest
from service.auth import requires
from service.authorisation import MERCHANT
from service.language import language
from service.services import services
from service.settling import as_csv, as_workbook, exporting, files
from service.settling.drafts import zone_of

bp = Blueprint(
    "settlement_files",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>",
    description="结算文件 · Settlements as files",
)
_SETTLEMENT = "/settlements/<uuid:settlement_id>"
_CHUNK_BYTES = 256 * 1024


def _file(media_type: str, example: str) -> dict[str, Any]:
    content = {"schema": {"type": "string", "format": "binary"}, "example": example}
    return {"200": {"description": "the file", "content": {media_type: content}}}


class CsvQuery(Schema):
    bom = fields.Boolean(
        load_default=True,
        metadata={"description": "a byte order mark, by which Excel knows UTF-8"},
    )
    facts = fields.Boolean(
        load_default=True,
        metadata={"description": "the settlement's own facts above the lines"},
    )


class SettlementReconciliationQuery(Schema):
    format = fields.String(
        load_default="json",
        validate=validate.OneOf(("json", "csv")),
        metadata={"description": "csv: all that differs"},
    )


class PeriodReconciliationQuery(SettlementReconciliationQuery, SettlementRequest):
    """Of the days when things took place, settled or not."""


class FindingResponse(Schema):
    kind = fields.String(metadata={"description": ", ".join(KINDS)})
    line = fields.Integer(
        allow_none=True, metadata={"description": "of the file; null: not in the file"}
    )
    consumption_id = fields.UUID(
        allow_none=True, metadata={"description": "null: a code that was not taken here"}
    )
    theirs_fen = fields.Integer(allow_none=True)
    ours_fen = fields.Integer(allow_none=True)
    theirs_at = fields.AwareDateTime(format="iso", allow_none=True)
    ours_at = fields.AwareDateTime(format="iso", allow_none=True)
    times = fields.Integer(metadata={"description": "how often it is in the file"})


class SettlementReconciliationResponse(Schema):
    lines = fields.Integer(metadata={"description": "of the file"})
    alike = fields.Integer(metadata={"description": "consumptions that do not differ"})
    theirs_fen = fields.Integer(metadata={"description": "sum of the file"})
    ours_fen = fields.Integer(metadata={"description": "sum of our consumptions"})
    differing = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "how many, by kind: " + ", ".join(KINDS)},
    )
    findings = fields.List(
        fields.Nested(FindingResponse),
        metadata={"description": f"the first {files.FIRST_FINDINGS}; `format=csv` has all"},
    )


_STATEMENT = {
    "description": "CSV with a heading: `consumption_id` or `code`, `consumed_at` (with its offset,"
    " or local), `amount_fen` or `amount_yuan`; UTF-8 or GB 18030; up to 64 MiB",
    "required": True,
    "content": {
        "text/csv": {
            "schema": {"type": "string"},
            "example": "consumption_id,consumed_at,amount_yuan\n"
            "0f8fad5b-d9cb-469f-a165-70867728950e,2026-11-20T08:10:00+08:00,12.50\n",
        }
    },
}


@bp.route(f"{_SETTLEMENT}/lines.csv")
class LinesAsCsv(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.arguments(CsvQuery, location="query")
    @bp.doc(responses=_file("text/csv", ",".join(as_csv.COLUMNS)))
    @bp.alt_response(409, schema=ProblemResponse)
    def get(self, query: dict[str, bool], merchant_id: UUID, settlement_id: UUID) -> Response:
        """Every line as CSV."""
        database, key = services().database, Key(merchant_id, settlement_id)
        about = database.transact(lambda session: exporting.read(session, key))
        content = as_csv.csv_of(database, about, bom=query["bom"], with_facts=query["facts"])
        return _download(content, as_csv.MEDIA_TYPE, f"{about.name}.csv")


@bp.route(f"{_SETTLEMENT}/lines.xlsx")
class LinesAsWorkbook(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.doc(responses=_file(as_workbook.MEDIA_TYPE, "PK…"))
    @bp.alt_response(409, schema=ProblemResponse)
    def get(self, merchant_id: UUID, settlement_id: UUID) -> Response:
        """The sums and every line as a workbook for Excel, by Accept-Language.

        Of 100,000 lines at most; `lines.csv` has any number.
        """
        database, key = services().database, Key(merchant_id, settlement_id)
        about = database.transact(lambda session: exporting.read(session, key))
        as_workbook.refuse_unasked(about)
        file = as_workbook.workbook_of(database, about, english=language() == "en")
        answer = _download(files.chunks(file), as_workbook.MEDIA_TYPE, f"{about.name}.xlsx")
        answer.call_on_close(file.close)
        return answer


@bp.route(f"{_SETTLEMENT}/reconciliation")
class OfSettlement(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.arguments(SettlementReconciliationQuery, location="query")
    @bp.doc(requestBody=_STATEMENT)
    @bp.response(200, SettlementReconciliationResponse)
    @bp.alt_response(422, schema=ProblemResponse)
    def post(self, query: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Any:
        """Hold a merchant's file against the settlement's lines. Nothing is kept."""
        key = Key(merchant_id, settlement_id)

        def ours(session: Session) -> tuple[Ours, ZoneInfo]:
            found = get_settlement(session, key)
            return of_settlement(key), zone_of(session, found.programme_holder_id)

        return _compared(ours, query["format"])


@bp.route("/reconciliation")
class OfPeriod(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.arguments(PeriodReconciliationQuery, location="query")
    @bp.doc(requestBody=_STATEMENT)
    @bp.response(200, SettlementReconciliationResponse)
    @bp.alt_response(422, schema=ProblemResponse)
    def post(self, query: dict[str, Any], merchant_id: UUID) -> Any:
        """Hold a merchant's file against what took place in a period. Nothing is kept."""

        def ours(session: Session) -> tuple[Ours, ZoneInfo]:
            merchant = session.get_one(Merchant, merchant_id)
            zone = zone_of(session, merchant.programme_holder_id)
            period = Period(query["period_from"], query["period_to"], zone)
            return of_period(merchant_id, period), zone

        return _compared(ours, query["format"])


def _compared(ours: Callable[[Session], tuple[Ours, ZoneInfo]], shape: str) -> Any:
    database, codes = services().database, services().codes
    with _body() as file:
        found = files.report(database, file, ours, codes=codes)
    if shape == "csv":
        return _download(files.chunks(found.file), as_csv.MEDIA_TYPE, "reconciliation.csv")
    found.file.close()
    summary = found.summary
    return {
        "lines": summary.lines,
        "alike": summary.alike,
        "theirs_fen": summary.theirs_fen,
        "ours_fen": summary.ours_fen,
        "differing": {kind: summary.differing[kind] for kind in KINDS},
        "findings": found.findings,
    }


@contextmanager
def _body() -> Iterator[IO[bytes]]:
    """The file that was sent, beside the memory where it is long."""
    request.max_content_length = files.FILE_MAX_BYTES
    with tempfile.SpooledTemporaryFile(files.IN_MEMORY_BYTES) as spool:
        while chunk := request.stream.read(_CHUNK_BYTES):
            spool.write(chunk)
        yield cast(IO[bytes], spool)


def _download(content: Iterator[bytes], media_type: str, name: str) -> Response:
    answer = Response(content, content_type=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
