"""One offer of a merchant: its terms, versions, stock, and putting it on sale or off."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.offer_forms import drafting
from service.web.desk.shapes import Facts, Field, Form, Note, Table, Typed
from service.web.desk.showing import page
from service.web.guards import page_for

TERMS = (
    "title_zh title_en text_zh text_en price_points face_value_fen settlement_fen on_sale_from"
    " on_sale_to daily_units resident_day_units resident_week_units resident_month_units valid_days"
    " valid_until cancel_hours expiry_returns made_by made_at published_by published_at"
)


@bp.route("/merchants/<uuid:merchant_id>/new-offer", methods=["GET", "POST"])
@page_for("operator")
def new_offer(merchant_id: UUID) -> Response:
    """Draft an offer."""
    path = f"/v1/merchants/{merchant_id}"
    one = get(path)
    form = drafting(path, None, lambda id_: _url(merchant_id, id_), _budgets(one["programme"]))
    return page(
        _("新商品"),
        form,
        at="desk.merchants",
        back=(url_for("desk.merchant", merchant_id=merchant_id, tab="offers"), _("商户的商品")),
    )


@bp.route("/merchants/<uuid:merchant_id>/offers/<uuid:offer_id>", methods=["GET", "POST"])
@page_for("operator")
def offer(merchant_id: UUID, offer_id: UUID) -> Response:
    """One offer."""
    merchant = f"/v1/merchants/{merchant_id}"
    path = f"{merchant}/offers/{offer_id}"
    one = get(path)
    newest = one["newest"]
    versions = get(f"{path}/versions")["versions"]
    waits = newest["version"] != one["version"]
    parts: list[Any] = []
    if waits:
        parts.append(
            Note(
                _("第 %(number)d 版还没有上架；上架后它代替现在的版本。", number=newest["version"]),
                "warn",
            )
        )
    columns = (
        "version price_points settlement_fen on_sale_from on_sale_to made_by published_by"
        " published_at"
    )
    facts = "kind version stock_units put_units budget_id project_id id"
    parts += [
        Facts(_("商品"), facts, one),
        Facts(_("最新版本的条款"), TERMS, newest),
        Table(_("版本"), columns, versions),
    ]
    budgets = _budgets(get(merchant)["programme"])
    return page(
        newest["title_en"] if language() == "en" else newest["title_zh"],
        *parts,
        drafting(merchant, one, lambda id_: _url(merchant_id, id_), budgets),
        side=[*_publishing(path, newest, waits=waits), *_stock(path, one), *_steps(path, one)],
        at="desk.merchants",
        back=(url_for("desk.merchant", merchant_id=merchant_id, tab="offers"), _("商户的商品")),
        badge=one["state"],
    )


def _url(merchant_id: UUID, offer_id: str) -> str:
    return url_for("desk.offer", merchant_id=merchant_id, offer_id=offer_id)


def _budgets(programme: str) -> list[tuple[str, str]]:
    found = get("/v1/budgets", limit=200)["budgets"]
    return [(one["id"], one["name"]) for one in found if one["programme"] == programme]


def _publishing(path: str, newest: dict[str, Any], *, waits: bool) -> list[Form]:
    if not waits:
        return []
    body = {"version": newest["version"]}
    form = Form(
        "publish",
        _("上架"),
        lambda _typed: ask("PUT", f"{path}/publication", body=body),
        _("上架第 %(number)d 版", number=newest["version"]),
        done="published",
        confirm=_("上架后居民即可兑换，较早的版本不再有效。确定上架？"),
    )
    return [form]


def _stock(path: str, one: dict[str, Any]) -> list[Form]:
    if one["state"] == "ended":
        return []
    putting = Form(
        "stock",
        _("增减库存"),
        lambda typed: ask("PUT", f"{path}/stock-changes/{typed.id}", body=typed.body),
        _("提交"),
        (Field("units", _("份数"), "number", hint=_("投放填正数，撤回填负数")),),
        tone="",
    )
    if one["kind"] != "pool_code":
        return [putting]

    def load(typed: Typed) -> Answer:
        content = typed.file.read() if typed.file else b""
        url = f"{path}/code-files/{typed.id}"
        return ask("PUT", url, content=content, content_type="text/plain")

    loading = Form(
        "codes",
        _("导入券码"),
        load,
        _("导入"),
        (Field("codes", _("券码文件"), "file", hint=_("文本文件，每行一个券码")),),
        tone="",
    )
    return [loading]


def _steps(path: str, one: dict[str, Any]) -> list[Form]:
    ways = {
        "published": [("paused", _("暂停售卖")), ("ended", _("结束售卖"))],
        "paused": [("published", _("恢复售卖")), ("ended", _("结束售卖"))],
    }.get(one["state"], [])
    if not ways:
        return []
    form = Form(
        "state",
        _("暂停、恢复或结束"),
        lambda typed: ask("PUT", f"{path}/state", body=typed.body),
        _("提交"),
        (
            Field("state", _("操作"), "choice", options=ways),
            Field("reason", _("理由"), attributes={"maxlength": "500"}),
        ),
        tone="",
    )
    return [form]
