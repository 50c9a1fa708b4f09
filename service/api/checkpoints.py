"""The auditor's view of the log: its checkpoints, and that each continues those before."""

from typing import Any

from flask.views import MethodView
from marshmallow import RAISE, Schema, fields, validate

from ledgers.log.growing import Continuation, checkpoints, continuation
from ledgers.models import LogCheckpoint
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.wire import Cursor
from service.auth import requires
from service.authorisation import EVERYWHERE
from service.services import services

bp = Blueprint(
    "checkpoints",
    __name__,
    url_prefix="/v1/audit/checkpoints",
    description="检查点 · Checkpoints of the log",
)
_PLACE = ("size",)
_SIZE_MAX = 2**53
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$", "example": 16 * "9f86"}


class CheckpointsQuery(Schema):
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class ConsistencyQuery(Schema):
    older_size = fields.Integer(
        required=True,
        validate=validate.Range(0, _SIZE_MAX),
        metadata={"description": "leaves of the older checkpoint", "example": 100},
    )
    newer_size = fields.Integer(
        required=True,
        validate=validate.Range(0, _SIZE_MAX),
        metadata={"description": "leaves of the newer one", "example": 200},
    )


class CheckpointResponse(Schema):
    size = fields.Integer(metadata={"description": "number of leaves"})
    root = fields.Function(
        lambda row: row.root.hex(), metadata=_HASH | {"description": "of the tree over them"}
    )
    note = fields.String(
        metadata={
            "description": "a C2SP signed note, as it was published",
            "example": "tanhui.example/log\n20\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        }
    )
    sealed_at = fields.AwareDateTime(format="iso")


class CheckpointsResponse(Schema):
    checkpoints = fields.List(fields.Nested(CheckpointResponse))
    next_cursor = Cursor(_PLACE, allow_none=True)


class ConsistencyResponse(Schema):
    older = fields.Nested(CheckpointResponse)
    newer = fields.Nested(CheckpointResponse)
    proof = fields.Function(
        lambda found: [one.hex() for one in found.hashes],
        metadata={
            "type": "array",
            "items": _HASH,
            "description": "RFC 9162, 2.1.4: from the older root to the newer",
        },
    )


@bp.route("")
class Checkpoints(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(CheckpointsQuery, location="query", unknown=RAISE)
    @bp.response(200, CheckpointsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The published checkpoints of the log, the newest first."""
        limit, size = query["limit"], services().log.published_size()
        (below,) = query.get("cursor", (None,))
        rows = services().database.transact(
            lambda session: checkpoints(session, size, below=below, limit=limit + 1)
        )
        more: LogCheckpoint | None = rows[limit - 1] if len(rows) > limit else None
        return {"checkpoints": rows[:limit], "next_cursor": more.size if more else None}


@bp.route("/consistency")
class Consistency(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(ConsistencyQuery, location="query", unknown=RAISE)
    @bp.response(200, ConsistencyResponse)
    @bp.alt_response(404, schema=ProblemResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    def get(self, query: dict[str, Any]) -> Continuation:
        """What shows that the log of one checkpoint continues the log of an older one."""
        folder, size = services().log.folder, services().log.published_size()
        return services().database.transact(
            lambda session: continuation(session, folder, size, **query)
        )
