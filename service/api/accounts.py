"""A resident's accounts: balances, statements, what lapses when, what is held, the whole ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from flask import Response, stream_with_context
from flask.views import MethodView
from marshmallow import Schema, fields

from ledgers.accounts import telling_of_holder
from ledgers.holds import active_holds
from ledgers.ids import uuid7_floor
from ledgers.statements import balance_at, live_lots, page, whole_ledger
from rewards.redeeming.days import period_of, start_of
from service.api.conditional import conditional
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.wire import IdCursor, Instant, Month
from service.auth import caller_holder_id, requires
from service.buyers import buyer_of
from service.services import services

bp = Blueprint(
    "accounts", __name__, url_prefix="/v1/accounts", description="账户 · Accounts and statements"
)
bp.after_request(conditional)
NDJSON = "application/x-ndjson"


class AccountResponse(Schema):
    id = fields.UUID()
    unit = fields.String(metadata={"description": "mg_co2e, point or fen"})
    kind = fields.String()
    balance = fields.Integer(metadata={"description": "in the account's unit"})
    held = fields.Integer(metadata={"description": "reserved of the balance, in its unit"})
    available = fields.Integer(metadata={"description": "balance less held: what can be spent"})
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
    kind = fields.String(
        metadata={
            "description": "earn, grant, spend, lapse, reversal, refund, refund_in_grace (its lot"
            " had lapsed, so it lasts the policy's days of grace), release, debt_payment"
        }
    )
    amount = fields.Integer(metadata={"description": "signed, in the account's unit"})
    balance = fields.Integer(
        metadata={
            "description": "the account's sum after this entry, in its unit; below zero: a debt"
        }
    )
    reference = fields.UUID(metadata={"description": "the activity or redemption behind it"})
    occurred_at = fields.AwareDateTime(format="iso")
    expires_on = fields.Date(
        allow_none=True,
        metadata={"description": "last day of the lot it went to or came from; null: no end"},
    )
    reverses_id = fields.UUID(allow_none=True)


class StatementResponse(Schema):
    entries = fields.List(fields.Nested(EntryResponse))
    next_cursor = IdCursor(allow_none=True, attribute="next_before")


class StatementQuery(PageQuery):
    month = Month(metadata={"description": "only what was booked in it, by the programme's zone"})


class LotResponse(Schema):
    expires_on = fields.Date(metadata={"description": "last day of use, in the programme's zone"})
    lapses_at = fields.AwareDateTime(format="iso", metadata={"description": "the instant after"})
    remaining = fields.Integer(metadata={"description": "in the account's unit"})


class LotsResponse(Schema):
    lots = fields.List(
        fields.Nested(LotResponse),
        metadata={"description": "the next to lapse first; all there are"},
    )


class HoldResponse(Schema):
    id = fields.UUID()
    amount = fields.Integer(metadata={"description": "held, in the unit point"})
    reference = fields.UUID()
    reserved_at = fields.AwareDateTime(format="iso")
    deadline_at = fields.AwareDateTime(format="iso")


class HoldsResponse(Schema):
    holds = fields.List(fields.Nested(HoldResponse))


class InstantQuery(Schema):
    at = Instant(
        metadata={"description": "an instant with its offset, as 2026-11-21T08:00:00Z; now if none"}
    )


class BalanceResponse(Schema):
    at = fields.AwareDateTime(format="iso")
    balance = fields.Integer(
        metadata={"description": "the account's sum then, in its unit; below zero: a debt"}
    )


@bp.route("")
class Accounts(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, AccountsResponse)
    def get(self) -> Response:
        """My accounts: what each holds, what of it is reserved, and what is owed."""
        # What every phone asks for: one round trip, and nothing between.
        rows = services().database.read(telling_of_holder(caller_holder_id()))
        accounts = [_told(*row) for row in rows]
        body = msgspec.json.encode({"accounts": accounts})
        return Response(body, content_type="application/json")


@bp.route("/<uuid:account_id>/statement")
class Statement(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(StatementQuery, location="query")
    @bp.response(200, StatementResponse)
    def get(self, query: dict[str, Any], account_id: UUID) -> Any:
        """What came in and went out of one of my accounts, newest first, with running balance."""
        holder_id, cursor, limit = caller_holder_id(), query.get("cursor"), query["limit"]
        with services().database.snapshot() as session:
            if "month" not in query:
                return page(session, holder_id, account_id, before=cursor, limit=limit)
            zone = buyer_of(session, holder_id).zone
            since, beyond = (
                uuid7_floor(start_of(day, zone)) for day in period_of("month", query["month"])
            )
            before = beyond if cursor is None else min(cursor, beyond)
            return page(session, holder_id, account_id, before=before, since=since, limit=limit)


@bp.route("/<uuid:account_id>/balance")
class Balance(MethodView):
    @requires("resident", acting="read")
    @bp.arguments(InstantQuery, location="query")
    @bp.response(200, BalanceResponse)
    def get(self, query: dict[str, Any], account_id: UUID) -> dict[str, Any]:
        """What one of my accounts held at an instant."""
        holder_id, at = caller_holder_id(), query.get("at", datetime.now(UTC))
        with services().database.snapshot() as session:
            return {"at": at, "balance": balance_at(session, holder_id, account_id, at)}


@bp.route("/<uuid:account_id>/lots")
class Lots(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, LotsResponse)
    def get(self, account_id: UUID) -> dict[str, Any]:
        """What of one of my accounts lapses when."""
        holder_id = caller_holder_id()
        return {"lots": services().database.transact(lambda s: live_lots(s, holder_id, account_id))}


@bp.route("/holds")
class Holds(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, HoldsResponse)
    def get(self) -> dict[str, Any]:
        """What of my points is reserved, and until when."""
        holder_id = caller_holder_id()
        return {"holds": services().database.transact(lambda s: active_holds(s, holder_id))}


@bp.route("/export")
class Export(MethodView):
    @requires("resident")
    @bp.response(
        200, EntryResponse, content_type=NDJSON, description="one entry a line, oldest first"
    )
    def get(self) -> Response:
        """My whole ledger as NDJSON: each entry of each account, with its running balance."""
        database, holder_id = services().database, caller_holder_id()

        def lines() -> Iterator[bytes]:
            with database.snapshot() as session:
                for account, entry in whole_ledger(session, holder_id):
                    line = {"account_id": account.id, "unit": account.unit}
                    yield msgspec.json.encode(line | msgspec.to_builtins(entry)) + b"\n"

        answer = Response(stream_with_context(lines()), content_type=NDJSON)
        answer.headers["Content-Disposition"] = 'attachment; filename="ledger.ndjson"'
        return answer


def _told(
    account_id: UUID, unit: str, kind: str, balance: int, held: int, debt: int
) -> dict[str, Any]:
    """An account as AccountResponse writes it; a test compares the two."""
    return {
        "id": account_id,
        "unit": unit,
        "kind": kind,
        "balance": balance,
        "held": held,
        "available": balance - held,
        "debt": debt,
    }
