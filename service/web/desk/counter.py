"""At the counter: entering what a resident with a card did, registering one, a lost card."""

from datetime import datetime, timedelta
from typing import Any

from flask import Response, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Scene
from service.language import language
from service.services import services
from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.programmes import own_programmes
from service.web.desk.shapes import Facts, Field, Filters, Form, Note, Typed
from service.web.desk.showing import page
from service.web.guards import page_for
from service.web.rendering import BEIJING
from service.web.towns import towns

_CARD = {"autocomplete": "off", "maxlength": "40"}


@bp.route("/entry", methods=["GET", "POST"])
@page_for("operator", "volunteer")
def entry() -> Response:
    """Enter one act."""
    return entry_page()


def entry_page() -> Response:
    """The entry; also where volunteers begin."""
    scenes = _staff_scenes()
    now = datetime.now(BEIJING)
    fields = (
        Field("card_number", _("居民的卡号"), attributes=_CARD | {"autofocus": "autofocus"}),
        Field("scene", _("做了什么"), "choice", options=scenes),
        Field("quantity", _("数量"), "number", hint=_("按上面括号里的单位填整数")),
        Field("started_at", _("开始时间"), "instant", value=f"{now - _HALF:%Y-%m-%dT%H:%M}"),
        Field("ended_at", _("结束时间"), "instant", value=f"{now:%Y-%m-%dT%H:%M}"),
        Field("material", _("材料"), "choice", False, options=_materials()),
        Field("object_id", _("投放点、车辆或快递编号"), required=False, attributes=_CARD),
    )
    form = Form(
        "entry",
        _("代居民记录一次活动"),
        _enter,
        _("记录"),
        fields,
        shows=_entered,
        hint=_("请先核对居民出示的卡。记录后会告诉居民得到多少积分，或为什么没有。"),
    )
    parts = [form] if scenes else [Note(_("您的项目没有可以代录的场景。"))]
    return page(_("代录活动"), *parts)


_HALF = timedelta(minutes=30)


def _enter(typed: Typed) -> Answer:
    body = dict(typed.body)
    details = {name: body.pop(name) for name in ("material", "object_id") if name in body}
    if details:
        body["details"] = details
    return ask("PUT", f"/v1/staff/activities/{typed.id}", body=body)


def _entered(told: Any) -> list[Any]:
    good = told["decision"] == "verified"
    if good:
        text = _("已记录，获得 %(points)d 积分。", points=told["points"])
    elif told["decision"] == "held":
        text = _("已记录，等工作人员复核后才有积分。")
    else:
        text = _("已记录，但没有积分。")
    facts = [("reason", _("说明")), ("day", _("日期")), ("quantity", _("数量"))]
    return [Note(text, "done" if good else "warn"), Facts("", facts, told)]


@bp.route("/registration", methods=["GET", "POST"])
@page_for("operator")
def registration() -> Response:
    """Register a resident with a card and consents on paper."""
    words = request.args.get("town", "")
    found = services().database.transact(lambda session: towns(session, words))
    looking = Filters((Field("town", _("居民住的街道或镇"), value=words),), _("查找"))
    if not found:
        note = Note(_("先查找居民住的街道或镇，输入名称中的几个字。"))
        missing = Note(_("没有找到这样的街镇，请换几个字试试。"), "warn")
        return page(_("登记居民"), missing if words else note, looking)
    scenes = [one for one in get("/v1/scenes")["scenes"] if one["consent_text_version"]]
    versions = {one["code"]: one["consent_text_version"] for one in scenes}

    def act(typed: Typed) -> Answer:
        signed = typed.body.pop("signed", [])
        consents = [{"scene": s, "text_version": versions[s]} for s in signed if s in versions]
        body = typed.body | {"consents": consents}
        return ask("PUT", f"/v1/staff/residents/{typed.id}", body=body)

    name = "name_en" if language() == "en" else "name_zh"
    fields = (
        Field("card_number", _("新卡的卡号"), attributes=_CARD),
        Field("programme", _("项目"), "choice", options=own_programmes()),
        Field("division", _("街镇"), "choice", options=[(one.code, one.name) for one in found]),
        Field(
            "signed",
            _("居民当面签署的纸质授权书"),
            "many",
            options=[(one["code"], one[name]) for one in scenes],
        ),
    )
    form = Form("register", _("登记"), act, _("登记"), fields, done="registered")
    texts = Note(
        _("签署前请居民先读授权书。"),
        url=url_for("desk.consent_texts"),
        link=_("授权书文本，可打印"),
    )
    return page(_("登记居民"), looking, texts, form)


@bp.route("/lost-card", methods=["GET", "POST"])
@page_for("operator")
def lost_card() -> Response:
    """Block a lost card, for good."""
    form = Form(
        "block",
        _("挂失一张卡"),
        lambda typed: ask("PUT", f"/v1/staff/card-blocks/{typed.id}", body=typed.body),
        _("挂失"),
        (Field("card_number", _("卡号"), attributes=_CARD),),
        done="card_blocked",
        confirm=_("挂失后这张卡永远不能再用。确定挂失？"),
        tone="danger",
        hint=_("补发新卡请在居民资料页办理。"),
    )
    return page(_("挂失卡"), form)


def _staff_scenes() -> list[tuple[str, str]]:
    """Scenes open now whose acts are entered by staff, with the unit that is counted in."""
    coded = services().database.transact(_codes)
    units = {
        one["code"]: one["base_unit"]
        for one in get("/v1/catalogue/behaviours", limit=200)["behaviours"]
    }
    name = "name_en" if language() == "en" else "name_zh"
    return [
        (one["code"], f"{one[name]} ({units.get(one['behaviour'], '')})")
        for one in get("/v1/scenes")["scenes"]
        if one["code"] in coded and one["open"]
    ]


def _codes(session: Session) -> set[str]:
    return set(session.scalars(select(Scene.code).where(Scene.channel == "staff")))


def _materials() -> list[tuple[str, str]]:
    found = get("/v1/catalogue/methods", limit=200)["methods"]
    names = {each["material"] for one in found for each in one["materials"]}
    return [(name, name) for name in sorted(names)]
