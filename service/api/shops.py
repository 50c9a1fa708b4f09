"""A merchant's shops and scanners."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from activities.errors import UnknownDivision
from rewards.merchants import scanners, shops
from rewards.models import Scanner
from service.admin.objects import acting_on
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import Code, IdCursor, Line
from service.auth import actor, requires
from service.authorisation import MERCHANT, WHOLE_MERCHANT
from service.merchants import objects
from service.services import services

bp = Blueprint(
    "shops",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>",
    description="门店与扫码设备 · Shops and scanners",
)
SCANNERS = "scanners"  # What the service's key of all scanners is derived for.


class ShopRequest(Schema):
    name_zh = Line(length_max=100, required=True, metadata={"example": "公园路店"})
    name_en = Line(length_max=100, required=True, metadata={"example": "Park Road"})
    address = Line(length_max=200, required=True, metadata={"example": "青浦区公园路 1 号"})
    division = Code(
        allow_none=True, load_default=None, metadata={"description": "code of the town it is in"}
    )
    closed = fields.Boolean(load_default=False)


class ShopResponse(Schema):
    id = fields.UUID()
    name_zh = fields.String()
    name_en = fields.String()
    address = fields.String()
    division = fields.String(attribute="division_code", allow_none=True)
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()


class ShopsResponse(Schema):
    shops = fields.List(fields.Nested(ShopResponse))
    next_cursor = IdCursor(allow_none=True)


class ScannerRequest(Schema):
    name = Line(length_max=100, required=True, metadata={"example": "一号收银台"})
    shop_id = fields.UUID(allow_none=True, load_default=None)


class ScannerResponse(Schema):
    id = fields.UUID()
    shop_id = fields.UUID(allow_none=True)
    name = fields.String()
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()
    retired_at = fields.AwareDateTime(format="iso", allow_none=True)


class MadeScannerResponse(ScannerResponse):
    key = fields.String(
        allow_none=True,
        metadata={
            "description": "32 bytes in base64url without `=`, to sign with while offline;"
            " null: made over ten minutes ago"
        },
    )


class ScannersResponse(Schema):
    scanners = fields.List(fields.Nested(ScannerResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("/shops")
class Shops(MethodView):
    @requires("operator", "auditor", "merchant", "merchant_manager", within=MERCHANT)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ShopsResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """The merchant's shops, closed ones too."""
        limit, after = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = shops.listed(session, merchant_id, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            return {"shops": shown, "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/shops/<uuid:shop_id>")
class OneShop(MethodView):
    @requires("operator", "merchant_manager", within=WHOLE_MERCHANT)
    @bp.arguments(ShopRequest)
    @bp.response(200, ShopResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, shop_id: UUID) -> Any:
        """Open a shop, change it, close it or open it again. The client makes the id."""
        who, now, closed = actor(), datetime.now(UTC), body.pop("closed")
        division = body.pop("division")
        new = shops.NewShop(shop_id, merchant_id, **body, division_code=division)

        def work(session: Session) -> Any:
            if division is not None and session.get(Division, division) is None:
                raise UnknownDivision(division)
            return acting_on(
                session,
                who,
                "shop.put",
                objects.shop(session, merchant_id, shop_id),
                lambda: shops.put(session, new, closed=closed, made_by=who.name, now=now),
                now=now,
            )

        return services().database.transact(work)


@bp.route("/scanners")
class Scanners(MethodView):
    @requires("operator", "auditor", "merchant", "merchant_manager", within=MERCHANT)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ScannersResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """The merchant's scanners, retired ones too; no keys."""
        limit, after = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = scanners.listed(session, merchant_id, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            return {"scanners": shown, "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/scanners/<uuid:scanner_id>")
class OneScanner(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.arguments(ScannerRequest)
    @bp.response(200, MadeScannerResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, scanner_id: UUID) -> dict[str, Any]:
        """Make a scanner, and get the key it signs with while the shop is offline.

        The client makes the id. The same again within ten minutes tells the key again.
        """
        who, now, key = actor(), datetime.now(UTC), services().keyring.derived(SCANNERS)
        new = scanners.NewScanner(scanner_id, merchant_id, body["shop_id"], body["name"])

        def work(session: Session) -> dict[str, Any]:
            made = acting_on(
                session,
                who,
                "scanner.make",
                objects.scanner(session, merchant_id, scanner_id),
                lambda: scanners.make(session, new, key, made_by=who.name, now=now),
                now=now,
            )
            told = None if made.key is None else urlsafe_b64encode(made.key).rstrip(b"=").decode()
            return _told(made.scanner) | {"key": told}

        return services().database.transact(work)

    @requires("merchant_manager", "operator", within=WHOLE_MERCHANT)
    @bp.response(200, ScannerResponse)
    def delete(self, merchant_id: UUID, scanner_id: UUID) -> dict[str, Any]:
        """Take no more of what a scanner signs; retired before, it stays as it was."""
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            scanner = acting_on(
                session,
                who,
                "scanner.retire",
                objects.scanner(session, merchant_id, scanner_id),
                lambda: scanners.retire(session, merchant_id, scanner_id, now=now),
                now=now,
            )
            return _told(scanner)

        return services().database.transact(work)


def _told(scanner: Scanner) -> dict[str, Any]:
    names = ("id", "shop_id", "name", "made_at", "made_by", "retired_at")
    return {name: getattr(scanner, name) for name in names}
