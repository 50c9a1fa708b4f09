"""The merchant takes vouchers, at once or after having been offline, and takes it back."""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from ledgers.errors import DomainError
from rewards.errors import UnknownVoucher
from rewards.merchants.scanners import key_of
from rewards.tills import listing
from rewards.tills.consuming import consume, hashes_of
from rewards.tills.deciding import Consumed
from rewards.tills.errors import ScanNotSigned
from rewards.tills.offline import ITEMS_MAX, Scanned, Sender, receive
from rewards.tills.reversing import reverse_consumption
from service.admin.log import acting_on_many
from service.admin.objects import acting_on
from service.api.resources import Blueprint
from service.api.shops import SCANNERS
from service.api.wire import FIRST, LAST, Cursor
from service.auth import actor, caller_merchant_id, requires
from service.authorisation import MERCHANT_ROLES, OWN_MERCHANT
from service.language import Text, chosen
from service.problems import refusal
from service.services import services
from service.tills import guesses, objects

bp = Blueprint(
    "consumptions", __name__, url_prefix="/v1/consumptions", description="核销 · Vouchers taken"
)
CODE_SAYS = {
    "description": "as typed: of our codes case, spaces and dashes do not matter",
    "example": "7KQ2-M9XD-4RTB-8WEF-H",
}
CODE_MAX = 64
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Said(NamedTuple):
    """An instant, and how it was written."""

    at: datetime
    text: str


class SaidInstant(fields.String):
    """An instant with its offset whose very writing counts, since it was signed."""

    default_error_messages = {"instant": "Not a valid datetime."}  # noqa: RUF012

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        if not _INSTANT.fullmatch(text):
            raise self.make_error("instant")
        try:
            at = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("instant") from error
        validate.Range(FIRST, LAST)(at)  # As other instants: within what our ids can carry.
        return Said(at, text)


class ConsumptionRequest(Schema):
    code = fields.String(required=True, validate=validate.Length(1, CODE_MAX), metadata=CODE_SAYS)
    shop_id = fields.UUID(
        load_default=None,
        metadata={"description": "where; without it, where the scanner stands"},
    )
    scanner_id = fields.UUID(load_default=None)


class ConsumptionResponse(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    version = fields.Integer(metadata={"description": "of the offer: the terms that hold"})
    redemption_id = fields.UUID()
    title = fields.Function(
        lambda taken: chosen(Text(taken.title_zh, taken.title_en)), metadata={"type": "string"}
    )
    consumed_at = fields.AwareDateTime(
        format="iso", metadata={"description": "by the scanner's clock where it was offline"}
    )
    shop_id = fields.UUID(allow_none=True)
    scanner_id = fields.UUID(allow_none=True)
    offline = fields.Boolean()
    reversed_at = fields.AwareDateTime(format="iso", allow_none=True)


class ConsumptionsQuery(Schema):
    day = fields.Date(
        validate=validate.Range(FIRST.date(), LAST.date()),
        metadata={"description": "of the programme's time zone; without it, today"},
    )
    cursor = Cursor(("at", "id"), metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class ConsumptionsResponse(Schema):
    day = fields.Date()
    consumptions = fields.List(fields.Nested(ConsumptionResponse))
    next_cursor = Cursor(("at", "id"), allow_none=True)


class ScannedRequest(Schema):
    id = fields.UUID(required=True, metadata={"description": "made by the till"})
    code = fields.String(required=True, validate=validate.Length(1, CODE_MAX), metadata=CODE_SAYS)
    scanned_at = SaidInstant(
        required=True,
        metadata={"format": "date-time", "description": "by the scanner's clock, as it was signed"},
    )
    scanner_id = fields.UUID(required=True)
    shop_id = fields.UUID(load_default=None)
    signature = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="Not 64 hexadecimal digits."),
        metadata={
            "description": "HMAC-SHA256 by the scanner's key (docs/merchants.md)",
            "example": "8f43c0de" * 8,
        },
    )


class OfflineQueueRequest(Schema):
    consumptions = fields.List(
        fields.Nested(ScannedRequest), required=True, validate=validate.Length(1, ITEMS_MAX)
    )


class OfflineAnswerResponse(Schema):
    id = fields.UUID()
    consumption = fields.Nested(
        ConsumptionResponse, allow_none=True, metadata={"description": "null: it was refused"}
    )
    problem = fields.Dict(
        allow_none=True,
        metadata={
            "description": "why it was refused: a problem document; null: it was taken",
            "additionalProperties": True,
        },
    )


class OfflineQueueResponse(Schema):
    consumptions = fields.List(
        fields.Nested(OfflineAnswerResponse),
        metadata={"description": "in the order in which they came"},
    )


