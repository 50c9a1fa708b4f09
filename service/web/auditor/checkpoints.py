"""Checkpoints of the log, and that a newer one continues an older one."""

from flask import Response

from service.services import services
from service.web.asking import Refused, ask
from service.web.auditor import bp, words
from service.web.auditor.filters import listed, typed
from service.web.guards import page_for
from service.web.rendering import render


@bp.get("/log")
@page_for("auditor")
def checkpoints() -> Response:
    """The published checkpoints, the newest first; two of them can be compared."""
    found = listed("/v1/audit/checkpoints", "checkpoints", {})
    return render("auditor/checkpoints.html", status=found.status, found=found, words=words)


@bp.get("/log/compare")
@page_for("auditor")
def compare() -> Response:
    """The hashes from one root to the other, checked here and again in the reader's browser."""
    form = typed("older_size", "newer_size")
    answer = ask("GET", "/v1/audit/checkpoints/consistency", query=form)
    if answer.status in (403, 401):
        raise Refused(answer)
    return render(
        "auditor/compare.html",
        status=answer.status,
        form=form,
        refused=answer if answer.refused else None,
        found=None if answer.refused else answer.body,
        verifier=str(services().log.verifier()),
    )
