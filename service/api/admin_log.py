"""The admin log, for who watches staff: administrators and auditors."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response, stream_with_context
from flask.views import MethodView
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from service.admin.models import AdminAct
from service.admin.reading import PAGE_MAX, Which, page, told, walk
from service.api.resources import Blueprint
from service.api.wire import Code, Cursor, Instant, Line
from service.auth import caller, requires
from service.authorisation import WHOLE_PROGRAMME, only_programme, sees_residents
from service.errors import WrongRole
from service.services import services

bp = Blueprint(
    "admin_log",
    __name__,
    url_prefix="/v1/admin-log",
    description="管理日志 · The admin log: what staff did, added to and never changed",
)
NDJSON = "application/x-ndjson"
_PLACE = ("id",)
_STATE = {"type": ["object", "null"], "additionalProperties": True}


class AdminLogExportQuery(Schema):
    actor = Line(length_max=200, metadata={"description": "the staff's login, or a command's name"})
    what = Code(metadata={"description": "as `correction.approve`"})
    object_kind = Code(metadata={"description": "as `correction`; with object_id"})
    object_id = Line(length_max=200, metadata={"description": "with object_kind"})
    holder_id = fields.UUID(metadata={"description": "acts about a resident; for auditors"})
    since = Instant()
    until = Instant(metadata={"description": "exclusive"})

    @validates_schema
    def _an_id_has_its_kind(self, query: dict[str, Any], **_: Any) -> None:
        if "object_id" in query and "object_kind" not in query:
            raise ValidationError("Send object_kind too.", "object_kind")


class AdminLogQuery(AdminLogExportQuery):
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX))


class AdminActResponse(Schema):
    id = fields.UUID(metadata={"description": "rises with the time"})
    acted_at = fields.AwareDateTime(format="iso")
    actor = fields.String()
    role = fields.String()
    programme = fields.String(metadata={"description": "of the object; *: of every one"})
    what = fields.String()
    object_kind = fields.String()
    object_id = fields.String(allow_none=True, metadata={"description": "null where withheld"})
    holder_id = fields.UUID(allow_none=True, metadata={"description": "the resident it is about"})
    before = fields.Raw(metadata=_STATE | {"description": "facts of the object; null: not there"})
    after = fields.Raw(metadata=_STATE | {"description": "likewise, after the act"})
    withheld = fields.Boolean(
        metadata={"description": "whether an administrator is not shown whom it is about and how"}
    )
    channel = fields.String(metadata={"description": "api or command"})
    from_address = fields.String(metadata={"description": "of a command: user@machine"})
    request_id = fields.String(metadata={"description": "of a command: empty"})


class AdminLogResponse(Schema):
    acts = fields.List(fields.Nested(AdminActResponse))
    next_cursor = Cursor(_PLACE, allow_none=True)


@bp.route("")
class AdminLog(MethodView):
    @requires("administrator", "auditor", within=WHOLE_PROGRAMME)
    @bp.arguments(AdminLogQuery, location="query", unknown=RAISE)
    @bp.response(200, AdminLogResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What staff did, the newest first: who, what, before and after, from where."""
        which, blind = _which(query), not sees_residents(caller())
        (before,) = query.get("cursor", (None,))
        found = services().database.transact(
            lambda session: page(session, which, before=before, limit=query["limit"])
        )
        return {
            "acts": [_shown(act, blind=blind) for act in found.acts],
            "next_cursor": found.next_before,
        }


@bp.route("/export")
class AdminLogExport(MethodView):
    @requires("administrator", "auditor", within=WHOLE_PROGRAMME)
    @bp.arguments(AdminLogExportQuery, location="query", unknown=RAISE)
    @bp.response(
        200, AdminActResponse, content_type=NDJSON, description="one act a line, oldest first"
    )
    def get(self, query: dict[str, Any]) -> Response:
        """The admin log as NDJSON, as long as it is."""
        query.setdefault("until", datetime.now(UTC))  # It ends, however much is being written.
        which, blind = _which(query), not sees_residents(caller())
        database = services().database

        def lines() -> Iterator[bytes]:
            for act in walk(database, which):
                yield msgspec.json.encode(_shown(act, blind=blind)) + b"\n"

        answer = Response(stream_with_context(lines()), content_type=NDJSON)
        answer.headers["Content-Disposition"] = 'attachment; filename="admin-log.ndjson"'
        return answer


def _which(query: dict[str, Any]) -> Which:
    of_one = "holder_id" in query or query.get("object_kind") == "resident"
    if of_one and not sees_residents(caller()):
        raise WrongRole
    names = ("actor", "what", "object_kind", "object_id", "holder_id", "since", "until")
    wanted = {name: query.get(name) for name in names}
    return Which(programme=only_programme(caller()), **wanted)


def _shown(act: AdminAct, *, blind: bool) -> dict[str, Any]:
    """An administrator sees no resident: of acts about one, that they were done, and by whom."""
    withheld = blind and act.holder_id is not None
    hidden = ["holder_id", "before", "after"] if withheld else []
    if withheld and act.object_id == str(act.holder_id):
        hidden.append("object_id")
    return {**told(act), **dict.fromkeys(hidden), "withheld": withheld}
