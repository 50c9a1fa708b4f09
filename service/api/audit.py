"""The auditor's view: who posted what, when and why; what anybody has."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from ledgers.filters import Heads, Moves
from ledgers.journal import (
    AccountWithLots,
    JournalPosting,
    PostingPlace,
    TransferPlace,
    accounts,
    get_posting,
    postings,
    transfers,
    transfers_of_holder,
    transfers_of_posting,
)
from service.api.resources import Blueprint
from service.api.wire import AMOUNT_MAX, Cursor, Instant, Line
from service.auth import requires
from service.authorisation import EVERYWHERE, HOLDER
from service.services import services

bp = Blueprint(
    "audit", __name__, url_prefix="/v1/audit", description="审计 · Postings, transfers, accounts"
)
_POSTING = ("at", "id")
_TRANSFER = ("at", "id", "number")
_OF_HOLDER = ("id",)
_NEXT = {"description": "next_cursor of the page before"}
_MORE = {"description": "null at the end; a page may have few rows, or none, and still go on"}


class _PageQuery(Schema):
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class FilterQuery(Schema):
    """Which postings, and with which transfers."""

    actor = Line(length_max=200, metadata={"description": "who caused it, exactly"})
    kind = Line(length_max=32, metadata={"description": "of the posting"})
    request_id = Line(length_max=64)
    since = Instant(data_key="from", metadata={"description": "recorded then or later"})
    until = Instant(data_key="to", metadata={"description": "recorded before"})
    unit = fields.String(validate=validate.OneOf(("mg_co2e", "point", "fen")))
    min_amount = fields.Integer(
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "of a transfer, in its unit"},
    )
    max_amount = fields.Integer(
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "of a transfer, in its unit"},
    )

    @validates_schema
    def _ranges(self, query: dict[str, Any], **_: Any) -> None:
        """What cannot match anything is a slip, and no answer to it would be true."""
        if "since" in query and "until" in query and query["since"] >= query["until"]:
            raise ValidationError("Must be later than from.", "to")
        if query.get("min_amount", 0) > query.get("max_amount", AMOUNT_MAX):
            raise ValidationError("Must not be less than min_amount.", "max_amount")


class MovesQuery(FilterQuery):
    """Which transfers."""

    holder_id = fields.UUID(metadata={"description": "whom the transfer concerns"})
    transfer_kind = Line(length_max=32, metadata={"description": "of the transfer"})
    reference = fields.UUID(metadata={"description": "the activity or redemption behind it"})
    reverses_id = fields.UUID(metadata={"description": "the transfer that it reverses"})


class PostingsQuery(FilterQuery, _PageQuery):
    cursor = Cursor(_POSTING, metadata=_NEXT)


class TransfersQuery(MovesQuery, _PageQuery):
    cursor = Cursor(_TRANSFER, _OF_HOLDER, metadata=_NEXT)

    @validates_schema
    def _one_walk(self, query: dict[str, Any], **_: Any) -> None:
        shape = _OF_HOLDER if "holder_id" in query else _TRANSFER
        if "cursor" in query and len(query["cursor"]) != len(shape):
            raise ValidationError("Not a valid cursor.", "cursor")


class TransfersOfPostingQuery(_PageQuery):
    cursor = Cursor(("number",), metadata=_NEXT)


class AuditedPostingResponse(Schema):
    id = fields.UUID(attribute="posting.id")
    kind = fields.String(attribute="posting.kind")
    actor = fields.String(attribute="posting.actor")
    reason = fields.String(attribute="posting.reason", allow_none=True)
    request_id = fields.String(attribute="posting.request_id", allow_none=True)
    approved_by = fields.String(
        attribute="posting.approved_by",
        allow_none=True,
        metadata={"description": "the second person behind a correction"},
    )
    recorded_at = fields.AwareDateTime(format="iso", attribute="posting.recorded_at")
    transfer_count = fields.Integer(attribute="posting.transfer_count")
    content_sha256 = fields.Function(
        lambda row: row.posting.content_sha256.hex(),
        metadata={"type": "string", "pattern": "^[0-9a-f]{64}$"},
    )
    log_index = fields.Integer(
        allow_none=True,
        metadata={"description": "of its first leaf in the log; null until it is sealed"},
    )


class AuditedPostingsResponse(Schema):
    postings = fields.List(fields.Nested(AuditedPostingResponse), attribute="rows")
    next_cursor = Cursor(_POSTING, allow_none=True, attribute="next_after", metadata=_MORE)


class AuditedTransferResponse(Schema):
    id = fields.UUID(attribute="transfer.id")
    posting_id = fields.UUID(attribute="transfer.posting_id")
    position = fields.Integer(
        attribute="transfer.position", metadata={"description": "place in the posting, from 0"}
    )
    holder_id = fields.UUID(attribute="transfer.holder_id")
    unit = fields.String(attribute="transfer.unit")
    debit_account_id = fields.UUID(attribute="transfer.debit_account_id")
    credit_account_id = fields.UUID(attribute="transfer.credit_account_id")
    amount = fields.Integer(
        attribute="transfer.amount", metadata={"description": "above zero, in the unit"}
    )
    kind = fields.String(attribute="transfer.kind")
    reference = fields.UUID(attribute="transfer.reference")
    occurred_at = fields.AwareDateTime(format="iso", attribute="transfer.occurred_at")
    reverses_id = fields.UUID(attribute="transfer.reverses_id", allow_none=True)
    expires_on = fields.Date(
        attribute="transfer.expires_on",
        allow_none=True,
        metadata={"description": "the lot that it came into or went from"},
    )
    posting_kind = fields.String(attribute="posting.kind")
    actor = fields.String(attribute="posting.actor")
    recorded_at = fields.AwareDateTime(format="iso", attribute="posting.recorded_at")
    log_index = fields.Integer(
        allow_none=True, metadata={"description": "of its leaf in the log; null until it is sealed"}
    )


class AuditedTransfersResponse(Schema):
    transfers = fields.List(fields.Nested(AuditedTransferResponse), attribute="rows")
    next_cursor = Cursor(
        _TRANSFER, _OF_HOLDER, allow_none=True, attribute="next_after", metadata=_MORE
    )


class AuditedTransfersOfPostingResponse(Schema):
    transfers = fields.List(fields.Nested(AuditedTransferResponse), attribute="rows")
    next_cursor = Cursor(("number",), allow_none=True, attribute="next_after")


class AuditedLotResponse(Schema):
    expires_on = fields.Date(metadata={"description": "last day of use"})
    lapses_at = fields.AwareDateTime(format="iso")
    issuer_id = fields.UUID()
    remaining = fields.Integer(metadata={"description": "in the account's unit"})


class AuditedAccountResponse(Schema):
    id = fields.UUID(attribute="account.id")
    unit = fields.String(attribute="account.unit")
    kind = fields.String(attribute="account.kind")
    balance = fields.Function(
        lambda row: row.account.balance if row.account.guarded else None,
        metadata={
            "type": ["integer", "null"],
            "description": "in the account's unit; null: a programme's own, not kept here",
        },
    )
    held = fields.Integer(
        attribute="account.held",
        metadata={"description": "in the account's unit: reserved of the balance"},
    )
    debt = fields.Integer(
        attribute="account.debt",
        metadata={
            "description": "in the account's unit; balance less debt is the sum of its transfers"
        },
    )
    opened_at = fields.AwareDateTime(format="iso", attribute="account.opened_at")
    closed_at = fields.AwareDateTime(format="iso", attribute="account.closed_at", allow_none=True)
    lots = fields.List(
        fields.Nested(AuditedLotResponse),
        metadata={"description": "what of the balance is in none of them never expires"},
    )


class AuditedAccountsResponse(Schema):
    accounts = fields.List(fields.Nested(AuditedAccountResponse))


@bp.route("/postings")
class Postings(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(PostingsQuery, location="query", unknown=RAISE)
    @bp.response(200, AuditedPostingsResponse)
    def get(self, query: dict[str, Any]) -> Any:
        """Postings, the newest first; by amount: with at least one transfer of such."""
        after = PostingPlace(*query["cursor"]) if "cursor" in query else None
        return services().database.transact(
            lambda session: postings(
                session, heads_of(query), moves_of(query), after=after, limit=query["limit"]
            )
        )


@bp.route("/postings/<uuid:posting_id>")
class OnePosting(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.response(200, AuditedPostingResponse)
    def get(self, posting_id: UUID) -> JournalPosting:
        """One posting."""
        return services().database.transact(lambda session: get_posting(session, posting_id))


@bp.route("/postings/<uuid:posting_id>/transfers")
class TransfersOfPosting(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(TransfersOfPostingQuery, location="query", unknown=RAISE)
    @bp.response(200, AuditedTransfersOfPostingResponse)
    def get(self, query: dict[str, Any], posting_id: UUID) -> Any:
        """What a posting moved, by position."""
        (after,) = query.get("cursor", (None,))
        return services().database.transact(
            lambda session: transfers_of_posting(
                session, posting_id, after=after, limit=query["limit"]
            )
        )


@bp.route("/transfers")
class Transfers(MethodView):
    @requires("auditor", within=EVERYWHERE)
    @bp.arguments(TransfersQuery, location="query", unknown=RAISE)
    @bp.response(200, AuditedTransfersResponse)
    def get(self, query: dict[str, Any]) -> Any:
        """Transfers, those of the newest posting first; of a holder: the newest of theirs first."""
        heads, moves, limit = heads_of(query), moves_of(query), query["limit"]
        place, holder_id = query.get("cursor"), query.get("holder_id")
        if holder_id is None:
            after = TransferPlace(*place) if place else None
            return services().database.transact(
                lambda session: transfers(session, heads, moves, after=after, limit=limit)
            )
        before = place[0] if place else None
        return services().database.transact(
            lambda session: transfers_of_holder(
                session, holder_id, heads, moves, after=before, limit=limit
            )
        )


@bp.route("/accounts/<uuid:holder_id>")
class Accounts(MethodView):
    @requires("auditor", within=HOLDER)
    @bp.response(200, AuditedAccountsResponse)
    def get(self, holder_id: UUID) -> dict[str, list[AccountWithLots]]:
        """What a holder has, is owed and owes; none for an unknown holder."""
        return {"accounts": services().database.transact(lambda s: accounts(s, holder_id))}


def heads_of(query: dict[str, Any]) -> Heads:
    """The filters of a FilterQuery that are about postings."""
    names = ("actor", "kind", "request_id", "since", "until")
    return Heads(**{name: query.get(name) for name in names})


def moves_of(query: dict[str, Any]) -> Moves:
    """Those that are about transfers, of a MovesQuery too."""
    names = ("unit", "min_amount", "max_amount", "reference", "reverses_id")
    return Moves(kind=query.get("transfer_kind"), **{name: query.get(name) for name in names})
