"""Settlements: what the programme pays a merchant for a period, step by step and line by line."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from rewards.models import Settlement
from rewards.settling import lines
from rewards.settling.drafting import Key, get_settlement
from rewards.settling.settlements import STATES, listed
from service.api.documentation import ProblemResponse
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import FIRST, LAST, IdCursor, Line, Words
from service.auth import actor, requires
from service.authorisation import MERCHANT, WHOLE_MERCHANT
from service.language import Text, chosen
from service.services import services
from service.settling import steps

bp = Blueprint(
    "settlements",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/settlements",
    description="结算 · Settlements with merchants",
)
READERS, KEY_SCOPE = ("merchant_manager", "operator", "auditor"), "settlements"
_DAY = validate.Range(FIRST.date(), LAST.date())


class SettlementRequest(Schema):
    period_from = fields.Date(
        required=True, validate=_DAY, metadata={"description": "first day, in the programme's zone"}
    )
    period_to = fields.Date(
        required=True, validate=_DAY, metadata={"description": "the day after the last"}
    )

    @validates_schema
    def _in_order(self, body: dict[str, Any], **_: Any) -> None:
        first, to = body.get("period_from"), body.get("period_to")
        if first is not None and to is not None and to <= first:
            raise ValidationError("Not after period_from.", "period_to")


class SettlementConfirmationRequest(Schema):
    """Nothing: what is confirmed is what was drafted."""


class SettlementApprovalRequest(Schema):
    """Nothing: what is approved is what was confirmed."""


class SettlementVoidingRequest(Schema):
    """Nothing: all of it is void."""


class DisputeRequest(Schema):
    reason = Words(
        required=True, length_max=500, metadata={"description": "the programme's staff read it"}
    )


class PaymentRequest(Schema):
    payment_reference = Line(
        required=True, length_max=100, metadata={"description": "the bank's, for the record"}
    )


class SettlementResponse(Schema):
    id = fields.UUID()
    merchant_id = fields.UUID()
    period_from = fields.Date()
    period_to = fields.Date(metadata={"description": "exclusive"})
    state = fields.String(metadata={"description": ", ".join(STATES)})
    lines = fields.Integer(metadata={"description": "claimed so far while it is drafting"})
    owed_fen = fields.Integer()
    returned_fen = fields.Integer(metadata={"description": "reversals and refunds"})
    payable_fen = fields.Function(
        lambda one: one.owed_fen - one.returned_fen, metadata={"type": "integer"}
    )
    drafted_by = fields.String()
    drafted_at = fields.AwareDateTime(format="iso")
    confirmed_by = fields.String(allow_none=True)
    confirmed_at = fields.AwareDateTime(format="iso", allow_none=True)
    disputed_by = fields.String(allow_none=True)
    disputed_at = fields.AwareDateTime(format="iso", allow_none=True)
    dispute_reason = fields.String(allow_none=True)
    approved_by = fields.String(allow_none=True)
    approved_at = fields.AwareDateTime(format="iso", allow_none=True)
    paid_by = fields.String(allow_none=True)
    paid_at = fields.AwareDateTime(format="iso", allow_none=True)
    payment_reference = fields.String(allow_none=True)


class SettlementsQuery(PageQuery):
    state = fields.String(validate=validate.OneOf(STATES))


class SettlementsResponse(Schema):
    settlements = fields.List(fields.Nested(SettlementResponse))
    next_cursor = IdCursor(allow_none=True)


def _in_language(name: str) -> fields.Function:
    return fields.Function(
        lambda line: chosen(Text(*getattr(line, name))), metadata={"type": "string"}
    )


class SettlementLineResponse(Schema):
    id = fields.UUID()
    kind = fields.String(
        metadata={"description": "consumption, top_up, donation, reversal or refund"}
    )
    amount_fen = fields.Integer(metadata={"description": "below zero where it takes another back"})
    offer_id = fields.UUID()
    version = fields.Integer(metadata={"description": "of the offer, when it was redeemed"})
    title = _in_language("title")
    redemption_id = fields.UUID(
        metadata={"description": "as scans and webhooks name the voucher; it opens nothing"}
    )
    consumption_id = fields.UUID(allow_none=True)
    shop_id = fields.UUID(allow_none=True)
    shop = _in_language("shop")
    occurred_at = fields.AwareDateTime(format="iso")
    recorded_at = fields.AwareDateTime(format="iso")
    reverses_id = fields.UUID(allow_none=True, metadata={"description": "the line it takes back"})


class SettlementLinesResponse(Schema):
    lines = fields.List(fields.Nested(SettlementLineResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Settlements(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.arguments(SettlementsQuery, location="query")
    @bp.response(200, SettlementsResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """A merchant's settlements, by id, the highest first."""
        limit = query["limit"]
        rows = services().database.transact(
            lambda session: listed(
                session,
                merchant_id,
                state=query.get("state"),
                after=query.get("cursor"),
                limit=limit + 1,
            )
        )
        shown, more = cut(rows, limit)
        return {"settlements": shown, "next_cursor": more}


