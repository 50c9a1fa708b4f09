"""Signing in and out by pages: residents by a code on their phone, staff by password and code."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from service.authorisation import MERCHANT_ROLES
from service.language import Text, chosen
from service.services import services
from service.web import browsers, guards, slips
from service.web.asking import Answer, ask, get
from service.web.devices import device_name
from service.web.guards import home_of, is_local, open_page
from service.web.rendering import render, see_other
from service.web.resident.live_code import sign_off
from service.web.towns import open_programmes, towns

bp = Blueprint("enter", __name__)
guards.register(bp)


@bp.get("/sign-in")
@open_page
def resident() -> Response:
    """Where a resident types their phone."""
    if (own := _own_pages()) is not None:
        return own
    return render("enter/phone.html", **_about(), methods=get("/v1/auth/methods"))


@bp.post("/sign-in")
@open_page
def send_code() -> Response:
    """Send a code to the phone, and ask for it."""
    phone = request.form.get("phone", "")
    sent = ask("POST", "/v1/auth/phone-codes", body={"phone": phone})
    if sent.refused:
        return _again("enter/phone.html", sent, methods=get("/v1/auth/methods"))
    return render("enter/code.html", **_about(), phone=phone, sent=sent.body)


@bp.post("/sign-in/code")
@open_page
def with_code() -> Response:
    """Sign in with the code; who is new here chooses a programme and agrees to the terms."""
    phone = request.form.get("phone", "")
    body = {"phone": phone, "code": request.form.get("code", ""), "device_name": device_name()}
    found = ask("POST", "/v1/auth/phone", body=body)
    if found.refused:
        return _again("enter/code.html", found, phone=phone, sent=None)
    if tokens := found.body.get("tokens"):
        return _into(tokens)
    return _sign_up_form(found.body["sign_up_token"])


@bp.post("/sign-up")
@open_page
def sign_up() -> Response:
    """Take part: programme, town, date of birth, agreement to the terms."""
    form = request.form
    if "look" in form:
        return _sign_up_form(form.get("sign_up_token", ""))
    body: dict[str, Any] = {
        name: value
        for name in ("sign_up_token", "programme", "division", "birth_on", "name")
        if (value := form.get(name, "").strip())
    }
    body |= {"device_name": device_name()}
    # The version that the page linked to; where another is in force by now, the API refuses.
    if form.get("terms") == "yes" and form.get("terms_version", "").isdecimal():
        body["terms_version"] = int(form["terms_version"][:7])
    done = ask("POST", "/v1/auth/sign-up", body=body)
    if done.refused:
        return _sign_up_form(form.get("sign_up_token", ""), done)
    return _into(done.body)


@bp.get("/staff/sign-in")
@open_page
def staff() -> Response:
    """Where merchants' people and staff sign in."""
    if (own := _own_pages()) is not None:
        return own
    return render("enter/staff.html", **_about())


@bp.post("/staff/sign-in")
@open_page
def staff_in() -> Response:
    """Sign in by password and authenticator; who has several grants chooses one."""
    if not (given := _shown_by_staff()):
        again = url_for("enter.staff", next=_about()["next"], ended=1)
        return see_other(again)
    body = given | {"device_name": device_name()}
    if grant_id := request.form.get("grant_id"):
        body["grant_id"] = grant_id
    done = ask("POST", "/v1/auth/staff", body=body)
    if done.kind == "grant-not-chosen":
        slip = slips.sealed(given, about=_slip_about("sign-in"))
        return render("enter/grant.html", **_about(), grants=done.body["grants"], slip=slip)
    if done.refused:
        return _again("enter/staff.html", done)
    return _into(done.body)


@bp.get("/staff/invitation/<string:invitation>")
@open_page
def invited(invitation: str) -> Response:
    """Where somebody who was invited sets a password."""
    return render("enter/invited.html", **_about(), invitation=invitation)


