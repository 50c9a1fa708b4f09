"""Reading without a network: which pages a phone may keep, and what it shows of the others.

The service worker (static/resident/worker.js) keeps a page only where its answer says so, by a
header that names the reader without telling who it is: as soon as anybody else's page comes, what
was kept before is thrown away, as it is when one signs out or is sent to sign in.
"""

import hashlib
import hmac
from pathlib import Path

from flask import Response, current_app, g

from service.auth import public
from service.limits import limited
from service.services import services
from service.web.guards import open_page, page_caller
from service.web.rendering import render
from service.web.resident import bp

KEEP = "Tanhui-Keep"
WORKER = "resident/worker.js"


def kept(answer: Response) -> Response:
    """Let the reader's own phone keep this page; none of somebody for whom they act."""
    if answer.status_code == 200 and g.get("acting_for") is None:
        key = services().keyring.derived("kept pages")
        reader = hmac.digest(key, page_caller().subject.encode(), hashlib.sha256)
        answer.headers[KEEP] = reader[:12].hex()
    return answer


@bp.get("/offline")
@open_page
def offline() -> Response:
    """What a phone shows in place of a page that it has not kept."""
    answer = render("resident/offline.html")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@limited("files")
@public
def worker() -> Response:
    """The service worker, for all of the site: it also sees when somebody signs out."""
    content = (Path(str(current_app.static_folder)) / WORKER).read_bytes()
    answer = Response(content, content_type="text/javascript; charset=utf-8")
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
    )
    return answer
