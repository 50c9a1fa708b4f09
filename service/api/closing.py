"""Closing an account: one's own, a child's as its guardian, or at the desk by the card."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields

from service.admin.objects import acting_on
from service.api.consents import Flag
from service.api.resources import Blueprint
from service.api.staff import CardNumber
from service.auth import acting_name, actor, caller, caller_holder_id, caller_name, requires
from service.authorisation import HOLDER
from service.identity.closing import Closure, Wish, account, close, close_by_card
from service.language import Text, chosen
from service.request_ids import request_id
from service.services import services

bp = Blueprint("closing", __name__, url_prefix="/v1", description="注销 · Closing an account")

RULE = Text(
    "账户已注销，不可恢复。剩余积分已失效，欠分一并免除；姓名、电话、卡号等个人信息的密钥已销毁。"
    "已核证的减排量作为事实保留，但不再与您关联。同一手机号可以重新注册，从零开始。",
    "The account is closed for good. Remaining points have lapsed, and so has any debt; the key of"
    " your personal data (name, phone, cards) is destroyed. The CO2e that was verified stays as a"
    " fact that is tied to nobody. The same phone may sign up anew, from nothing.",
)


class ClosingQuery(Schema):
    forfeit_vouchers = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata={"description": "give up vouchers not used yet; they lapse with the account"},
    )


class DeskClosingRequest(Schema):
    card_number = CardNumber()
    forfeit_vouchers = Flag(
        load_default=False,
        metadata={"description": "the resident gives up vouchers not used yet"},
    )


class ClosureResponse(Schema):
    closed_at = fields.AwareDateTime(format="iso")
    lapsed_points = fields.Integer(metadata={"description": "what remained, and lapsed"})
    forgiven_points = fields.Integer(metadata={"description": "a debt, which lapsed as well"})
    forfeited_vouchers = fields.Integer(metadata={"description": "how many were given up"})
    rule = fields.Function(
        lambda _: chosen(RULE),
        metadata={"type": "string", "description": "what closing means, by Accept-Language"},
    )


@bp.route("/me")
class Me(MethodView):
    @requires("resident", fresh=True)
    @bp.arguments(ClosingQuery, location="query")
    @bp.response(200, ClosureResponse)
    def delete(self, query: dict[str, Any]) -> Closure:
        """Close my account for good, or as guardian a child's. Sending it again answers the same.

        Open orders are refused with what they are; unused vouchers can be given up.
        """
        holder_id, now, found = caller_holder_id(), datetime.now(UTC), caller()
        wish = Wish(
            acting_name() or f"holder:{found.subject}",
            request.remote_addr or "",
            request_id(),
            query["forfeit_vouchers"],
        )
        return services().database.transact(
            lambda session: close(session, holder_id, wish, codes=services().codes, now=now)
        )


@bp.route("/staff/residents/<uuid:holder_id>/closing")
class AtTheDesk(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(DeskClosingRequest)
    @bp.response(200, ClosureResponse)
    def put(self, body: dict[str, Any], holder_id: UUID) -> Closure:
        """Close the account of a resident without a phone, who shows the card. Sending it again
        answers the same.
        """
        now, who, number = datetime.now(UTC), actor(), body["card_number"]
        wish = Wish(
            caller_name(), request.remote_addr or "", request_id(), body["forfeit_vouchers"]
        )

        parts = services()
        return parts.database.transact(
            lambda session: acting_on(
                session,
                who,
                "resident.close",
                account(session, holder_id),
                lambda: close_by_card(
                    session,
                    parts.keyring,
                    holder_id,
                    number,
                    wish,
                    codes=parts.codes,
                    now=now,
                ),
                now=now,
            )
        )
