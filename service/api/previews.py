"""A clerk looks at a code before taking it."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from rewards.tills.previewing import preview
from service.api.consumptions import ConsumptionRequest
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.auth import caller_merchant_id, requires
from service.authorisation import MERCHANT_ROLES, OWN_MERCHANT
from service.language import Text, chosen
from service.services import services
from service.tills import guesses

bp = Blueprint(
    "previews", __name__, url_prefix="/v1/consumptions", description="看券 · Vouchers looked at"
)


class PreviewRequest(ConsumptionRequest):
    """As it would be taken."""


class PreviewResponse(Schema):
    offer_id = fields.UUID()
    version = fields.Integer(metadata={"description": "of the offer: the terms that hold"})
    title = fields.Function(
        lambda found: chosen(Text(found.title_zh, found.title_en)), metadata={"type": "string"}
    )
    expires_at = fields.AwareDateTime(format="iso", allow_none=True)


@bp.route("/preview")
class Preview(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.arguments(PreviewRequest)
    @bp.response(200, PreviewResponse)
    @bp.alt_response(404, schema=ProblemResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    @bp.alt_response(410, schema=ProblemResponse)
    def post(self, body: dict[str, Any]) -> Any:
        """Look at what a code would give, or why not, without taking it.

        Nothing is kept, and nobody is held up: another till may take it before this one does. A
        wrong code counts as one that was sent to be taken.
        """
        merchant_id, now, codes = caller_merchant_id(), datetime.now(UTC), services().codes

        def look(session: Session) -> Any:
            return preview(session, merchant_id=merchant_id, codes=codes, now=now, **body)

        return guesses.guarded(merchant_id, lambda: services().database.transact(look), now=now)
