"""Where the pages of districts begin: in the own division, or with the choice of one."""

from flask import Response, request, url_for

from service.web.district import READERS, bp, places
from service.web.guards import page_caller, page_for
from service.web.rendering import render, see_other


@bp.get("")
@page_for(*READERS)
def home() -> Response:
    """Who is bound to a division is taken there; the others choose one."""
    caller = page_caller()
    if caller.scope:
        return see_other(url_for("district.dashboard", division=caller.scope))
    words = request.args.get("words", "").strip()[:40]
    return render(
        "district/home.html",
        words=words,
        found=places.sought(words),
        provinces=places.provinces(),
        bound=caller.role == "district_officer",
    )
