"""Pages of auditors: the journal, proofs, the log, audits, what programmes owe, what staff did."""

from flask import Blueprint

from service.web import guards

bp = Blueprint("auditor", __name__, url_prefix="/auditor")
guards.register(bp)

# Views register themselves on the blueprint, so it has to be there before they are.
from service.web.auditor import (  # noqa: E402
    admin_log,
    audits,
    checkpoints,
    holders,
    journal,
    overview,
    proofs,
    reports,
)

__all__ = [
    "admin_log",
    "audits",
    "bp",
    "checkpoints",
    "holders",
    "journal",
    "overview",
    "proofs",
    "reports",
]
