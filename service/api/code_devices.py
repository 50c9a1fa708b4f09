"""A resident's phones that show live codes at tills."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields

from rewards.models import CodeDevice
from rewards.tills import code_devices
from rewards.tills.live_codes import device_key
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import IdCursor, Line
from service.auth import IN_PERSON, caller_holder_id, requires
from service.services import services
from service.tills.live_codes import root_key

bp = Blueprint(
    "code_devices",
    __name__,
    url_prefix="/v1/code-devices",
    description="动态码手机 · Phones that show live codes",
)


class CodeDeviceRequest(Schema):
    name = Line(length_max=60, required=True, metadata={"example": "我的手机"})


class CodeDeviceResponse(Schema):
    id = fields.UUID()
    name = fields.String()
    made_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)


class MadeCodeDeviceResponse(CodeDeviceResponse):
    key = fields.String(
        allow_none=True,
        metadata={
            "description": "32 bytes in base64url without `=`, by which the phone makes its codes"
            " (docs/app.md); null: made over ten minutes ago"
        },
    )


class CodeDevicesResponse(Schema):
    code_devices = fields.List(fields.Nested(CodeDeviceResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class CodeDevices(MethodView):
    @requires("resident", acting=IN_PERSON)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, CodeDevicesResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """My phones that show codes, those that were signed off too; no keys."""
        holder_id, limit, after = caller_holder_id(), query["limit"], query.get("cursor")
        rows = services().database.transact(
            lambda s: code_devices.devices(s, holder_id, after=after, limit=limit + 1)
        )
        shown, next_cursor = cut(rows, limit)
        return {"code_devices": shown, "next_cursor": next_cursor}


@bp.route("/<uuid:device_id>")
class OneCodeDevice(MethodView):
    @requires("resident", acting=IN_PERSON, fresh=True)
    @bp.arguments(CodeDeviceRequest)
    @bp.response(200, MadeCodeDeviceResponse)
    def put(self, body: dict[str, str], device_id: UUID) -> dict[str, Any]:
        """Let a phone show codes; it makes the id. The same again tells its key for ten minutes."""
        holder_id, now = caller_holder_id(), datetime.now(UTC)
        device = services().database.transact(
            lambda s: code_devices.add_device(
                s, device_id, holder_id=holder_id, name=body["name"], now=now
            )
        )
        key = None
        if code_devices.tells_key(device, now):
            key = urlsafe_b64encode(device_key(root_key(), device_id)).rstrip(b"=").decode()
        return _told(device) | {"key": key}

    @requires("resident", acting=IN_PERSON)
    @bp.response(200, CodeDeviceResponse)
    def delete(self, device_id: UUID) -> dict[str, Any]:
        """Take no more codes of a phone; ended before, it stays as it was."""
        holder_id, now = caller_holder_id(), datetime.now(UTC)
        return _told(
            services().database.transact(
                lambda s: code_devices.end_device(s, device_id, holder_id=holder_id, now=now)
            )
        )


def _told(device: CodeDevice) -> dict[str, Any]:
    return {name: getattr(device, name) for name in ("id", "name", "made_at", "ended_at")}
