"""Redemptions: the resident's points for an offer."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.redeeming.cancelling import cancel
from rewards.redeeming.errors import NeedsGateway
from rewards.redeeming.listing import Standing, get_standing, page
from rewards.redeeming.redemption import Redeemed, check_sent, redeem
from rewards.redeeming.terms import DONATED_UNITS_MAX
from rewards.redeeming.top_up_errors import CardMissing
from service.api.conditional import conditional
from service.api.resources import Blueprint
from service.api.staff import CardNumber
from service.api.wire import Cursor
from service.auth import acting_name, caller_holder_id, requires
from service.buyers import buyer_of
from service.gateway.ordering import redeem_onto_card
from service.language import Text, chosen
from service.request_ids import request_id
from service.services import services

bp = Blueprint(
    "redemptions", __name__, url_prefix="/v1/redemptions", description="兑换 · Redemptions"
)
bp.after_request(conditional)


class RedemptionRequest(Schema):
    offer_id = fields.UUID(required=True)
    units = fields.Integer(
        strict=True,
        load_default=1,
        validate=validate.Range(1, DONATED_UNITS_MAX),
        metadata={"description": "1, but for a donation"},
    )
    price_points = fields.Integer(
        strict=True,
        validate=validate.Range(1, 1_000_000_000),
        metadata={
            "description": "of a unit, as it was shown: refused if it is another by now;"
            " left out: whatever it is"
        },
    )
    card_number = CardNumber(required=False, of="the card that a top-up is for, ")


class CancellationRequest(Schema):
    """Nothing: a redemption is cancelled whole."""


class _Redeemed(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    version = fields.Integer(metadata={"description": "of the offer, whose terms it keeps"})
    units = fields.Integer()
    spent_points = fields.Integer(metadata={"description": "whole points"})
    redeemed_at = fields.AwareDateTime(format="iso")
    state = fields.String(
        metadata={
            "description": "pending (a top-up on its way), done, failed, cancelled, expired,"
            " refunded"
        }
    )
    expires_at = fields.AwareDateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "until when the voucher is taken; null: no end, or no voucher"},
    )
    acted_by = fields.String(
        allow_none=True,
        metadata={
            "description": "`delegate:` or `guardian:` and who it was; `till:` and the merchant"
            " that handed it out; null: myself"
        },
    )


class NewRedemptionResponse(_Redeemed):
    voucher_code = fields.String(
        allow_none=True,
        metadata={"description": "what the merchant takes; null: a donation or a top-up"},
    )


class RedeemedFromResponse(Schema):
    id = fields.UUID()
    name = fields.String()


class RedemptionResponse(_Redeemed):
    kind = fields.String(metadata={"description": "voucher, pool_code, goods, top_up or donation"})
    title = fields.String(metadata={"description": "of the offer, as it was then"})
    merchant = fields.Nested(RedeemedFromResponse)
    voucher_state = fields.String(
        allow_none=True,
        metadata={
            "description": "unused, used, cancelled, expired, refunded, lapsed (with its owner's"
            " account); null: no voucher"
        },
    )
    used_at = fields.AwareDateTime(format="iso", allow_none=True)
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    returned_points = fields.Integer(metadata={"description": "what came back when it ended"})
    cancel_until = fields.AwareDateTime(
        format="iso",
        allow_none=True,
        metadata={"description": "until when I may cancel it, unused; null: not, or no longer"},
    )


class RedemptionsQuery(Schema):
    cursor = Cursor(("at", "id"), metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class RedemptionsResponse(Schema):
    redemptions = fields.List(fields.Nested(RedemptionResponse))
    next_cursor = Cursor(("at", "id"), allow_none=True)


@bp.route("")
class Redemptions(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(RedemptionsQuery, location="query")
    @bp.response(200, RedemptionsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What I redeemed, newest first, and how each stands; without the vouchers' codes."""
        holder_id, codes, now = caller_holder_id(), services().codes, datetime.now(UTC)
        before, limit = query.get("cursor"), query["limit"]

        def look(session: Session) -> dict[str, Any]:
            found = page(session, holder_id, codes=codes, before=before, limit=limit)
            told_ = [told(each, now) for each in found.standings]
            return {"redemptions": told_, "next_cursor": found.next_before}

        return services().database.transact(look)


