"""Family: children under fourteen, whom one helps, and by whom one is helped."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.services import services
from service.web.asking import Answer, Refused, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import own_page
from service.web.towns import towns


@bp.get("/family")
@own_page
def family() -> Response:
    """Who belongs together here, and what they may do for each other."""
    return _page()


@bp.post("/family")
@own_page
def change_family() -> Response:
    """End what stands between two, make a code for a relative, or enter theirs."""
    form = request.form
    what = form.get("what", "")
    if what in ("delegates", "acting-for"):
        done = ask("DELETE", f"/v1/me/{what}/{_uuid(form.get('delegation_id', ''))}")
        if done.refused:
            return _page(done)
        return see_other(url_for(".family", done="ended"))
    if what == "offer":
        made = ask("POST", "/v1/me/delegate-offers", body={"may_spend": form.get("spend") == "yes"})
        return _page(made) if made.refused else render("resident/family_code.html", made=made.body)
    delegation_id = _uuid(form.get("delegation_id", ""))
    body = {"code": form.get("code", "")}
    begun = ask("PUT", f"/v1/me/acting-for/{delegation_id}", body=body)
    if begun.refused:
        return _page(begun)
    return see_other(url_for(".family", done="begun"))


@bp.get("/family/child")
@own_page
def child() -> Response:
    """Where a child is registered."""
    return _child()


@bp.post("/family/child")
@own_page
def register_child() -> Response:
    """Register it; a button beside the town's name looks for towns first."""
    form = request.form
    if "look" in form:
        return _child()
    names = ("name", "birth_on", "division")
    body = {name: value for name in names if (value := form.get(name, "").strip())}
    done = ask("PUT", f"/v1/me/children/{_uuid(form.get('child_id', ''))}", body=body)
    if done.refused:
        return _child(done)
    return see_other(url_for(".family", done="child"))


def _page(refused: Answer | None = None) -> Response:
    children = ask("GET", "/v1/me/children")
    if children.refused:
        raise Refused(children)
    dones: dict[str, Any] = {
        "ended": _("已经结束。"),
        "begun": _("可以代办了。点对方名字旁的“代办”开始。"),
        "child": _("孩子已经登记。点名字旁的“代办”，就能看到孩子的账户。"),
    }
    return render(
        "resident/family.html",
        status=refused.status if refused else 200,
        children={each["id"]: each for each in children.body["children"]},
        helped=get("/v1/me/acting-for")["acting_for"],
        helpers=get("/v1/me/delegates")["delegates"],
        new_id=uuid4(),
        powers=_powers(),
        refused=refused,
        form=request.form,
        dones=dones,
    )


def _child(refused: Answer | None = None) -> Response:
    words = request.form.get("town_words", "")
    return render(
        "resident/child.html",
        status=refused.status if refused else 200,
        child_id=_uuid(request.form.get("child_id", "")),
        towns=services().database.transact(lambda session: towns(session, words)),
        refused=refused,
        form=request.form,
    )


def _powers() -> dict[str, str]:
    return {"read": _("可以查看"), "spend": _("可以查看和使用积分"), "guardian": _("监护人")}


def _uuid(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        return uuid4()
