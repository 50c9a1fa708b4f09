"""The staff console."""

from typing import Any

from flask import Blueprint, g

from service.web import guards
from service.web.desk import codes, menu, words

bp = Blueprint("desk", __name__, url_prefix="/desk")
guards.register(bp)


@bp.context_processor
def _words() -> dict[str, Any]:
    """What the desk's templates ask for: the menu of who reads, and what things are called."""
    return {
        "groups": menu.groups_of(g.get("page_caller")),
        "current_group": menu.current,
        "label": words.label,
        "kind_of": words.kind_of,
        "state_word": words.state_word,
        "term": codes.term,
        "is_chinese": words.is_chinese,
        "waited": words.waited,
    }


# Views register themselves on the blueprint, so it has to be there before they are.
from service.web.desk import (  # noqa: E402
    admin_log,
    appeals,
    budgets,
    catalogue,
    consent_texts,
    corrections,
    counter,
    drafting,
    drafts,
    feeds,
    home,
    jobs,
    keys,
    members,
    merchant_parts,
    merchants,
    offers,
    own,
    residents,
    reviews,
    scenes,
    settlements,
    vouchers,
)

__all__ = [
    "admin_log",
    "appeals",
    "bp",
    "budgets",
    "catalogue",
    "consent_texts",
    "corrections",
    "counter",
    "drafting",
    "drafts",
    "feeds",
    "home",
    "jobs",
    "keys",
    "members",
    "merchant_parts",
    "merchants",
    "offers",
    "own",
    "residents",
    "reviews",
    "scenes",
    "settlements",
    "vouchers",
]
