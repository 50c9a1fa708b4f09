"""The review queue: what rules held back for a person, worked through by keys or by buttons."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp, words
from service.web.desk.explaining import history_parts, steps_part, why_parts
from service.web.desk.queues import go_on, neighbours
from service.web.desk.shapes import Drawn, Facts, Field, Filters, Form, Note, Table, Typed
from service.web.desk.showing import asked, page, rows_of
from service.web.desk.typing_in import one_line
from service.web.guards import page_caller, page_for


@bp.get("/reviews")
@page_for("operator")
def reviews() -> Response:
    """What waits, the oldest first."""
    chosen = asked("state", "code")
    found, more = rows_of("/v1/reviews", "reviews", **chosen)
    rows = [one | {"waiting": words.waited(one["waiting_s"])} for one in found]
    states = [(name, words.STATES[name][0]) for name in ("open", "asked", "seconded", "closed")]
    return page(
        _("复核队列"),
        Filters((Field("state", _("状态"), "choice", False, options=states),), _("筛选")),
        Drawn("desk/list_keys.html", {}),
        Table(
            _("等待复核的活动"),
            "behaviour day quantity potential_points reason state waiting programme",
            rows,
            link=_url,
            empty=_("队列里没有等待复核的活动。"),
            next_cursor=more,
            keyed=True,
        ),
    )


@bp.route("/reviews/<uuid:holder_id>/<uuid:activity_id>", methods=["GET", "POST"])
@page_for("operator")
def review(holder_id: UUID, activity_id: UUID) -> Response:
    """One case with all that is needed to decide, and the decision."""
    path = f"/v1/holders/{holder_id}/reviews/{activity_id}"
    found = get(path)
    case = found["review"]
    beside = neighbours("/v1/reviews", "reviews", str(activity_id), _url)
    keys = [("a", _("批准")), ("r", _("驳回")), ("q", _("询问居民"))]
    above = {"before": beside.before, "after": beside.after, "shortcuts": keys, "often": 3}
    facts = "potential_points state opened_at closed_at programme"
    return page(
        _("复核：%(behaviour)s %(day)s", **_what(found["activity"])),
        Drawn("desk/keys.html", above),
        *_second(case, found["steps"]),
        *why_parts(found["activity"]),
        *history_parts(found["history"]),
        side=[
            *(
                []
                if case["state"] == "closed"
                else [_decision(path, go_on(beside, "desk.reviews"))]
            ),
            steps_part(found["steps"]),
            Facts(_("案件"), facts, case),
            Note("", url=_resident(holder_id), link=_("查看这位居民")),
        ],
        at="desk.reviews",
        back=(url_for("desk.reviews"), _("复核队列")),
        badge=case["state"],
    )


def _second(case: dict[str, Any], steps: list[dict[str, Any]]) -> list[Note]:
    """What takes two persons says so, and to whom."""
    if case["state"] != "seconded":
        return []
    first = next((one["actor"] for one in reversed(steps) if one["action"] == "approve"), "")
    if first == page_caller().subject:
        text = _("您已同意这一件；积分较多，还要另一位工作人员同意才会入账。")
    else:
        text = _("%(who)s 已同意。积分较多，您同意后才会入账。", who=first)
    return [Note(text, "warn")]


def _decision(path: str, following: str) -> Form:
    def act(typed: Typed) -> Answer:
        body = typed.body | {"reason": one_line(typed.body.get("reason", ""))}
        return ask("PUT", f"{path}/steps/{typed.id}", body=body)

    return Form(
        "decide",
        _("决定"),
        act,
        "",
        (
            Field(
                "reason",
                _("理由或问题"),
                "area",
                hint=_("居民和审计人员都能看到。"),
                attributes={"maxlength": "500"},
            ),
        ),
        done="decided",
        goes=lambda _answer: following,
        choices=(
            ("approve", _("批准"), "primary"),
            ("reject", _("驳回"), "danger"),
            ("ask", _("询问居民"), ""),
        ),
        reasons=_reasons(),
    )


def _reasons() -> tuple[str, ...]:
    """What is often given: with an approval, with a question, with a rejection."""
    return _("记录与凭证一致"), _("凭证看不清，请重新说明"), _("与另一次活动重复")


def _what(activity: dict[str, Any]) -> dict[str, Any]:
    return {"behaviour": activity["behaviour"] or "", "day": activity["day"] or ""}


def _url(case: dict[str, Any]) -> str:
    return url_for("desk.review", holder_id=case["holder_id"], activity_id=case["activity_id"])


def _resident(holder_id: UUID) -> str:
    return url_for("desk.resident", holder_id=holder_id)
