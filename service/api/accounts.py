"""A resident's accounts and their statements."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields

from ledgers.accounts import of_holder
from ledgers.statements import page
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.auth import caller_holder_id, requires
from service.services import services

bp = Blueprint(
    "accounts", __name__, url_prefix="/v1/accounts", description="账户 · Accounts and statements"
)


class AccountResponse(Schema):
    id = fields.UUID()
    unit = fields.String(metadata={"description": "mg_co2e, point or fen"})
    kind = fields.String()
    balance = fields.Integer(metadata={"description": "in the account's unit"})
    debt = fields.Integer(
        metadata={
            "description": "in the account's unit: clawed back after it was spent; what comes in"
            " pays it first"
        }
    )


class AccountsResponse(Schema):
    accounts = fields.List(fields.Nested(AccountResponse))


class EntryResponse(Schema):
    transfer_id = fields.UUID()
    posting_id = fields.UUID()
    kind = fields.String(metadata={"description": "earn, spend, reversal"})
    amount = fields.Integer(metadata={"description": "signed, in the account's unit"})
    reference = fields.UUID(metadata={"description": "the activity or redemption behind it"})
    occurred_at = fields.AwareDateTime(format="iso")
    reverses_id = fields.UUID(allow_none=True)


class StatementResponse(Schema):
    entries = fields.List(fields.Nested(EntryResponse))
    next_cursor = fields.UUID(allow_none=True, attribute="next_before")


@bp.route("")
class Accounts(MethodView):
    @requires("resident")
    @bp.response(200, AccountsResponse)
    def get(self) -> dict[str, Any]:
        """My accounts."""
        holder_id = caller_holder_id()
        return {"accounts": services().database.transact(lambda s: of_holder(s, holder_id))}


@bp.route("/<uuid:account_id>/statement")
class Statement(MethodView):
    @requires("resident")
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, StatementResponse)
    def get(self, query: dict[str, Any], account_id: UUID) -> Any:
        """What came in and went out of one of my accounts, newest first."""
        holder_id = caller_holder_id()
        return services().database.transact(
            lambda s: page(
                s, holder_id, account_id, before=query.get("cursor"), limit=query["limit"]
            )
        )
