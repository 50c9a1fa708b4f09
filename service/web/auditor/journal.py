"""Postings and transfers: lists with filters, one posting, and both as files."""

from uuid import UUID

from flask import Response, request

from service.web.asking import download, get
from service.web.auditor import bp, words
from service.web.auditor.filters import asked, listed, typed
from service.web.guards import page_for
from service.web.rendering import render

POSTINGS = (
    *("kind", "actor", "request_id", "first_day", "last_day"),
    *("unit", "min_amount", "max_amount"),
)
TRANSFERS = (*POSTINGS, "holder_id", "transfer_kind", "reference", "reverses_id")
_DAYS = {"first_day": "from", "last_day": "to"}


@bp.get("/postings")
@page_for("auditor")
def postings() -> Response:
    """Postings, the newest first."""
    form = typed(*POSTINGS)
    found = listed("/v1/audit/postings", "postings", asked(form, **_DAYS))
    return render("auditor/postings.html", status=found.status, found=found, form=form, words=words)


@bp.get("/postings.csv")
@page_for("auditor")
def postings_csv() -> Response:
    """The same as a file, however many."""
    return download("/v1/audit/postings.csv", **asked(typed(*POSTINGS), **_DAYS))


@bp.get("/postings/<uuid:posting_id>")
@page_for("auditor")
def posting(posting_id: UUID) -> Response:
    """One posting, and what it moved."""
    found = listed(f"/v1/audit/postings/{posting_id}/transfers", "transfers", {})
    about = get(f"/v1/audit/postings/{posting_id}")
    return render("auditor/posting.html", posting=about, found=found, words=words)


@bp.get("/transfers")
@page_for("auditor")
def transfers() -> Response:
    """Transfers, those of the newest posting first."""
    form = typed(*TRANSFERS)
    found = listed("/v1/audit/transfers", "transfers", asked(form, **_DAYS))
    more = any(form[name] for name in TRANSFERS if name not in POSTINGS)
    return render(
        "auditor/transfers.html",
        status=found.status,
        found=found,
        form=form,
        more_open=more or "more" in request.args,
        words=words,
    )


@bp.get("/transfers.csv")
@page_for("auditor")
def transfers_csv() -> Response:
    """The same as a file, however many."""
    return download("/v1/audit/transfers.csv", **asked(typed(*TRANSFERS), **_DAYS))
