"""The form by which an offer's next version is drafted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flask_babel import gettext as _

from service.web.asking import Answer, ask
from service.web.desk.shapes import Field, Form, Typed
from service.web.rendering import BEIJING

_OWN = (
    "budget_id",
    "project_id",
    "pictures",
    "agreement_id",
    "division_codes",
    "scene_codes",
    "shop_ids",
)


def drafting(
    merchant: str,
    one: dict[str, Any] | None,
    url: Callable[[str], str],
    budgets: Sequence[tuple[str, str]],
) -> Form:
    """Of a new offer, or of the next version of one; what the form does not ask stays as it is.

    ``merchant`` is the merchant's path at the API; ``url`` the page of an offer by its id.
    """
    newest = one["newest"] if one else {}
    made: dict[str, str] = {}

    def act(typed: Typed) -> Answer:
        offer_id = one["id"] if one else typed.id
        made["id"] = offer_id
        body = {name: newest[name] for name in _OWN if newest.get(name)}
        if one:
            body |= {name: one[name] for name in ("kind", "budget_id", "project_id") if one[name]}
        return ask("PUT", f"{merchant}/offers/{offer_id}", body=body | typed.body)

    return Form(
        "draft",
        _("起草新版本") if one else _("起草商品"),
        act,
        _("保存草稿"),
        [*([] if one else _fixed(budgets)), *_terms(newest)],
        done="drafted",
        goes=lambda _answer: url(made["id"]),
        hint=_("草稿不影响在售版本，上架后才生效。"),
        tone="",
    )


def _fixed(budgets: Sequence[tuple[str, str]]) -> list[Field]:
    kinds = [
        ("voucher", _("优惠券（平台出码）")),
        ("pool_code", _("由商户提供的券码")),
        ("goods", _("实物")),
        ("top_up", _("充值")),
        ("donation", _("公益捐赠")),
    ]
    return [
        Field("kind", _("种类"), "choice", options=kinds),
        Field("budget_id", _("预算"), "choice", False, options=budgets),
        Field("project_id", _("捐赠项目编号"), required=False, hint=_("捐赠时填写")),
    ]


def _terms(newest: dict[str, Any]) -> list[Field]:
    def value(name: str) -> Any:
        return newest.get(name)

    title = {"maxlength": "100"}
    limits = [
        ("daily_units", _("每日限量")),
        ("resident_day_units", _("每人每日限量")),
        ("resident_month_units", _("每人每月限量")),
        ("valid_days", _("有效天数")),
        ("cancel_hours", _("可取消时长（小时）")),
    ]
    sale = [("on_sale_from", _("开始售卖（北京时间）")), ("on_sale_to", _("结束售卖（北京时间）"))]
    return [
        Field("title_zh", _("名称（中文）"), value=value("title_zh"), attributes=title),
        Field("title_en", _("名称（英文）"), value=value("title_en"), attributes=title),
        Field("text_zh", _("说明（中文）"), "area", False, value=value("text_zh")),
        Field("text_en", _("说明（英文）"), "area", False, value=value("text_en")),
        Field("price_points", _("价格（积分）"), "number", value=value("price_points")),
        Field("face_value_fen", _("面值（元）"), "yuan", False, value=_yuan(newest)),
        *(Field(name, text, "instant", value=_local(newest, name)) for name, text in sale),
        *(Field(name, text, "number", False, value=value(name)) for name, text in limits),
        Field("expiry_returns", _("过期未用退回积分"), "check", value=value("expiry_returns")),
    ]


def _yuan(newest: dict[str, Any]) -> str:
    fen = newest.get("face_value_fen")
    return "" if fen is None else f"{fen // 100}.{fen % 100:02}"


def _local(newest: dict[str, Any], name: str) -> str:
    if not newest.get(name):
        return ""
    return f"{datetime.fromisoformat(newest[name]).astimezone(BEIJING):%Y-%m-%dT%H:%M}"
