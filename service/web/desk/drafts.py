"""Drafts of the catalogue: what each changes, what it would have changed, and the approval."""

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from flask import Response, abort, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.codes import term
from service.web.desk.shapes import Facts, Field, Figures, Filters, Form, Note, Table
from service.web.desk.showing import page
from service.web.desk.words import label
from service.web.guards import page_caller, page_for
from service.web.rendering import BEIJING, kilograms, number

PREVIEW_DAYS = 14


@bp.get("/drafts")
@page_for("operator")
def drafts() -> Response:
    """What waits for a second person."""
    rows = [
        one | {"count": len(one["differences"])} for one in get("/v1/catalogue/drafts")["drafts"]
    ]
    columns = [
        ("name", _("草案")),
        ("programme", _("项目")),
        ("behaviour", _("行为")),
        ("against", _("替代的版本")),
        ("count", _("改动项数")),
        ("valid_from", _("起始日")),
        ("drafted_by", _("起草人")),
        ("drafted_at", _("起草时间")),
    ]
    return page(
        _("待批草案"),
        Table(
            _("等另一位工作人员批准"),
            columns,
            rows,
            link=lambda one: url_for("desk.draft", name=one["name"]),
            empty=_("没有等待批准的草案。"),
        ),
        intro=_(
            "在因子、方法学、规则、积分标准的页面起草，多项可用 tanhui catalogue load 导入；"
            "批准后对之后发生的活动生效，已入账的不变。"
        ),
    )


@bp.route("/drafts/<string:name>", methods=["GET", "POST"])
@page_for("operator")
def draft(name: str) -> Response:
    """One draft: the differences, its impact on past days, and the approval."""
    found = get("/v1/catalogue/drafts")["drafts"]
    one = next((each for each in found if each["name"] == name), None)
    if one is None:
        abort(404)
    columns = [("field", _("字段")), ("before", _("现行")), ("after", _("草案"))]
    first, last, previewed = _period()
    parts: list[Any] = [
        Facts("", "programme behaviour valid_from valid_to drafted_by drafted_at", one),
        Table(_("与现行版本的不同"), columns, _named(one["differences"]), empty=_("没有不同。")),
        *_preview(name, first, last, previewed=previewed),
    ]
    return page(
        name,
        *parts,
        side=_approval(name, one, previewed=previewed),
        at="desk.drafts",
        back=(url_for("desk.drafts"), _("待批草案")),
    )


def _named(differences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fields and codes by the names that people have for them."""
    return [
        {"field": str(label(one["field"]))}
        | {each: one[each] and str(term(one["field"], one[each])) for each in ("before", "after")}
        for one in differences
    ]


def _approval(name: str, one: dict[str, Any], *, previewed: bool) -> list[Any]:
    if one["drafted_by"] == page_caller().subject:
        return [Note(_("这是您起草的，要由另一位工作人员批准。"), "warn")]
    if not previewed:
        return [Note(_("请先在左侧测算影响，再批准。"), "warn")]
    approving = Form(
        "approve",
        _("批准"),
        lambda _typed: ask("PUT", f"/v1/catalogue/drafts/{quote(name)}/approval", body={}),
        _("批准并生效"),
        done="approved",
        confirm=_("批准后立即决定新的活动，不能撤回。确定批准？"),
        goes=lambda _answer: url_for("desk.drafts"),
    )
    return [Note(_("批准后立即对新的活动生效，已入账的不变。")), approving]


def _period() -> tuple[str, str, bool]:
    """Days to replay: as asked for, else the last two weeks; and whether they were asked for."""
    today = datetime.now(BEIJING).date()
    first = request.args.get("from", "")
    last = request.args.get("to", "")
    if first and last:
        return first, last, True
    return _iso(today - timedelta(days=PREVIEW_DAYS)), _iso(today - timedelta(days=1)), False


def _iso(day: date) -> str:
    return day.isoformat()


def _preview(name: str, first: str, last: str, *, previewed: bool) -> list[Any]:
    asking = Filters(
        (
            Field("from", _("从"), "day", value=first),
            Field("to", _("到（最多 31 天）"), "day", value=last),
        ),
        _("测算影响"),
    )
    heading = Note(_("用过去的记录按现行版本和草案各算一遍，看草案会改变什么；不写入任何内容。"))
    if not previewed:
        return [heading, asking]
    query = {"from": first, "to": last}
    answer = ask("GET", f"/v1/catalogue/drafts/{quote(name)}/impact", query=query)
    if answer.refused:
        return [heading, asking, *_refused(answer)]
    return [heading, asking, *_effects(answer.body)]


def _refused(answer: Answer) -> list[Note]:
    told = [answer.body["title"], *answer.errors.values()]
    if answer.body.get("detail"):
        told.insert(1, answer.body["detail"])
    return [Note(" ".join(told), "refused")]


def _effects(found: dict[str, Any]) -> list[Any]:
    total = found["total"]
    before, after = total["before"], total["after"]
    saved = after["saved_mg_co2e"] - before["saved_mg_co2e"]
    cards = [
        (_("重算的活动"), number(found["acts"]), "", ""),
        (_("变为通过"), number(total["newly_verified"]), "", ""),
        (_("变为不通过"), number(total["newly_refused"]), "", ""),
        (_("积分变化"), number(after["points"] - before["points"]), "", ""),
        (_("减排量变化（千克）"), kilograms(saved), "", ""),
    ]
    parts: list[Any] = [Figures(_("影响"), cards)]
    if found["not_replayed"]:
        parts.append(Note(_("这条规则要看多次活动，单独重算看不出影响。"), "warn"))
    if found["along"]:
        parts.append(Note(_("一并按已批准计算的因子：%(names)s", names="、".join(found["along"]))))
    for name, title in (("by_behaviour", _("按行为")), ("by_division", _("按区县"))):
        rows = [_flat(one) for one in found[name]]
        if rows:
            parts.append(Table(title, _COLUMNS, rows))
    return parts


_COLUMNS = (
    "code newly_verified newly_refused regranted points_before points_after"
    " saved_before saved_after"
)


def _flat(one: dict[str, Any]) -> dict[str, Any]:
    return one | {
        "points_before": one["before"]["points"],
        "points_after": one["after"]["points"],
        "saved_before": one["before"]["saved_mg_co2e"],
        "saved_after": one["after"]["saved_mg_co2e"],
    }
