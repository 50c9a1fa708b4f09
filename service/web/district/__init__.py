"""Pages of district officers: what a division's residents did, its plans, its reports."""

from typing import Any

from flask import Blueprint, current_app, request

from service.web import guards

bp = Blueprint("district", __name__, url_prefix="/district")
guards.register(bp)
READERS = ("district_officer", "operator", "auditor")
WRITERS = ("district_officer", "operator")  # Who issue reports and report values.
_OF_A_PERIOD = ("district.dashboard", "district.comparison")


@bp.url_defaults
def stay_in_the_division(endpoint: str, values: dict[str, Any]) -> None:
    """A link that names no division leads to the one that this page is about, and to its period."""
    if "division" in values or not current_app.url_map.is_endpoint_expecting(endpoint, "division"):
        return
    if found := (request.view_args or {}).get("division"):
        values["division"] = found
    if endpoint in _OF_A_PERIOD and (period := request.args.get("period")):
        values.setdefault("period", period)


# Views register themselves on the blueprint, so it has to be there before they are.
from service.web.district import (  # noqa: E402
    comparison,
    dashboard,
    home,
    reports,
    values,
)

__all__ = ["bp", "comparison", "dashboard", "home", "reports", "values"]
