"""A division's parts side by side; no league table unless somebody asks for one."""

from flask import Response, request

from service.web.asking import get
from service.web.district import READERS, bp, places
from service.web.district.framing import framed
from service.web.guards import page_for


@bp.get("/<string:division>/comparison")
@page_for(*READERS)
def comparison(division: str) -> Response:
    """Per 1,000 residents and per registered resident, in the order of codes."""
    here = places.here(division)
    chosen, ranked = here.shown(), request.args.get("rank") == "true"
    path = f"/v1/districts/{division}/comparison"
    found = get(path, period=chosen.period, rank="true" if ranked else None)
    return framed("district/comparison.html", here, chosen=chosen, found=found, ranked=ranked)
