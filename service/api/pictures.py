"""Pictures of offers: sent by who works on offers, shown to anybody."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Response, request
from flask.views import MethodView

from rewards.offers.errors import PictureTooLarge
from rewards.offers.pictures import SIZE_MAX_BYTES, get_picture
from service.api.offer_bodies import PictureResponse
from service.api.resources import Blueprint
from service.auth import actor, public, requires
from service.authorisation import MERCHANT
from service.offers import acts
from service.services import services

bp = Blueprint("pictures", __name__, url_prefix="/v1", description="图片 · Pictures of offers")
_TYPES = ("image/png", "image/jpeg", "image/webp")
_BYTES = {
    each: {"schema": {"type": "string", "format": "binary"}, "example": "…"} for each in _TYPES
}


@bp.route("/merchants/<uuid:merchant_id>/pictures")
class MerchantPictures(MethodView):
    @requires("merchant_manager", "operator", within=MERCHANT)
    @bp.doc(
        requestBody={
            "description": "PNG, JPEG or WebP, at most 512 KiB",
            "required": True,
            "content": _BYTES,
        }
    )
    @bp.response(201, PictureResponse)
    def put(self, merchant_id: UUID) -> Any:
        """Send a picture; the hash of its bytes is its name, so the same again is a retry."""
        if (request.content_length or 0) > SIZE_MAX_BYTES:
            raise PictureTooLarge(SIZE_MAX_BYTES)
        content, now, who = request.get_data(), datetime.now(UTC), actor()
        return services().database.transact(
            lambda s: acts.put_picture(s, who, merchant_id, content, now=now)
        )


@bp.route("/pictures/<string:sha256>")
class OnePicture(MethodView):
    @public
    @bp.doc(responses={"200": {"description": "The picture", "content": _BYTES}})
    def get(self, sha256: str) -> Response:
        """A picture of an offer; it never changes."""
        found = services().database.transact(lambda s: get_picture(s, sha256))
        answer = Response(found.content, content_type=found.media_type)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["ETag"] = f'"{found.sha256}"'
        return answer
