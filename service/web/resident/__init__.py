"""Pages of residents, for a phone."""

from flask import Blueprint

from service.web import guards

bp = Blueprint("resident", __name__, url_prefix="/my")
guards.register(bp)

from service.web.resident import (  # noqa: E402, F401 - each adds its pages to the blueprint.
    account,
    acting,
    activities,
    consents,
    family,
    home,
    household,
    leaving,
    live_code,
    months,
    offers,
    offline,
    security,
    statement,
    vouchers,
)