@bp.post("/staff/invitation/<string:invitation>")
@open_page
def enrol(invitation: str) -> Response:
    """Set the password; then show the authenticator's secret, and confirm it."""
    about, totp = _slip_about(invitation), request.form.get("totp", "").strip()
    kept = slips.opened(request.form.get("slip", ""), about=about)
    password = kept.get("password") or request.form.get("password", "")
    body = {"invitation": invitation, "password": password}
    begun = ask("POST", "/v1/auth/staff/enrolment", body=body)
    if begun.refused:
        return _again("enter/invited.html", begun, invitation=invitation)
    slip = slips.sealed({"password": password}, about=about)
    shown = {"invitation": invitation, "slip": slip, "begun": begun.body}
    if not totp:
        return render("enter/authenticator.html", **_about(), **shown)
    done = ask("PUT", "/v1/auth/staff/enrolment/confirmation", body=body | {"totp": totp})
    if done.refused:
        return _again("enter/authenticator.html", done, **shown)
    return render("enter/recovery_codes.html", **_about(), codes=done.body["recovery_codes"])


@bp.post("/sign-out")
@open_page
def out() -> Response:
    """End the session and forget it in this browser; what it kept for offline reading goes too."""
    found = browsers.caller()
    answer = see_other(url_for("web.home"))
    sign_off(answer)
    browsers.signed_out()
    # A till's scanner key, and what it took offline, are the device's and not the clerk's.
    at_till = found is not None and found.role in MERCHANT_ROLES
    answer.headers["Clear-Site-Data"] = '"cache"' if at_till else '"cache", "storage"'
    return answer


def _shown_by_staff() -> dict[str, str]:
    """What was typed; or, from who chooses a grant, what they typed before. Nothing: too long ago.

    A page never tells a password back, where whoever comes next could read it.
    """
    form = request.form
    if slip := form.get("slip"):
        return slips.opened(slip, about=_slip_about("sign-in"))
    typed = {name: form.get(name, "").strip() for name in ("totp", "recovery_code")}
    given = {name: value for name, value in typed.items() if value}
    return given | {"login": form.get("login", "").strip(), "password": form.get("password", "")}


def _slip_about(what: str) -> str:
    """A slip is good in the browser that it was made for."""
    return f"{browsers.form_token()} {what}"


def _own_pages() -> Response | None:
    """Who comes without being sent here, and is signed in, goes on to their pages."""
    if "next" in request.args or (found := browsers.caller()) is None:
        return None
    return see_other(home_of(found))


def _into(tokens: dict[str, Any]) -> Response:
    """To where somebody was, or to the beginning of their pages."""
    browsers.leave_before()
    found = browsers.signed_in(tokens)
    browsers.begin_anew()
    wanted = request.form.get("next", "")
    return see_other(wanted if is_local(wanted) else home_of(found))


def _sign_up_form(sign_up_token: str, refused: Answer | None = None) -> Response:
    """Also where a town is looked for: the form comes back with those that were found."""
    words = request.form.get("town_words", "")
    transact = services().database.transact
    shown = _about() | {
        "sign_up_token": sign_up_token,
        "towns": transact(lambda session: towns(session, words)),
        "programme_options": transact(_options),
        "terms_version": get("/v1/auth/methods")["terms_version"],
    }
    if refused is None:
        return render("enter/sign_up.html", **shown)
    return _again("enter/sign_up.html", refused, **shown)


def _options(session: Session) -> list[tuple[str, str]]:
    found = [
        (one.code, chosen(Text(one.name_zh, one.name_en)))
        for one in open_programmes(session, now=datetime.now(UTC))
    ]
    return found if len(found) == 1 else [("", _("请选择")), *found]


def _again(template: str, refused: Answer, **values: Any) -> Response:
    """The form as it was typed, with what is wrong with it."""
    shown = _about() | values | {"refused": refused}
    return render(template, status=refused.status, **shown)


def _about() -> dict[str, Any]:
    """Where to go on to afterwards, and what was typed."""
    wanted = request.values.get("next", "")
    return {
        "next": wanted if is_local(wanted) else "",
        "ended": "ended" in request.args,
        "form": request.form,
    }
