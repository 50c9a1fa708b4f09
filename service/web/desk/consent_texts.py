"""Consent texts on paper: residents without a phone read them at the counter, and sign."""

from flask import Response, abort, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import get
from service.web.desk import bp
from service.web.desk.shapes import Drawn, Table
from service.web.desk.showing import page
from service.web.guards import page_for


@bp.get("/consent-texts")
@page_for("operator", "volunteer")
def consent_texts() -> Response:
    """The scenes that ask for consent."""
    scenes = [one for one in get("/v1/scenes")["scenes"] if one["consent_text_version"]]
    columns = ((_own("name"), _("场景")), ("code", _("编号")), ("consent_text_version", _("版本")))
    table = Table(
        _("选一个场景，读授权书或打印"),
        columns,
        scenes,
        link=lambda one: url_for("desk.consent_text", scene=one["code"]),
    )
    return page(_("授权书文本"), table)


@bp.get("/consent-texts/<string:scene>")
@page_for("operator", "volunteer")
def consent_text(scene: str) -> Response:
    """One text as it stands, with lines to sign on when it is printed."""
    found = get(f"/v1/scenes/{scene}")
    if (version := found["consent_text_version"]) is None:
        abort(404)
    text = get(f"/v1/scenes/{scene}/consent-texts/{version}")[_own("text")]
    values = {"paragraphs": text and text.splitlines(), "version": version, "scene": scene}
    return page(
        found[_own("name")],
        Drawn("desk/consent_text.html", values),
        at="desk.consent_texts",
        back=(url_for("desk.consent_texts"), _("授权书文本")),
    )


def _own(name: str) -> str:
    return f"{name}_en" if language() == "en" else f"{name}_zh"