@bp.route("/<uuid:settlement_id>")
class OneSettlement(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.response(200, SettlementResponse)
    def get(self, merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """A settlement as it stands."""
        key = Key(merchant_id, settlement_id)
        return services().database.transact(lambda session: get_settlement(session, key))

    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(SettlementRequest)
    @bp.response(201, SettlementResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """Close a period that is over: all that is open from before its end is settled.

        A long one is answered while it is `drafting`; the job `draft_settlements` goes on.
        """
        key, days = Key(merchant_id, settlement_id), (body["period_from"], body["period_to"])
        return steps.draft(services().database, actor(), key, days, now=datetime.now(UTC))


@bp.route("/<uuid:settlement_id>/confirmation")
class Confirmation(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.arguments(SettlementConfirmationRequest)
    @bp.response(200, SettlementResponse)
    def put(self, _: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """The merchant agrees with a draft."""
        key = Key(merchant_id, settlement_id)
        return steps.confirm(services().database, actor(), key, now=datetime.now(UTC))


@bp.route("/<uuid:settlement_id>/dispute")
class Dispute(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.arguments(DisputeRequest)
    @bp.response(200, SettlementResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """The merchant does not agree, and says why; the programme voids it and drafts anew."""
        key, now = Key(merchant_id, settlement_id), datetime.now(UTC)
        return steps.dispute(services().database, actor(), key, **body, now=now)


@bp.route("/<uuid:settlement_id>/approval")
class Approval(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(SettlementApprovalRequest)
    @bp.response(200, SettlementResponse)
    def put(self, _: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """The programme agrees to pay: somebody who has not drafted it."""
        key = Key(merchant_id, settlement_id)
        return steps.approve(services().database, actor(), key, now=datetime.now(UTC))


@bp.route("/<uuid:settlement_id>/payment")
class Payment(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(PaymentRequest)
    @bp.response(200, SettlementResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """It was paid, under the bank's reference; it is posted with that."""
        key, now = Key(merchant_id, settlement_id), datetime.now(UTC)
        return steps.pay(services().database, actor(), key, **body, now=now)


@bp.route("/<uuid:settlement_id>/voiding")
class Voiding(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(SettlementVoidingRequest)
    @bp.response(200, SettlementResponse)
    def put(self, _: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> Settlement:
        """Take it back before it is paid: its days are open again, its lines free.

        Of a long one `lines` are left when this answers; the job `draft_settlements` goes on.
        """
        key = Key(merchant_id, settlement_id)
        return steps.void(services().database, actor(), key, now=datetime.now(UTC))


@bp.route("/<uuid:settlement_id>/lines")
class SettlementLines(MethodView):
    @requires(*READERS, within=MERCHANT, key_scope=KEY_SCOPE)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, SettlementLinesResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID, settlement_id: UUID) -> dict[str, Any]:
        """The lines of a settlement, by id, which is by when they were recorded."""
        key, limit = Key(merchant_id, settlement_id), query["limit"]

        def work(session: Any) -> list[lines.Told]:
            get_settlement(session, key)
            return lines.page(session, key, after=query.get("cursor"), limit=limit + 1)

        rows = services().database.transact(work)
        shown, more = cut(rows, limit)
        return {"lines": shown, "next_cursor": more}
