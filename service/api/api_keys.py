"""Keys of merchants' systems and of verifiers, kept by administrators."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.wire import Code, IdCursor, Instant, Line
from service.api_keys import keys
from service.api_keys.models import ApiKey
from service.api_keys.uses import last_uses
from service.auth import actor, requires
from service.authorisation import EVERYWHERE
from service.services import services

bp = Blueprint(
    "api_keys", __name__, url_prefix="/v1/api-keys", description="接口密钥 · Keys of systems"
)
_SCOPES = sorted(set().union(*keys.SCOPES.values()))


class ApiKeyRequest(Schema):
    owner_kind = fields.String(required=True, validate=validate.OneOf(sorted(keys.SCOPES)))
    owner = Code(
        required=True, metadata={"description": "the merchant's id, or the verifier's name"}
    )
    name = Line(length_max=100, required=True, metadata={"example": "收银系统 2026"})
    scopes = fields.List(
        fields.String(validate=validate.OneOf(_SCOPES)),
        required=True,
        validate=validate.Length(1, 8),
        metadata={"description": "merchant: `consumptions`; verifier: `real_names`"},
    )
    expires_at = Instant(metadata={"description": "two years away at most; absent: in a year"})


class ApiKeyResponse(Schema):
    id = fields.UUID()
    owner_kind = fields.String()
    owner = fields.String()
    name = fields.String()
    scopes = fields.List(fields.String())
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()
    expires_at = fields.AwareDateTime(format="iso")
    retired_at = fields.AwareDateTime(format="iso", allow_none=True)
    last_used_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "to the minute"}
    )


class MadeApiKeyResponse(ApiKeyResponse):
    key = fields.String(
        allow_none=True,
        metadata={"description": "for `Authorization: Bearer`; null: made over ten minutes ago"},
    )


class ApiKeysResponse(Schema):
    keys = fields.List(fields.Nested(ApiKeyResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class ApiKeys(MethodView):
    @requires("administrator", within=EVERYWHERE)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ApiKeysResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """All keys, those retired or over too; no secrets."""
        limit, after = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = keys.listed(session, after=after, limit=limit + 1)
            shown = rows[:limit]
            used = last_uses(session, [each.id for each in shown])
            return {
                "keys": [_told(each, used.get(each.id)) for each in shown],
                "next_cursor": shown[-1].id if len(rows) > limit else None,
            }

        return services().database.transact(page)


@bp.route("/<uuid:key_id>")
class OneApiKey(MethodView):
    @requires("administrator", within=EVERYWHERE)
    @bp.arguments(ApiKeyRequest)
    @bp.response(200, MadeApiKeyResponse)
    def put(self, body: dict[str, Any], key_id: UUID) -> dict[str, Any]:
        """Make a key. The same again changes nothing, and tells it again for ten minutes."""
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        new = keys.NewKey(
            key_id,
            body["owner_kind"],
            body["owner"],
            body["name"],
            tuple(body["scopes"]),
            body.get("expires_at"),
        )

        def work(session: Session) -> dict[str, Any]:
            made = keys.make(session, keyring, new, actor=who, now=now)
            used = last_uses(session, [key_id]).get(key_id)
            return _told(made.key, used) | {"key": made.written}

        return services().database.transact(work)

    @requires("administrator", within=EVERYWHERE)
    @bp.response(200, ApiKeyResponse)
    def delete(self, key_id: UUID) -> dict[str, Any]:
        """End a key now; ended before, it stays as it was."""
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            key = keys.retire(session, key_id, actor=who, now=now)
            return _told(key, last_uses(session, [key_id]).get(key_id))

        return services().database.transact(work)


def _told(key: ApiKey, last_used_at: datetime | None) -> dict[str, Any]:
    names = ("id", "owner_kind", "owner", "name", "scopes", "made_at", "made_by")
    return {name: getattr(key, name) for name in names} | {
        "expires_at": key.expires_at,
        "retired_at": key.retired_at,
        "last_used_at": last_used_at,
    }
