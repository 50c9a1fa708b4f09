"""Scenes: how each stands, what became of it, what is due; and suspending or ending one."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from flask import Response, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import ask, get
from service.web.desk import bp, words
from service.web.desk.programmes import programme_filter
from service.web.desk.shapes import Facts, Field, Filters, Form, Note, Table
from service.web.desk.showing import asked, page
from service.web.guards import page_for
from service.web.rendering import BEIJING

REMINDED_DAYS = 60


@bp.get("/scenes")
@page_for("operator")
def scenes() -> Response:
    """All scenes within reach; first what ends soon."""
    found = [_named(one) for one in get("/v1/scenes")["scenes"]]
    soon = (datetime.now(BEIJING) + timedelta(days=REMINDED_DAYS)).date().isoformat()
    today = datetime.now(BEIJING).date().isoformat()
    ending = [
        one
        for one in found
        if one["status"] == "approved" and today < (one["approved_to"] or "9999") <= soon
    ]
    wanted = {name: value for name, value in asked("status", "programme").items() if value}
    shown = [one for one in found if wanted.items() <= one.items()]
    states = [(name, words.STATES[name][0]) for name in ("approved", "suspended", "ended", "draft")]
    columns = "code name partner behaviour_name status open approved_from approved_to programme"
    parts: list[Any] = [
        Table(
            _("60 天内到期，请与接入方确认是否续期"),
            "code name partner approved_to",
            ending,
            link=_url,
        )
    ] * bool(ending)
    return page(
        _("场景"),
        *parts,
        Filters(
            (programme_filter(), Field("status", _("状态"), "choice", False, options=states)),
            _("筛选"),
        ),
        Table(_("全部场景"), columns, shown, link=_url, empty=_("没有这样的场景。")),
        intro=_("场景是接入方的一种行为数据。开通、恢复和续期要两个人，用 tanhui scenes 办理。"),
    )


@bp.route("/scenes/<string:code>", methods=["GET", "POST"])
@page_for("operator")
def scene(code: str) -> Response:
    """One scene, its changes, and what can be done."""
    one = _named(get(f"/v1/scenes/{quote(code)}"))
    changes = get(f"/v1/scenes/{quote(code)}/changes")["changes"]
    now = datetime.now(BEIJING)
    later = [each for each in changes if datetime.fromisoformat(each["effective_at"]) > now]
    parts: list[Any] = []
    if later:
        parts.append(Note(_("已排定 %(count)d 项将来的变更，见下表。", count=len(later)), "warn"))
    facts = "code programme partner behaviour_name status open approved_from approved_to exclusions"
    columns = "effective_at status approved_to reason actor approved_by recorded_at"
    return page(
        one["name"],
        *parts,
        Facts("", facts, one),
        Table(_("状态变更"), columns, changes, empty=_("还没有变更。")),
        side=[] if one["status"] == "ended" else [_step(code, now)],
        at="desk.scenes",
        back=(url_for("desk.scenes"), _("场景")),
        badge=one["status"],
    )


def _step(code: str, now: datetime) -> Form:
    states = [("suspended", _("暂停场景")), ("ended", _("终止（不能恢复）"))]
    return Form(
        "step",
        _("暂停或终止"),
        lambda typed: ask("PUT", f"/v1/scenes/{quote(code)}/status", body=typed.body),
        _("提交"),
        (
            Field("status", _("操作"), "choice", options=states),
            Field(
                "effective_at", _("从何时起（北京时间）"), "instant", value=f"{now:%Y-%m-%dT%H:%M}"
            ),
            Field("reason", _("理由"), attributes={"maxlength": "500"}),
        ),
        confirm=_("生效后开始的活动不再计入。确定提交？"),
        tone="danger",
    )


def _named(one: dict[str, Any]) -> dict[str, Any]:
    lang = "en" if language() == "en" else "zh"
    return one | {"name": one[f"name_{lang}"], "behaviour_name": one[f"behaviour_{lang}"]}


def _url(one: dict[str, Any]) -> str:
    return url_for("desk.scene", code=one["code"])
