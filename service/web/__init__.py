"""Pages: server-rendered, zh-CN and en, no asset from outside."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import NotFound

from service.api import openapi
from service.auth import public
from service.districts.published import open_data
from service.problems import ALL_TYPES, on_http_error
from service.services import services
from service.web import auditor, desk, district, enter, resident, terms, till
from service.web.home import home_figures, short_kilograms
from service.web.rendering import render
from service.web.resident.offline import worker
from service.web.verify import verify_values

ROOT = Path(__file__).resolve().parent
bp = Blueprint("web", __name__)
bp.add_app_template_filter(short_kilograms)
bp.add_url_rule("/sw.js", view_func=worker)
AREAS = (enter, terms, resident, till, desk, auditor, district)  # Each with its blueprint.


@bp.get("/")
@public
def home() -> Response:
    """What this is, the programme's totals, and one demo resident's activities."""
    return render("home.html", **home_figures(services(), now=datetime.now(UTC)))


@bp.get("/docs")
@public
def docs() -> Response:
    """The API's documentation, from this host alone."""
    return render("docs.html")


@bp.get("/verify")
@public
def verify() -> Response:
    """Where a receipt is checked against the published log, in the browser."""
    return render("verify.html", **verify_values(services()))


@bp.get("/open-data/about")
@public
def published() -> Response:
    """What the published figures are: the files, their columns and licence, for people."""
    edition = services().database.transact(open_data.edition)
    return render(
        "open_data.html",
        edition=edition,
        columns=open_data.COLUMNS,
        licence=open_data.LICENCE,
    )


@bp.get("/openapi.json")
@public
def openapi_json() -> Response:
    """The OpenAPI 3.1 document."""
    return jsonify(openapi())


@bp.get("/problems/<slug>")
@public
def problem(slug: str) -> Response:
    """The page behind a problem's type."""
    kind = next((kind for kind in ALL_TYPES if kind.slug == slug), None)
    if kind is None:
        abort(404)
    return render("problem.html", kind=kind, phrase=HTTPStatus(kind.status).phrase)


@bp.app_errorhandler(404)
def not_found(error: NotFound) -> Response:
    """A page for a browser that follows a wrong link; a problem document for programs."""
    if _wants_page():
        answer = render("not_found.html")
        answer.status_code = 404
    else:
        answer = on_http_error(error)
    answer.vary.add("Accept")
    return answer


def _wants_page() -> bool:
    """Whether HTML was asked for by name: ``*/*`` alone, as of curl, is a program's."""
    if request.path == "/v1" or request.path.startswith("/v1/"):
        return False
    offered = ["application/problem+json", "application/json", "text/html"]
    return request.accept_mimetypes.best_match(offered) == "text/html"
