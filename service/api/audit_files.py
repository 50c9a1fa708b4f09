"""The journal as files: postings and transfers as CSV, by the same filters, however many."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Response, stream_with_context
from flask.views import MethodView
from marshmallow import RAISE, Schema, fields

from service.api.audit import FilterQuery, MovesQuery, heads_of, moves_of
from service.api.resources import Blueprint
from service.audits import as_csv
from service.auth import requires
from service.authorisation import EVERYWHERE
from service.services import services

bp = Blueprint(
    "audit_files",
    __name__,
    url_prefix="/v1/audit",
    description="审计导出 · The journal as files",
)


class _Bom(Schema):
    bom = fields.Boolean(
        load_default=True,
        metadata={"description": "a byte order mark, by which Excel knows UTF-8"},
    )


class PostingsCsvQuery(FilterQuery, _Bom):
    """Which postings."""


class TransfersCsvQuery(MovesQuery, _Bom):
    """Which transfers."""


def _file(columns: tuple[str, ...]) -> dict[str, Any]:
    content = {"schema": {"type": "string", "format": "binary"}, "example": ",".join(columns)}
    return {"200": {"description": "the file", "content": {"text/csv": content}}}


@bp.route("/postings.csv")
class PostingsCsv(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(PostingsCsvQuery, location="query", unknown=RAISE)
    @bp.doc(responses=_file(as_csv.POSTINGS))
    def get(self, query: dict[str, Any]) -> Response:
        """Postings as CSV, the newest first, of those recorded by now."""
        query.setdefault("until", datetime.now(UTC))  # It ends, however much is being written.
        content = as_csv.postings(
            services().database, heads_of(query), moves_of(query), bom=query["bom"]
        )
        return _download(content, "postings.csv")


@bp.route("/transfers.csv")
class TransfersCsv(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(TransfersCsvQuery, location="query", unknown=RAISE)
    @bp.doc(responses=_file(as_csv.TRANSFERS))
    def get(self, query: dict[str, Any]) -> Response:
        """Transfers as CSV, the newest first, of postings recorded by now."""
        query.setdefault("until", datetime.now(UTC))
        content = as_csv.transfers(
            services().database,
            heads_of(query),
            moves_of(query),
            holder_id=query.get("holder_id"),
            bom=query["bom"],
        )
        return _download(content, "transfers.csv")


def _download(content: Iterator[bytes], name: str) -> Response:
    answer = Response(stream_with_context(content), content_type=as_csv.MEDIA_TYPE)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
