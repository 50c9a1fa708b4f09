"""What was agreed with a merchant: how long, and what one unit costs the programme."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.merchants import agreements
from service.admin.objects import acting_on
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import IdCursor, Line
from service.auth import actor, requires
from service.authorisation import MERCHANT, WHOLE_MERCHANT
from service.merchants import objects
from service.merchants.programmes import zone_of_merchant
from service.services import services

bp = Blueprint(
    "agreements",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/agreements",
    description="协议 · Agreements with merchants",
)


class AgreementRequest(Schema):
    valid_from = fields.Date(required=True, metadata={"example": "2026-10-01"})
    valid_to = fields.Date(
        required=True, metadata={"description": "exclusive", "example": "2027-10-01"}
    )
    price_rule = fields.String(required=True, validate=validate.OneOf(agreements.PRICE_RULES))
    fixed_fen = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, agreements.FIXED_FEN_MAX),
        metadata={"description": "with `fixed`: for each unit"},
    )
    share_bp = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, agreements.SHARE_BP_MAX),
        metadata={"description": "with `share`: basis points of the face value"},
    )
    document = Line(length_max=300, required=True, metadata={"example": "商户协议 2026-031"})


class AgreementResponse(Schema):
    id = fields.UUID()
    valid_from = fields.Date()
    valid_to = fields.Date(metadata={"description": "exclusive"})
    price_rule = fields.String(validate=validate.OneOf(agreements.PRICE_RULES))
    fixed_fen = fields.Integer(allow_none=True)
    share_bp = fields.Integer(allow_none=True)
    document = fields.String()
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()


class AgreementsResponse(Schema):
    agreements = fields.List(fields.Nested(AgreementResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Agreements(MethodView):
    @requires("operator", "auditor", "merchant_manager", within=MERCHANT)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, AgreementsResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """The agreements with the merchant, those that are over too."""
        limit, after = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = agreements.listed(session, merchant_id, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            return {"agreements": shown, "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/<uuid:agreement_id>")
class OneAgreement(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(AgreementRequest)
    @bp.response(200, AgreementResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, agreement_id: UUID) -> Any:
        """Write an agreement down, or end it earlier: the same again with an earlier `valid_to`.

        Nothing else of it changes; several may hold at once, and an offer names its own.
        """
        who, now = actor(), datetime.now(UTC)
        new = agreements.NewAgreement(agreement_id, merchant_id, **body)

        def work(session: Session) -> Any:
            zone = zone_of_merchant(session, merchant_id)
            return acting_on(
                session,
                who,
                "agreement.put",
                objects.agreement(session, merchant_id, agreement_id),
                lambda: agreements.put(session, new, zone=zone, made_by=who.name, now=now),
                now=now,
            )

        return services().database.transact(work)
