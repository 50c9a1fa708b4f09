"""All that is not on the bar below; one's name, phone and language."""

from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from activities.catalogue.models import Division
from service.services import services
from service.web.asking import Answer, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page


@bp.get("/more")
@my_page
def more() -> Response:
    """Every other page of the resident's."""
    return render("resident/more.html")


@bp.get("/profile")
@my_page
def profile() -> Response:
    """What is kept about the resident."""
    return _page()


@bp.post("/profile")
@my_page
def say() -> Response:
    """State the name, and once the date of birth."""
    body = {
        name: value
        for name in ("name", "birth_on")
        if (value := request.form.get(name, "").strip())
    }
    done = ask("PUT", "/v1/me", body=body)
    if done.refused:
        return _page(done)
    return see_other(url_for(".profile", done="saved"))


@bp.get("/phone")
@my_page
def phone() -> Response:
    """Where another phone is named."""
    return render("resident/phone.html", form=request.form, sent=False)


@bp.post("/phone")
@my_page
def change_phone() -> Response:
    """Send a code to the new phone; then, with the code, let it be the resident's."""
    form = request.form
    shown: dict[str, Any] = {"form": form, "sent": False}
    if "code" not in form:
        sent = ask("POST", "/v1/auth/phone-codes", body={"phone": form.get("phone", "")})
        if sent.refused:
            return render("resident/phone.html", status=sent.status, refused=sent, **shown)
        return render("resident/phone.html", **shown | {"sent": True})
    body = {name: form.get(name, "") for name in ("phone", "code")}
    done = ask("PUT", "/v1/me/phone", body=body)
    if done.refused:
        shown["sent"] = True
        return render("resident/phone.html", status=done.status, refused=done, **shown)
    return see_other(url_for(".profile", done="phone"))


def _page(refused: Answer | None = None) -> Response:
    person = get("/v1/me")
    return render(
        "resident/profile.html",
        status=refused.status if refused else 200,
        person=person,
        town=services().database.transact(lambda session: _town(session, person["division"])),
        refused=refused,
        form=request.form,
        dones={"saved": _("已经保存。"), "phone": _("手机号已经更换，以后用新号码登录。")},
    )


def _town(session: Session, code: str) -> str:
    """The town's name after its district's."""
    town = session.get(Division, code)
    district = town and town.parent_code and session.get(Division, town.parent_code)
    return " ".join(each.name_zh for each in (district, town) if each)
