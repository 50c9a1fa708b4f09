"""Cards at the desk: one more for a resident, and the end of a lost one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from service import card_desk
from service.api.resources import Blueprint
from service.api.staff import CardNumber
from service.auth import actor, caller, requires
from service.authorisation import FOUND, HOLDER, reaches_holder
from service.card_desk import CardRequest
from service.identity import cards
from service.identity.errors import UnknownCard
from service.identity.outside_ids import Standing
from service.services import services

bp = Blueprint("cards", __name__, url_prefix="/v1/staff", description="居民卡 · Residents' cards")


class CardNumberRequest(Schema):
    card_number = CardNumber()


class CardResponse(Schema):
    holder_id = fields.UUID()


class BlockedCardResponse(Schema):
    holder_id = fields.UUID(metadata={"description": "whose card it was"})
    blocked_at = fields.AwareDateTime(format="iso", attribute="ended_at")


@bp.route("/residents/<uuid:holder_id>/cards/<uuid:request_id>")
class OneMoreCard(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(CardNumberRequest)
    @bp.response(201, CardResponse)
    def put(self, body: dict[str, Any], holder_id: UUID, request_id: UUID) -> dict[str, Any]:
        """Give a resident a second or a replacement card. The desk makes the id of the request.

        The same again changes nothing. A card that is another's, or was blocked, is refused.
        """
        now, by, keyring = datetime.now(UTC), actor(), services().keyring
        wanted = CardRequest(request_id, body["card_number"])
        services().database.transact(
            lambda session: card_desk.give(session, keyring, wanted, holder_id, actor=by, now=now)
        )
        return {"holder_id": holder_id}


@bp.route("/card-blocks/<uuid:block_id>")
class CardBlock(MethodView):
    @requires("operator", within=FOUND)
    @bp.arguments(CardNumberRequest)
    @bp.response(201, BlockedCardResponse)
    def put(self, body: dict[str, Any], block_id: UUID) -> Standing:
        """Block a lost card, for good; the desk makes the id, and the same again changes nothing.

        From now on the card is unknown wherever it is shown.
        """
        now, by, keyring = datetime.now(UTC), actor(), services().keyring
        wanted = CardRequest(block_id, body["card_number"])

        def block(session: Session) -> Standing:
            """Anybody else's card is none that the caller knows."""
            found = cards.get_standing(session, keyring, wanted.number)
            if not reaches_holder(session, caller(), found.holder_id):
                raise UnknownCard
            return card_desk.block(session, keyring, wanted, actor=by, now=now)

        return services().database.transact(block)
