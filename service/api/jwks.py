"""The public keys by which anybody checks our access tokens (RFC 7517)."""

from flask import Blueprint, Response, request
from msgspec import json

from service.auth import public
from service.services import services

CACHE_S = 300  # A new key signs no sooner than whoever kept the old list has asked again.

bp = Blueprint("jwks", __name__)


@bp.get("/.well-known/jwks.json")
@public
def jwks() -> Response:
    """The keys, those that will sign and those that signed among them."""
    answer = Response(
        json.encode(services().tokens.jwks()), content_type="application/jwk-set+json"
    )
    answer.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
    answer.add_etag()
    answer.make_conditional(request)
    return answer
