"""A till reads a resident's live code, and hands out what they have or want."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.models import Scan
from rewards.redeeming.redemption import check_sent
from rewards.tills import scans
from rewards.tills.deciding import Consumed
from rewards.tills.live_codes import LENGTH_MAX
from rewards.tills.scans import HandedOut, Till
from rewards.tills.showing import seen
from service.admin.objects import acting_on
from service.api.consumptions import ConsumptionResponse
from service.api.resources import Blueprint
from service.auth import actor, caller_merchant_id, requires
from service.authorisation import MERCHANT_ROLES, OWN_MERCHANT
from service.buyers import buyer_of
from service.language import Text, chosen
from service.services import services
from service.tills import guesses, objects
from service.tills.live_codes import root_key

bp = Blueprint("scans", __name__, url_prefix="/v1/scans", description="扫动态码 · Live codes read")
_TITLE = {"type": "string"}


def _title() -> fields.Function:
    return fields.Function(lambda one: chosen(Text(one.title_zh, one.title_en)), metadata=_TITLE)


class ScanRequest(Schema):
    live_code = fields.String(
        required=True,
        validate=validate.Length(1, LENGTH_MAX),
        metadata={
            "description": "as the phone shows it",
            "example": "TH1.0YVF6DK4Q29RJ8ZVX8B9WTN34T.59317922.6D1S9B5V2K7QJ3XN",
        },
    )
    shop_id = fields.UUID(
        load_default=None,
        metadata={"description": "where; without it, where the scanner stands"},
    )
    scanner_id = fields.UUID(load_default=None)
    offer_id = fields.UUID(
        load_default=None,
        metadata={"description": "redeem this offer and take its voucher, all in this request"},
    )


class HeldVoucherResponse(Schema):
    redemption_id = fields.UUID()
    offer_id = fields.UUID()
    title = _title()
    expires_at = fields.AwareDateTime(format="iso", allow_none=True)


class AffordableOfferResponse(Schema):
    offer_id = fields.UUID()
    title = _title()
    price_points = fields.Integer()


class HandedOutResponse(Schema):
    redemption_id = fields.UUID(attribute="redeemed.id")
    spent_points = fields.Integer(attribute="redeemed.spent_points")
    redeemed_at = fields.AwareDateTime(format="iso", attribute="redeemed.redeemed_at")
    consumption = fields.Nested(ConsumptionResponse, attribute="consumed")


class ScanResponse(Schema):
    id = fields.UUID()
    opened_at = fields.AwareDateTime(format="iso")
    ends_at = fields.AwareDateTime(format="iso")
    vouchers = fields.List(
        fields.Nested(HeldVoucherResponse),
        metadata={"description": "that this shop can take of the resident; none with `offer_id`"},
    )
    offers = fields.List(
        fields.Nested(AffordableOfferResponse),
        metadata={"description": "of the merchant's, for which the resident has the points"},
    )
    handed_out = fields.Nested(
        HandedOutResponse, allow_none=True, metadata={"description": "with `offer_id`"}
    )


class ScanRedemptionRequest(Schema):
    offer_id = fields.UUID(required=True)


class ScanConsumptionRequest(Schema):
    redemption_id = fields.UUID(required=True)


@bp.route("/<uuid:scan_id>")
class OneScan(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="scans", within=OWN_MERCHANT)
    @bp.arguments(ScanRequest)
    @bp.response(200, ScanResponse)
    def put(self, body: dict[str, Any], scan_id: UUID) -> dict[str, Any]:
        """Read a live code: for five minutes the till may hand out to who showed it.

        The till makes the id: the same again is the same scan. Nothing of the resident is told but
        what this merchant can hand out.
        """
        now, till, offer_id = datetime.now(UTC), _till(body), body["offer_id"]
        codes = services().codes

        def work(session: Session) -> dict[str, Any]:
            scan = _open(session, scan_id, body["live_code"], till, now)
            told = {"id": scan.id, "opened_at": scan.opened_at, "ends_at": scan.ends_at}
            if offer_id is None:
                found = seen(session, scan, buyer_of(session, scan.holder_id), codes=codes, now=now)
                return told | {
                    "vouchers": found.vouchers, "offers": found.offers, "handed_out": None
                }  # fmt: skip
            redemption_id = uuid5(scan_id, "redemption")
            handed_out = _redeem(session, scan, redemption_id, offer_id, till, now)
            return told | {"vouchers": [], "offers": [], "handed_out": handed_out}

        return guesses.guarded(
            till.merchant_id, lambda: services().database.transact(work), now=now
        )


@bp.route("/<uuid:scan_id>/redemptions/<uuid:redemption_id>")
class ScanRedemption(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="scans", within=OWN_MERCHANT)
    @bp.arguments(ScanRedemptionRequest)
    @bp.response(201, HandedOutResponse)
    def put(self, body: dict[str, Any], scan_id: UUID, redemption_id: UUID) -> HandedOut:
        """Redeem an offer for the resident and take its voucher, both or neither."""
        check_sent(redemption_id)
        now, till = datetime.now(UTC), _till({})

        def work(session: Session) -> HandedOut:
            scan = scans.get_scan(session, scan_id, till.merchant_id)
            return _redeem(session, scan, redemption_id, body["offer_id"], till, now)

        return services().database.transact(work)


@bp.route("/<uuid:scan_id>/consumptions/<uuid:consumption_id>")
class ScanConsumption(MethodView):
    @requires(*MERCHANT_ROLES, key_scope="scans", within=OWN_MERCHANT)
    @bp.arguments(ScanConsumptionRequest)
    @bp.response(201, ConsumptionResponse)
    def put(self, body: dict[str, Any], scan_id: UUID, consumption_id: UUID) -> Consumed:
        """Take a voucher that the resident has, without typing its code."""
        now, till, who, codes = datetime.now(UTC), _till({}), actor(), services().codes

        def work(session: Session) -> Consumed:
            scan = scans.get_scan(session, scan_id, till.merchant_id)
            hashed = scans.hash_of(session, scan, body["redemption_id"], codes)
            return acting_on(
                session,
                who,
                "voucher.consume",
                objects.consumption(session, consumption_id, till.merchant_id, [hashed]),
                lambda: scans.consume_here(
                    session, scan, consumption_id, hashed=hashed, till=till, now=now
                ),
                now=now,
            )

        return services().database.transact(work)


def _till(body: dict[str, Any]) -> Till:
    who = actor()
    return Till(
        caller_merchant_id(), who.name, body.get("shop_id"), body.get("scanner_id"), who.request_id
    )


def _open(session: Session, scan_id: UUID, sent: str, till: Till, now: datetime) -> Scan:
    root = root_key()
    return acting_on(
        session,
        actor(),
        "scan.open",
        objects.scan(session, scan_id, till.merchant_id, sent, root),
        lambda: scans.open_scan(session, scan_id, sent, root=root, till=till, now=now),
        now=now,
    )


def _redeem(
    session: Session, scan: Scan, redemption_id: UUID, offer_id: UUID, till: Till, now: datetime
) -> HandedOut:
    return acting_on(
        session,
        actor(),
        "voucher.redeem",
        objects.redemption(session, redemption_id, scan),
        lambda: scans.redeem_here(
            session,
            scan,
            redemption_id,
            offer_id=offer_id,
            buyer_of=buyer_of,
            codes=services().codes,
            till=till,
            now=now,
        ),
        now=now,
    )
