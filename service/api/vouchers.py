"""The resident's vouchers: the code and its picture, for its owner alone and kept nowhere."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import segno
from flask import Response
from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from rewards.redeeming import vouchers
from rewards.redeeming.errors import NoVoucher
from rewards.redeeming.listing import get_standing
from service.api.resources import Blueprint
from service.auth import caller_holder_id, requires
from service.services import services

bp = Blueprint("vouchers", __name__, url_prefix="/v1/redemptions", description="券 · Vouchers")
SVG = "image/svg+xml"
_EXAMPLE = '<svg xmlns="http://www.w3.org/2000/svg" width="116" height="116">…</svg>'


class VoucherResponse(Schema):
    code = fields.String(metadata={"description": "what the merchant takes, typed or scanned"})
    state = fields.String(
        metadata={"description": "unused, used, cancelled, expired, refunded or lapsed"}
    )
    expires_at = fields.AwareDateTime(format="iso", allow_none=True)


@bp.route("/<uuid:redemption_id>/voucher")
class Voucher(MethodView):
    @requires("resident", acting="spend")
    @bp.response(200, VoucherResponse)
    def get(self, redemption_id: UUID) -> dict[str, Any]:
        """The code of one of my vouchers, and whether it can still be used."""
        return _voucher(redemption_id)


@bp.route("/<uuid:redemption_id>/voucher.svg")
class VoucherPicture(MethodView):
    @requires("resident", acting="spend")
    @bp.response(200, {"type": "string"}, content_type=SVG, example=_EXAMPLE)
    def get(self, redemption_id: UUID) -> Response:
        """The same code as a QR code, to be scanned in the shop."""
        drawn = BytesIO()
        qr = segno.make(_voucher(redemption_id)["code"], error="m", micro=False)
        qr.save(drawn, kind="svg", border=4, scale=4, light="white")  # Also on a dark page.
        return Response(drawn.getvalue(), content_type=SVG)


def _voucher(redemption_id: UUID) -> dict[str, Any]:
    holder_id, codes, now = caller_holder_id(), services().codes, datetime.now(UTC)

    def look(session: Session) -> dict[str, Any]:
        found = get_standing(session, redemption_id, holder_id=holder_id, codes=codes)
        if found.voucher is None:
            raise NoVoucher(redemption_id)
        return {
            "code": vouchers.code_of(session, found.offer, redemption_id, codes),
            "state": found.voucher_state(now),
            "expires_at": found.voucher.expires_at,
        }

    return services().database.transact(look)
