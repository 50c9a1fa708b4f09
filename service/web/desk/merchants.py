"""Merchants: the list, one with its papers, its approval, suspension and end."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import Answer, ask, get
from service.web.desk import bp, words
from service.web.desk.merchant_parts import agreements, bank, shops
from service.web.desk.programmes import own_programmes
from service.web.desk.shapes import Drawn, Facts, Field, Filters, Form, Table
from service.web.desk.showing import asked, page, rows_of
from service.web.guards import page_for

TABS = ("overview", "agreements", "shops", "offers", "settlements")
STATES = ("draft", "approved", "suspended", "ended")
SHORT, LONG = {"maxlength": "100"}, {"maxlength": "500"}


@bp.route("/merchants", methods=["GET", "POST"])
@page_for("operator")
def merchants() -> Response:
    """All merchants within reach, and a new one."""
    found, more = rows_of("/v1/merchants", "merchants", **asked("state"))
    states = [(name, words.STATES[name][0]) for name in STATES]
    return page(
        _("商户名单"),
        Filters((Field("state", _("状态"), "choice", False, options=states),), _("筛选")),
        Table(
            _("商户名单"),
            "name state credit_code bank_last4 programme made_at made_by",
            [named(one) for one in found],
            link=lambda one: url_for("desk.merchant", merchant_id=one["id"]),
            empty=_("没有这样的商户。"),
            next_cursor=more,
        ),
        side=[_new()],
    )


@bp.route("/merchants/<uuid:merchant_id>", methods=["GET", "POST"])
@page_for("operator")
def merchant(merchant_id: UUID) -> Response:
    """One merchant, part by part."""
    path = f"/v1/merchants/{merchant_id}"
    one = named(get(path))
    tab = request.args.get("tab", TABS[0])
    parts: list[Any] = [_tabs(merchant_id, tab)]
    side: list[Any] = []
    if tab == "agreements":
        table, side = agreements(path)
        parts.append(table)
    elif tab == "shops":
        found, side = shops(path)
        parts += found
    elif tab == "offers":
        parts.append(_offers(merchant_id))
    elif tab == "settlements":
        parts.append(_settlements(merchant_id))
        side = [_draft(path)]
    else:
        facts = "name_zh name_en credit_code bank_last4 programme made_at made_by id"
        parts.append(Facts(_("资料"), facts, one))
        side = [*_steps(path, one["state"]), _names(path, one), *bank(path)]
    return page(
        one["name"],
        *parts,
        side=side,
        at="desk.merchants",
        back=(url_for("desk.merchants"), _("商户名单")),
        badge=one["state"],
    )


def named(one: dict[str, Any]) -> dict[str, Any]:
    """With its name in the reader's language."""
    return one | {"name": one["name_en"] if language() == "en" else one["name_zh"]}


def _new() -> Form:
    made = str(uuid4())

    def act(typed: Any) -> Answer:
        nonlocal made
        made = typed.id
        return ask("PUT", f"/v1/merchants/{typed.id}", body=typed.body)

    return Form(
        "new",
        _("录入新商户"),
        act,
        _("录入"),
        (
            Field("programme", _("项目"), "choice", options=own_programmes()),
            Field("name_zh", _("名称（中文）"), attributes=SHORT),
            Field("name_en", _("名称（英文）"), attributes=SHORT),
            Field("credit_code", _("统一社会信用代码"), required=False, hint=_("草稿可以先不填")),
        ),
        goes=lambda _answer: url_for("desk.merchant", merchant_id=made),
        tone="",
    )


def _names(path: str, one: dict[str, Any]) -> Form:
    fields = [
        Field("name_zh", _("名称（中文）"), value=one["name_zh"], attributes=SHORT),
        Field("name_en", _("名称（英文）"), value=one["name_en"], attributes=SHORT),
    ]
    code = one["credit_code"]
    if one["state"] == "draft":
        fields.append(Field("credit_code", _("统一社会信用代码"), required=False, value=code))
    kept = {"programme": one["programme"]} | (
        {} if one["state"] == "draft" else {"credit_code": code}
    )
    return Form(
        "names",
        _("修改资料"),
        lambda typed: ask("PUT", path, body=kept | typed.body),
        _("保存"),
        fields,
        tone="",
    )


def _steps(path: str, state: str) -> list[Form]:
    """What may become of it: draft → approved ⇄ suspended → ended."""
    ways = {
        "draft": [("approved", _("批准"))],
        "approved": [("suspended", _("暂停合作"))],
        "suspended": [("approved", _("恢复")), ("ended", _("终止合作"))],
        "ended": [],
    }[state]
    if not ways:
        return []
    form = Form(
        "state",
        _("审批与状态"),
        lambda typed: ask("PUT", f"{path}/state", body=typed.body),
        _("提交"),
        (
            Field("state", _("操作"), "choice", options=ways),
            Field("reason", _("理由"), hint=_("审计人员能看到"), attributes=LONG),
        ),
    )
    return [form]


def _tabs(merchant_id: UUID, tab: str) -> Drawn:
    names = {
        "overview": _("资料"),
        "agreements": _("协议"),
        "shops": _("门店与设备"),
        "offers": _("商品"),
        "settlements": _("结算"),
    }
    links = [
        (url_for("desk.merchant", merchant_id=merchant_id, tab=name), text, name == tab)
        for name, text in names.items()
    ]
    return Drawn("desk/tabs.html", {"links": links})


def _offers(merchant_id: UUID) -> Table:
    rows, more = rows_of(f"/v1/merchants/{merchant_id}/offers", "offers")
    lang = "en" if language() == "en" else "zh"
    shown = [
        one
        | {
            "title": one["newest"][f"title_{lang}"],
            "price_points": one["newest"]["price_points"],
            "settlement_fen": one["newest"]["settlement_fen"],
            "newest_version": one["newest"]["version"],
        }
        for one in rows
    ]
    columns = [
        ("title", _("商品")),
        ("state", _("状态")),
        ("price_points", _("价格（积分）")),
        ("settlement_fen", _("每份结算价")),
        ("stock_units", _("库存")),
        ("put_units", _("累计投放")),
        ("version", _("在售版本")),
        ("newest_version", _("最新版本")),
    ]
    return Table(
        _("商品"),
        columns,
        shown,
        link=lambda one: url_for("desk.offer", merchant_id=merchant_id, offer_id=one["id"]),
        empty=_("这家商户还没有商品。"),
        next_cursor=more,
    )


def _settlements(merchant_id: UUID) -> Table:
    rows, more = rows_of(f"/v1/merchants/{merchant_id}/settlements", "settlements")
    return Table(
        _("结算单"),
        "period_from period_to state lines payable_fen confirmed_at paid_at",
        rows,
        link=lambda one: url_for(
            "desk.settlement", merchant_id=merchant_id, settlement_id=one["id"]
        ),
        empty=_("还没有结算单。"),
        next_cursor=more,
    )


def _draft(path: str) -> Form:
    return Form(
        "draft",
        _("生成结算单"),
        lambda typed: ask("PUT", f"{path}/settlements/{typed.id}", body=typed.body),
        _("生成草稿"),
        (
            Field("period_from", _("账期第一天"), "day"),
            Field("period_to", _("账期结束的次日"), "day"),
        ),
        done="drafted",
        hint=_("账期须已结束；商户确认、另一位工作人员批准后才能付款。"),
    )
