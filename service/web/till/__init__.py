"""Pages of a merchant's people, at the till and behind it."""

from flask import Blueprint

from service.web import guards

bp = Blueprint("till", __name__, url_prefix="/till")
guards.register(bp)

# Views register themselves on the blueprint, so it has to be there before they are.
from service.web.till import (  # noqa: E402
    business,
    offer_drafts,
    offers,
    offline,
    people,
    places,
    scanning,
    settlement_files,
    settlements,
    systems,
    today,
)

__all__ = [
    "bp",
    "business",
    "offer_drafts",
    "offers",
    "offline",
    "people",
    "places",
    "scanning",
    "settlement_files",
    "settlements",
    "systems",
    "today",
]
