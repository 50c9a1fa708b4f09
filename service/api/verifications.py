"""A verifier says that a resident's real name was checked; what it saw stays with the verifier."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields

from service.api.consents import Flag
from service.api.resources import Blueprint
from service.api.wire import Instant
from service.auth import caller, requires
from service.identity.real_names import Word, say
from service.services import services

bp = Blueprint(
    "verifications", __name__, url_prefix="/v1/verifications", description="实名核验 · Real names"
)


class VerificationRequest(Schema):
    holder_id = fields.UUID(required=True, metadata={"description": "the resident's app has it"})
    verified_at = Instant(required=True, metadata={"description": "when the verifier decided"})
    verified = Flag(
        load_default=True, metadata={"description": "false withdraws what the verifier said"}
    )


class VerificationResponse(Schema):
    holder_id = fields.UUID()
    verified = fields.Boolean(metadata={"description": "by whichever verifier"})


@bp.route("/<uuid:verification_id>")
class Verification(MethodView):
    @requires(key_scope="real_names")
    @bp.arguments(VerificationRequest)
    @bp.response(200, VerificationResponse)
    def put(self, body: dict[str, Any], verification_id: UUID) -> dict[str, Any]:
        """Set or withdraw a resident's real-name status; the latest `verified_at` counts.

        The same again changes nothing; one that is earlier than what was said is refused.
        """
        word = Word(body["holder_id"], caller().scope, body["verified_at"], body["verified"])
        now = datetime.now(UTC)
        verified = services().database.transact(lambda session: say(session, word, now=now))
        return {"holder_id": word.holder_id, "verified": verified}
