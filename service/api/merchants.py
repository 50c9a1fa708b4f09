"""Merchants: entered, changed, approved, suspended and ended by operators; their bank details."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import make_response
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from rewards.merchants import merchants
from service.admin.objects import acting_on
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import Code, IdCursor, Line
from service.auth import actor, caller, requires
from service.authorisation import (
    LISTED,
    MERCHANT,
    WHOLE_MERCHANT,
    WHOLE_PROGRAMME,
    check_programme,
    only_programme_holder,
)
from service.merchants import bank, objects
from service.merchants.programmes import codes_of
from service.merchants.steps import WHATS, take_step
from service.services import services

bp = Blueprint("merchants", __name__, url_prefix="/v1/merchants", description="商户 · Merchants")


class MerchantsQuery(PageQuery):
    state = fields.String(validate=validate.OneOf(merchants.STATES))


class MerchantRequest(Schema):
    programme = Code(required=True, metadata={"description": "whose merchant it is, for good"})
    name_zh = Line(length_max=100, required=True, metadata={"example": "示范便利店"})
    name_en = Line(length_max=100, required=True, metadata={"example": "Demo corner shop"})
    credit_code = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Regexp(r"^[0-9A-Za-z ]{1,24}\Z", error="Not letters and digits."),
        metadata={
            "description": "统一社会信用代码 (GB 32100-2015); a draft may be without",
            "example": "91110000600037341L",
        },
    )


class MerchantStateRequest(Schema):
    state = fields.String(required=True, validate=validate.OneOf(sorted(WHATS)))
    reason = Line(length_max=500, required=True, metadata={"description": "auditors read it"})


class MerchantResponse(Schema):
    id = fields.UUID()
    programme = fields.String(allow_none=True)
    name_zh = fields.String()
    name_en = fields.String()
    state = fields.String(validate=validate.OneOf(merchants.STATES))
    credit_code = fields.String(allow_none=True)
    bank_last4 = fields.String(
        allow_none=True, metadata={"description": "of the account's number; null: none was told"}
    )
    made_at = fields.AwareDateTime(format="iso", allow_none=True)
    made_by = fields.String(allow_none=True)


class MerchantsResponse(Schema):
    merchants = fields.List(fields.Nested(MerchantResponse))
    next_cursor = IdCursor(allow_none=True)


class BankDetailsRequest(Schema):
    account_name = Line(length_max=100, required=True, metadata={"example": "示范便利店有限公司"})
    account_number = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9]{8,32}\Z", error="Not 8 to 32 digits."),
        metadata={"example": "6222020200112230011"},
    )
    bank_name = Line(length_max=100, required=True, metadata={"example": "示范银行上海青浦支行"})


class BankDetailsResponse(Schema):
    account_name = fields.String()
    account_number = fields.String()
    bank_name = fields.String()


class BankQuery(Schema):
    purpose = Line(
        length_max=200,
        required=True,
        metadata={"description": "what for; the admin log keeps it", "example": "支付十月结算单"},
    )


@bp.route("")
class Merchants(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(MerchantsQuery, location="query")
    @bp.response(200, MerchantsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The merchants of one's programme, ended ones too."""
        who, limit = caller(), query["limit"]

        def page(session: Session) -> dict[str, Any]:
            rows = merchants.listed(
                session,
                programme_holder_id=only_programme_holder(session, who),
                state=query.get("state"),
                after=query.get("cursor"),
                limit=limit + 1,
            )
            shown, next_cursor = cut(rows, limit)
            return {"merchants": _told(session, shown), "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/<uuid:merchant_id>")
class OneMerchant(MethodView):
    @requires("operator", "auditor", "merchant", "merchant_manager", within=MERCHANT)
    @bp.response(200, MerchantResponse)
    def get(self, merchant_id: UUID) -> dict[str, Any]:
        """One merchant."""
        return services().database.transact(lambda session: _one(session, merchant_id))

    @requires("operator", within=WHOLE_PROGRAMME)
    @bp.arguments(MerchantRequest)
    @bp.response(200, MerchantResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """Enter a draft, or change names; of a draft the credit code too.

        The client makes the id: the same again changes nothing.
        """
        who, now, code = actor(), datetime.now(UTC), body.pop("programme")
        check_programme(caller(), code)

        def work(session: Session) -> dict[str, Any]:
            holder_id = get_programme(session, code).holder_id
            new = merchants.NewMerchant(merchant_id, holder_id, **body)
            acting_on(
                session,
                who,
                "merchant.enter",
                objects.merchant(session, merchant_id, code),
                lambda: merchants.enter(session, new, made_by=who.name, now=now),
                now=now,
            )
            return _one(session, merchant_id)

        return services().database.transact(work)


@bp.route("/<uuid:merchant_id>/state")
class MerchantState(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(MerchantStateRequest)
    @bp.response(200, MerchantResponse)
    def put(self, body: dict[str, str], merchant_id: UUID) -> dict[str, Any]:
        """Approve, suspend, or end: draft → approved ⇄ suspended → ended.

        A suspended merchant sells nothing, and its vouchers are taken. One ends after its offers,
        and with it the grants of its people, its keys, scanners and webhooks.
        """
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            take_step(session, who, merchant_id, **body, now=now)
            return _one(session, merchant_id)

        return services().database.transact(work)


@bp.route("/<uuid:merchant_id>/bank")
class MerchantBank(MethodView):
    @requires("operator", within=WHOLE_MERCHANT)
    @bp.arguments(BankQuery, location="query")
    @bp.response(200, BankDetailsResponse)
    def get(self, query: dict[str, str], merchant_id: UUID) -> ResponseReturnValue:
        """Where the merchant is paid, in clear; each reading is in the admin log."""
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        details = services().database.transact(
            lambda session: bank.opened(
                session, keyring, merchant_id, purpose=query["purpose"], actor=who, now=now
            )
        )
        answer = make_response(BankDetailsResponse().dump(details))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @requires("merchant_manager", "operator", within=WHOLE_MERCHANT)
    @bp.arguments(BankDetailsRequest)
    @bp.response(200, MerchantResponse)
    def put(self, body: dict[str, str], merchant_id: UUID) -> dict[str, Any]:
        """Tell where the merchant is paid. It is kept sealed; the answer has four digits of it."""
        who, now, keyring = actor(), datetime.now(UTC), services().keyring

        def work(session: Session) -> dict[str, Any]:
            details = bank.BankDetails(**body)
            bank.put(session, keyring, merchant_id, details, actor=who, now=now)
            return _one(session, merchant_id)

        return services().database.transact(work)


def _one(session: Session, merchant_id: UUID) -> dict[str, Any]:
    return _told(session, [merchants.get(session, merchant_id)])[0]


def _told(session: Session, found: Any) -> list[dict[str, Any]]:
    codes = codes_of(session, {each.programme_holder_id for each in found})
    names = ("id", "name_zh", "name_en", "state", "credit_code", "bank_last4", "made_at", "made_by")
    return [
        {name: getattr(each, name) for name in names}
        | {"programme": codes.get(each.programme_holder_id)}
        for each in found
    ]