@bp.route("")
class Consumptions(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.arguments(ConsumptionsQuery, location="query")
    @bp.response(200, ConsumptionsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What the merchant's tills took on a day, the newest first; what was reversed, too."""
        merchant_id, now, limit = caller_merchant_id(), datetime.now(UTC), query["limit"]

        def page(session: Session) -> dict[str, Any]:
            _, zone = objects.programme_of(session, merchant_id)
            day = query.get("day") or now.astimezone(ZoneInfo(zone)).date()
            rows = listing.of_day(
                session, merchant_id, day, zone=zone, before=query.get("cursor"), limit=limit + 1
            )
            shown = rows[:limit]
            more = (shown[-1].consumed_at, shown[-1].id) if len(rows) > limit else None
            return {"day": day, "consumptions": shown, "next_cursor": more}

        return services().database.transact(page)

    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.arguments(OfflineQueueRequest)
    @bp.response(200, OfflineQueueResponse)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take what tills took while they were offline. The same list again is answered the same.

        Each is signed by its scanner and answered for itself, in order: taken, or why not.
        """
        merchant_id, now = caller_merchant_id(), datetime.now(UTC)
        guesses.check(merchant_id, now=now)
        scans = [_scanned(**each) for each in body["consumptions"]]
        answers = services().database.transact(
            lambda session: _receive(session, scans, merchant_id, now)
        )
        wrong = sum(isinstance(each, UnknownVoucher | ScanNotSigned) for each in answers)
        guesses.count(merchant_id, wrong, now=now)
        told = [
            {"id": scan.id, "consumption": None, "problem": refusal(answer)}
            if isinstance(answer, DomainError)
            else {"id": scan.id, "consumption": answer, "problem": None}
            for scan, answer in zip(scans, answers, strict=True)
        ]
        return {"consumptions": told}


@bp.route("/<uuid:consumption_id>")
class Consumption(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.arguments(ConsumptionRequest)
    @bp.response(201, ConsumptionResponse)
    def put(self, body: dict[str, Any], consumption_id: UUID) -> Any:
        """Take a voucher, once. The till makes the id, so sending it twice is the same request."""
        merchant_id, now, who = caller_merchant_id(), datetime.now(UTC), actor()
        codes = services().codes

        def work(session: Session) -> Consumed:
            hashes = hashes_of(merchant_id, body["code"], codes)
            return acting_on(
                session,
                who,
                "voucher.consume",
                objects.consumption(session, consumption_id, merchant_id, hashes),
                lambda: consume(
                    session,
                    consumption_id,
                    merchant_id=merchant_id,
                    codes=codes,
                    now=now,
                    actor=who.name,
                    request_id=who.request_id,
                    **body,
                ),
                now=now,
            )

        return guesses.guarded(merchant_id, lambda: services().database.transact(work), now=now)

    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.response(200, ConsumptionResponse)
    def get(self, consumption_id: UUID) -> Any:
        """A voucher that the merchant took."""
        merchant_id = caller_merchant_id()
        return services().database.transact(
            lambda session: listing.get_consumption(session, consumption_id, merchant_id)
        )


@bp.route("/<uuid:consumption_id>/reversal")
class Reversal(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="consumptions", within=OWN_MERCHANT)
    @bp.response(200, ConsumptionResponse)
    def put(self, consumption_id: UUID) -> Any:
        """Take a consumption back, on the day on which it was made; the voucher is good again."""
        merchant_id, now, who = caller_merchant_id(), datetime.now(UTC), actor()

        def work(session: Session) -> Consumed:
            _, zone = objects.programme_of(session, merchant_id)
            return acting_on(
                session,
                who,
                "voucher.reverse",
                objects.taken(session, consumption_id, merchant_id),
                lambda: reverse_consumption(
                    session,
                    consumption_id,
                    merchant_id=merchant_id,
                    zone=zone,
                    now=now,
                    actor=who.name,
                    request_id=who.request_id,
                ),
                now=now,
            )

        return services().database.transact(work)


def _scanned(scanned_at: Said, **item: Any) -> Scanned:
    return Scanned(scanned_at=scanned_at.at, said_at=scanned_at.text, **item)


def _receive(
    session: Session, scans: list[Scanned], merchant_id: UUID, now: datetime
) -> list[Consumed | DomainError]:
    who, codes = actor(), services().codes
    root = services().keyring.derived(SCANNERS)
    wanted = {scan.id: hashes_of(merchant_id, scan.code, codes) for scan in scans}
    sender = Sender(merchant_id, who.name, codes, lambda id_: key_of(root, id_), who.request_id)
    return acting_on_many(
        session,
        who,
        objects.consumption_acts(session, "voucher.consume", merchant_id, wanted),
        states=objects.consumption_states(session, wanted),
        work=lambda: receive(session, scans, sender, now=now),
        now=now,
    )
