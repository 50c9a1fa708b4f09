"""What staff did: the admin log."""

from flask import Response

from service.web.asking import download
from service.web.auditor import bp, words
from service.web.auditor.filters import asked, listed, typed
from service.web.guards import page_for
from service.web.rendering import render

NAMES = ("actor", "what", "object_kind", "object_id", "holder_id", "first_day", "last_day")
_DAYS = {"first_day": "since", "last_day": "until"}


@bp.get("/admin-log")
@page_for("auditor")
def admin_log() -> Response:
    """Acts of staff, the newest first, each with what it changed."""
    form = typed(*NAMES)
    found = listed("/v1/admin-log", "acts", asked(form, **_DAYS))
    for act in found.rows:
        act["changes"] = _changes(act["before"], act["after"])
    return render(
        "auditor/admin_log.html", status=found.status, found=found, form=form, words=words
    )


@bp.get("/admin-log.ndjson")
@page_for("auditor")
def admin_log_file() -> Response:
    """The same as a file, one act a line."""
    return download("/v1/admin-log/export", **asked(typed(*NAMES), **_DAYS))


def _changes(
    before: dict[str, object] | None, after: dict[str, object] | None
) -> list[tuple[str, object, object]]:
    """Facts that are not as they were: name, before, after."""
    was, is_ = before or {}, after or {}
    names = sorted({*was, *is_})
    return [
        (name, was.get(name), is_.get(name)) for name in names if was.get(name) != is_.get(name)
    ]
