"""What residents agree to at sign-up: terms of service and privacy notice, for anybody to read."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from service.api.conditional import conditional
from service.api.resources import Blueprint
from service.auth import public
from service.services import services

bp = Blueprint("terms", __name__, url_prefix="/v1/terms", description="条款 · Terms")
bp.after_request(conditional)


class TermsTextResponse(Schema):
    kind = fields.String(
        metadata={"description": "terms (of service) or privacy (notice)", "example": "privacy"}
    )
    language = fields.String(metadata={"description": "zh-CN or en", "example": "zh-CN"})
    title = fields.String(metadata={"example": "个人信息处理规则"})
    text = fields.String(
        metadata={
            "description": "the title's line `# …`, then `## …` headings, paragraphs and `- …`"
            " lists; no other marks, no HTML",
            "example": "# 个人信息处理规则\n\n## 一、处理者\n\n…\n",
        }
    )
    sha256 = fields.String(metadata={"description": "of the text in UTF-8"})
    complete = fields.Boolean(
        metadata={"description": "false: name or contact of the operating body is missing from it"}
    )


class TermsResponse(Schema):
    version = fields.Integer(metadata={"description": "what `terms_version` of a sign-up names"})
    in_force = fields.Boolean(metadata={"description": "whether sign-ups agree to this version"})
    versions = fields.List(
        fields.Integer(), metadata={"description": "all that can be read", "example": [1]}
    )
    texts = fields.List(fields.Nested(TermsTextResponse))


@bp.route("")
class TermsInForce(MethodView):
    @public
    @bp.response(200, TermsResponse)
    def get(self) -> dict[str, Any]:
        """The terms in force: both texts in both languages."""
        return _told(services().terms.in_force)


@bp.route("/<int:version>")
class OneTerms(MethodView):
    @public
    @bp.response(200, TermsResponse)
    def get(self, version: int) -> dict[str, Any]:
        """A version that is or was in force: the one that a resident agreed to."""
        return _told(version)


def _told(version: int) -> dict[str, Any]:
    terms = services().terms
    return {
        "version": version,
        "in_force": version == terms.in_force,
        "versions": sorted(terms.versions),
        "texts": terms.documents(version),
    }
