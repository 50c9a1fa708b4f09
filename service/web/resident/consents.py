"""Consents, scene by scene: what they mean, giving and withdrawing them."""

from typing import Any

from flask import Response, abort, request, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import Answer, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page


@bp.get("/consents")
@my_page
def consents() -> Response:
    """The scenes of the programme, and to which of them the resident consents."""
    return _page()


@bp.get("/consents/<string:scene>")
@my_page
def consent_text(scene: str) -> Response:
    """The text that a scene asks to consent to, and the button below it."""
    return _text_page(scene)


@bp.post("/consents")
@my_page
def change_consent() -> Response:
    """Give or withdraw one."""
    form = request.form
    body: dict[str, Any] = {"given": form.get("given") == "yes"}
    if body["given"] and form.get("text_version", "").isdecimal():
        body["text_version"] = int(form["text_version"])
    scene = "".join(c for c in form.get("scene", "") if c.isalnum() or c in ".-_")[:64] or "-"
    done = ask("PUT", f"/v1/consents/{scene}", body=body)
    if done.refused:
        return _text_page(scene, done) if body["given"] else _page(done)
    said = "given" if body["given"] else "withdrawn"
    return see_other(url_for(".consents", done=said))


def _text_page(code: str, refused: Answer | None = None) -> Response:
    scene = get(f"/v1/scenes/{code}")
    if (version := scene["consent_text_version"]) is None:
        abort(404)
    found = get(f"/v1/scenes/{code}/consent-texts/{version}")
    text = found["text_en" if language() == "en" else "text_zh"]
    return render(
        "resident/consent_text.html",
        status=refused.status if refused else 200,
        scene=scene,
        paragraphs=text and text.splitlines(),
        refused=refused,
    )


def _page(refused: Answer | None = None) -> Response:
    scenes = get("/v1/scenes")["scenes"]
    asked = [each for each in scenes if each["consent_text_version"] is not None]
    given = {each["scene"]: each for each in get("/v1/consents")["consents"] if each["given"]}
    dones = {
        "given": _("已经同意。从现在起开始的行为会计入。"),
        "withdrawn": _("已经撤回。此后开始的行为不再计入，已入账的不收回。"),
    }
    return render(
        "resident/consents.html",
        status=refused.status if refused else 200,
        on=[each for each in asked if each["consented"]],
        off=[each for each in asked if not each["consented"] and each["open"]],
        outdated=set(given),
        given=given,
        refused=refused,
        dones=dones,
    )
