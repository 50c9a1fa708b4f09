"""Appeals of residents against refusals: upheld or overturned, with an answer that they read."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import ask, get
from service.web.desk import bp, words
from service.web.desk.explaining import history_parts, steps_part, why_parts
from service.web.desk.queues import go_on, neighbours
from service.web.desk.shapes import Drawn, Facts, Field, Filters, Form, Note, Table
from service.web.desk.showing import asked, page, rows_of
from service.web.guards import page_for


@bp.get("/appeals")
@page_for("operator")
def appeals() -> Response:
    """What waits for an answer, the oldest first; or what has one."""
    found, more = rows_of("/v1/appeals", "appeals", **asked("state"))
    rows = [one | {"waiting": words.waited(one["waiting_s"])} for one in found]
    states = [("waiting", _("待答复")), ("answered", _("已答复"))]
    return page(
        _("申诉处理"),
        Filters((Field("state", _("状态"), "choice", options=states, value="waiting"),), _("筛选")),
        Drawn("desk/list_keys.html", {}),
        Table(
            _("居民的申诉"),
            [
                ("behaviour", _("行为")),
                ("day", _("日期")),
                ("reason", _("原决定的理由")),
                ("text", _("居民怎么说")),
                ("state", _("状态")),
                ("waiting", _("已等待")),
            ],
            rows,
            link=_url,
            empty=_("没有等待答复的申诉。"),
            next_cursor=more,
            keyed=True,
        ),
    )


@bp.route("/appeals/<uuid:holder_id>/<uuid:activity_id>", methods=["GET", "POST"])
@page_for("operator")
def appeal(holder_id: UUID, activity_id: UUID) -> Response:
    """One appeal with the evidence, and the verdict."""
    path = f"/v1/holders/{holder_id}/appeals/{activity_id}"
    found = get(path)
    told = found["appeal"]
    beside = neighbours("/v1/appeals", "appeals", str(activity_id), _url)
    keys = [("a", _("改判")), ("r", _("维持"))]
    above = {"before": beside.before, "after": beside.after, "shortcuts": keys}
    waits = told["state"] in ("pending", "seconded")
    seconded = [Note(_("一位工作人员主张改判；积分较多，须另一位同意。"), "warn")]
    return page(
        _("申诉：%(behaviour)s %(day)s", **_what(found["activity"])),
        Drawn("desk/keys.html", above),
        *(seconded if told["state"] == "seconded" else []),
        Facts(_("居民怎么说"), [("text", _("申诉内容")), ("opened_at", _("提出时间"))], told),
        *why_parts(found["activity"]),
        *history_parts(found["history"]),
        side=[
            *([_verdict(path, go_on(beside, "desk.appeals"))] if waits else [_answer(told)]),
            steps_part(found["steps"]),
        ],
        at="desk.appeals",
        back=(url_for("desk.appeals"), _("申诉处理")),
        badge=told["state"],
    )


def _verdict(path: str, following: str) -> Form:
    return Form(
        "decide",
        _("答复"),
        lambda typed: ask("PUT", f"{path}/verdicts/{typed.id}", body=typed.body),
        "",
        (
            Field(
                "text",
                _("给居民的答复"),
                "area",
                hint=_("居民会读到这段话。"),
                attributes={"maxlength": "500"},
            ),
        ),
        done="answered",
        goes=lambda _answer: following,
        choices=(("overturn", _("改判"), "primary"), ("uphold", _("维持原决定"), "danger")),
    )


def _answer(told: dict[str, Any]) -> Facts:
    return Facts(_("答复"), "state answer answered_by answered_at", told)


def _what(activity: dict[str, Any]) -> dict[str, Any]:
    return {"behaviour": activity["behaviour"] or "", "day": activity["day"] or ""}


def _url(case: dict[str, Any]) -> str:
    return url_for("desk.appeal", holder_id=case["holder_id"], activity_id=case["activity_id"])
