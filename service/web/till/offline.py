"""A till whose line is down: its page signs and keeps what it took, and sends it afterwards.

The page itself is kept by the browser (a service worker), and holds nothing of a person. What is
signed is docs/merchants.md's; the key lies in the browser, where no script can read it out.
"""

from typing import Any

import msgspec
from flask import Response, jsonify, request, send_from_directory

from service.web.asking import ask
from service.web.guards import open_page, page_for
from service.web.rendering import render
from service.web.till import bp
from service.web.till.merchant import ROLES
from service.web.till.scanning import CAMERA

WORKER_MAY = (  # It fetches, and takes in what it loads.
    "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
)
SENT_AT_ONCE = 100  # A form's fields are 64 KiB at most.


@bp.get("/offline")
@page_for(*ROLES)
def offline() -> Response:
    """The counter for when there is no line."""
    answer = render("till/offline.html", sent_at_once=SENT_AT_ONCE)
    answer.headers["Permissions-Policy"] = CAMERA
    return answer


@bp.post("/offline")
@page_for(*ROLES)
def send() -> Response:
    """Hand on what was signed while offline: ``queue`` is the API's list as JSON.

    The API's answer as it is, for the page's script; the same list again is a retry.
    """
    try:
        queue: Any = msgspec.json.decode(request.form.get("queue", ""))
    except msgspec.DecodeError:
        queue = None
    answer = ask("POST", "/v1/consumptions", body={"consumptions": queue})
    told = jsonify(answer.body)
    told.status_code = answer.status
    if "Retry-After" in answer.headers:
        told.headers["Retry-After"] = answer.headers["Retry-After"]
    return told


@bp.get("/worker.js")
@open_page
def worker() -> Response:
    """The service worker: from here, so that it may answer for the pages below ``/till``."""
    answer = send_from_directory("static/till", "worker.js", mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Content-Security-Policy"] = WORKER_MAY
    answer.headers["Service-Worker-Allowed"] = "/till"  # Not only below "/till/".
    return answer
