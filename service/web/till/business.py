"""What else there is: the merchant itself, its agreements, where it is paid."""

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import MANAGER, ROLES, of_merchant, typed


@bp.get("/more")
@page_for(*ROLES)
def more() -> Response:
    """The merchant, and the pages that are not needed at the counter."""
    return render("till/more.html", merchant=get(of_merchant()))


@bp.get("/agreements")
@page_for(MANAGER)
def agreements() -> Response:
    """What was agreed on, also what is over; and the account into which is paid."""
    return _agreements()


@bp.post("/bank")
@page_for(MANAGER)
def bank() -> Response:
    """Tell where the merchant is paid; it is kept sealed and shown to no page again."""
    names = ("account_name", "account_number", "bank_name")
    body = {name: typed(name) or "" for name in names}
    answer = ask("PUT", of_merchant("/bank"), body=body)
    if answer.refused:
        return _agreements(answer)
    return see_other(url_for("till.agreements", done="bank"))


def _agreements(refused: Answer | None = None) -> Response:
    return render(
        "till/agreements.html",
        status=refused.status if refused else 200,
        found=get(of_merchant("/agreements"), cursor=request.args.get("cursor"), limit=50),
        merchant=get(of_merchant()),
        form=request.form,
        refused=refused,
        dones={"bank": _("收款账户已保存。")},
    )
