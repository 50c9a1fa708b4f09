"""Terms of service and privacy notice, as pages for anybody."""

import re

from flask import Blueprint, Response, abort, request

from service.language import language
from service.terms.texts import blocks
from service.web import guards
from service.web.asking import get
from service.web.guards import open_page
from service.web.rendering import render

bp = Blueprint("terms_pages", __name__)
_VERSION = re.compile("[1-9][0-9]{0,5}")
guards.register(bp)


@bp.get("/terms")
@open_page
def terms() -> Response:
    """Terms of service; those in force, or of ``?version=``."""
    return _page("terms")


@bp.get("/privacy")
@open_page
def privacy() -> Response:
    """The privacy notice; the one in force, or of ``?version=``."""
    return _page("privacy")


def _page(kind: str) -> Response:
    version = request.args.get("version", "")
    if version and not _VERSION.fullmatch(version):
        abort(404)
    found = get(f"/v1/terms/{version}" if version else "/v1/terms")
    lang = language()
    text = next(t for t in found["texts"] if (t["kind"], t["language"]) == (kind, lang))
    return render("enter/text.html", found=found, text=text, blocks=blocks(text["text"]))
