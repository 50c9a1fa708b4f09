"""Pages: server-rendered, zh-CN and en, no asset from outside."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request

from service.api import openapi
from service.auth import public
from service.language import chosen, language
from service.problems import ALL_TYPES
from service.services import services
from service.web.home import home_figures

ROOT = Path(__file__).resolve().parent
bp = Blueprint("web", __name__)

# Swagger UI writes style attributes; scripts come from this host only, on every page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' {style}; img-src 'self' data:;"
    " connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


@bp.get("/")
@public
def home() -> str:
    """What this is, the programme's totals, and one demo resident's activities."""
    return _page("home.html", **home_figures(services(), now=datetime.now(UTC)))


@bp.get("/docs")
@public
def docs() -> str:
    """The API's documentation, from this host alone."""
    return _page("docs.html")


@bp.get("/openapi.json")
@public
def openapi_json() -> Response:
    """The OpenAPI 3.1 document."""
    return jsonify(openapi(current_app))


@bp.get("/problems/<slug>")
@public
def problem(slug: str) -> str:
    """The page behind a problem's type."""
    kind = next((kind for kind in ALL_TYPES if kind.slug == slug), None)
    if kind is None:
        abort(404)
    return _page("problem.html", kind=kind)


def _page(template: str, **values: Any) -> str:
    return render_template(template, lang=language(), t=chosen, en=language() == "en", **values)


def secure(answer: Response) -> Response:
    """Headers that every answer carries."""
    headers = answer.headers
    style = "'unsafe-inline'" if request.endpoint == "web.docs" else ""
    headers.setdefault("Content-Security-Policy", _POLICY.format(style=style))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    return answer
