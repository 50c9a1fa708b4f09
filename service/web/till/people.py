"""A merchant's clerks: invited, reset and ended by its managers."""

from uuid import UUID, uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import MANAGER, form_id, of_merchant, typed


@bp.get("/staff")
@page_for(MANAGER)
def staff() -> Response:
    """Who works or worked here."""
    return _list()


@bp.post("/staff")
@page_for(MANAGER)
def invite() -> Response:
    """Invite a clerk; the link is to be handed over, and is told for ten minutes."""
    body = {"login": typed("login") or "", "display_name": typed("display_name") or ""}
    return _invited(ask("PUT", of_merchant(f"/staff/{form_id()}"), body=body))


@bp.post("/staff/<uuid:member_id>/reset")
@page_for(MANAGER)
def reset(member_id: UUID) -> Response:
    """Take password, authenticator and sessions, and invite anew."""
    return _invited(ask("PUT", of_merchant(f"/staff/{member_id}/reset/{form_id()}")))


@bp.post("/staff/<uuid:member_id>/end")
@page_for(MANAGER)
def end(member_id: UUID) -> Response:
    """End a clerk's work here."""
    answer = ask("DELETE", of_merchant(f"/staff/{member_id}"))
    if answer.refused:
        return _list(answer)
    return see_other(url_for("till.staff", done="ended"))


def _invited(answer: Answer) -> Response:
    if answer.refused:
        return _list(answer)
    link = None
    if invitation := answer.body["invitation"]:
        link = url_for("enter.invited", invitation=invitation, _external=True)
    return render("till/invited.html", clerk=answer.body, link=link)


def _list(refused: Answer | None = None) -> Response:
    return render(
        "till/staff.html",
        status=refused.status if refused else 200,
        found=get(of_merchant("/staff"), cursor=request.args.get("cursor"), limit=50),
        new_id=form_id(),
        reset_id=uuid4,
        form=request.form,
        refused=refused,
        dones={"ended": _("已结束该人员在本店的工作，登录随即失效。")},
    )