@bp.route("/<uuid:redemption_id>")
class Redemption(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(RedemptionRequest)
    @bp.response(201, NewRedemptionResponse)
    def put(self, body: dict[str, Any], redemption_id: UUID) -> Any:
        """Redeem an offer. The client makes the id, so sending it twice is the same request.

        A top-up may answer `pending`: its points are held until the gateway has said what became
        of it. Ask `GET` again.
        """
        check_sent(redemption_id)
        if "card_number" in body:
            return redeem_onto_card(
                services(),
                redemption_id,
                holder_id=caller_holder_id(),
                acting=acting_name(),
                **body,
            )
        holder_id, now, request = caller_holder_id(), datetime.now(UTC), request_id()
        codes, acting = services().codes, acting_name()

        def work(session: Session) -> Redeemed:
            return redeem(
                session,
                redemption_id,
                buyer=buyer_of(session, holder_id),
                codes=codes,
                now=now,
                request_id=request,
                acting=acting,
                **body,
            )

        try:
            return services().database.transact(work)
        except NeedsGateway as error:
            raise CardMissing(error.offer_id) from error

    @requires("resident", acting="read")
    @bp.response(200, RedemptionResponse)
    def get(self, redemption_id: UUID) -> Any:
        """One of my redemptions as it stands; without the voucher's code."""
        holder_id = caller_holder_id()
        return services().database.transact(
            lambda session: _told_one(session, redemption_id, holder_id)
        )


@bp.route("/<uuid:redemption_id>/cancellation")
class Cancellation(MethodView):
    @requires("resident", acting="spend")
    @bp.arguments(CancellationRequest)
    @bp.response(200, RedemptionResponse)
    def put(self, _: dict[str, Any], redemption_id: UUID) -> Any:
        """Cancel a redemption, unused and in time (`cancel_until`); the points come back to the
        lots they came from. Again changes nothing.
        """
        holder_id, now, request = caller_holder_id(), datetime.now(UTC), request_id()
        codes, who = services().codes, acting_name() or f"holder:{holder_id}"

        def work(session: Session) -> dict[str, Any]:
            zone = buyer_of(session, holder_id).zone
            cancel(
                session,
                redemption_id,
                holder_id=holder_id,
                zone=zone,
                codes=codes,
                actor=who,
                now=now,
                request_id=request,
            )
            session.flush()
            return _told_one(session, redemption_id, holder_id)

        return services().database.transact(work)


def _told_one(session: Session, redemption_id: UUID, holder_id: UUID) -> dict[str, Any]:
    found = get_standing(session, redemption_id, holder_id=holder_id, codes=services().codes)
    return told(found, datetime.now(UTC))


def told(standing: Standing, now: datetime) -> dict[str, Any]:
    """A redemption as RedemptionResponse has it."""
    redemption, version, voucher = standing.redemption, standing.version, standing.voucher
    merchant = standing.merchant
    return {
        **{name: getattr(redemption, name) for name in _AS_KEPT},
        "kind": standing.offer.kind,
        "title": chosen(Text(version.title_zh, version.title_en)),
        "merchant": {
            "id": merchant.id,
            "name": chosen(Text(merchant.name_zh, merchant.name_en)),
        },
        "voucher_state": standing.voucher_state(now),
        "used_at": voucher and voucher.consumed_at,
        "expires_at": voucher and voucher.expires_at,
        "cancel_until": standing.cancel_until(now),
        "acted_by": standing.acted_by,
    }


_AS_KEPT = (
    *("id", "offer_id", "version", "units", "spent_points", "redeemed_at", "state"),
    *("ended_at", "returned_points"),
)
