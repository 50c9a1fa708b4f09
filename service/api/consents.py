"""A resident's consents, by scene: given, withdrawn, and never deleted."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy.orm import Session

from activities.consents import give, history, withdraw
from activities.models import Consent
from service.api.resources import Blueprint
from service.auth import acting_name, caller_holder_id, requires
from service.services import services

bp = Blueprint("consents", __name__, url_prefix="/v1/consents", description="授权 · Consents")
RESIDENT = "resident"  # The actor of what residents do themselves.
VERSION_MAX = 2**31 - 1


class Flag(fields.Boolean):
    """true or false: a consent is nothing to be guessed from "yes" or 1."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class ConsentRequest(Schema):
    """``text_version`` is the version of the text that the resident read."""

    given = Flag(required=True, metadata={"description": "false: withdraw it"})
    text_version = fields.Integer(
        strict=True,
        validate=validate.Range(1, VERSION_MAX),
        metadata={"description": "of the text that the resident read; needed to give consent"},
    )

    @validates_schema
    def _of_a_text(self, body: dict[str, Any], **_: Any) -> None:
        if body.get("given") and "text_version" not in body:
            raise ValidationError("Missing data for required field.", "text_version")


class ConsentResponse(Schema):
    scene = fields.String()
    given = fields.Boolean(metadata={"description": "whether it is given now"})
    text_version = fields.Integer(allow_none=True)
    given_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "acts that start from then on"}
    )
    withdrawn_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "acts that start before then"}
    )


class ConsentsResponse(Schema):
    consents = fields.List(fields.Nested(ConsentResponse))


@bp.route("")
class Consents(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, ConsentsResponse)
    def get(self) -> dict[str, Any]:
        """All my consents, withdrawn ones too, the newest first."""
        holder_id = caller_holder_id()
        found = services().database.transact(lambda session: history(session, holder_id))
        return {"consents": [_told(each.scene_code, each) for each in found]}


@bp.route("/<string:scene>")
class OneConsent(MethodView):
    @requires("resident")
    @bp.arguments(ConsentRequest)
    @bp.response(200, ConsentResponse)
    def put(self, body: dict[str, Any], scene: str) -> dict[str, Any]:
        """Give or withdraw my consent to a scene, for acts that start from now on.

        Sending it again changes nothing. Consent is to the text version that the scene shows; a
        new text needs it anew.
        """
        now, holder_id = datetime.now(UTC), caller_holder_id()
        who = acting_name() or RESIDENT

        def put(session: Session) -> dict[str, Any]:
            if not body["given"]:
                return _told(scene, withdraw(session, holder_id, scene, now=now))
            version = body["text_version"]
            return _told(scene, give(session, holder_id, scene, version, now=now, actor=who))

        return services().database.transact(put)


def _told(scene: str, consent: Consent | None) -> dict[str, Any]:
    return {
        "scene": scene,
        "given": consent is not None and consent.withdrawn_at is None,
        "text_version": consent and consent.text_version,
        "given_at": consent and consent.given_at,
        "withdrawn_at": consent and consent.withdrawn_at,
    }
