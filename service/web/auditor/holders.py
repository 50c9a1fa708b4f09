"""What a holder has, owes and has reserved, lot by lot."""

from uuid import UUID

from flask import Response, url_for

from service.web.asking import get
from service.web.auditor import bp, words
from service.web.auditor.filters import typed
from service.web.guards import page_for
from service.web.rendering import render, see_other


@bp.get("/holders")
@page_for("auditor")
def holders() -> Response:
    """Where a holder's id is typed: auditors know people by nothing else."""
    form = typed("holder_id")
    try:
        wanted = UUID(form["holder_id"])
    except ValueError:
        wrong = bool(form["holder_id"])
        return render("auditor/holders.html", status=422 if wrong else 200, form=form, wrong=wrong)
    return see_other(url_for("auditor.holder", holder_id=wanted))


@bp.get("/holders/<uuid:holder_id>")
@page_for("auditor")
def holder(holder_id: UUID) -> Response:
    """Their accounts with lots; an unknown holder has none."""
    accounts = get(f"/v1/audit/accounts/{holder_id}")["accounts"]
    return render("auditor/holder.html", holder_id=holder_id, accounts=accounts, words=words)
