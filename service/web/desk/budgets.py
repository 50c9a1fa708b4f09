"""What rewards may cost and could cost: budgets, donation projects, liability."""

from typing import Any
from uuid import UUID

from flask import Response, abort, request, url_for
from flask_babel import gettext as _

from service.language import language
from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.programmes import own_programmes
from service.web.desk.shapes import Facts, Field, Figures, Filters, Form, Table, Typed
from service.web.desk.showing import page, rows_of
from service.web.guards import page_for
from service.web.rendering import number, yuan


@bp.route("/budgets", methods=["GET", "POST"])
@page_for("operator")
def budgets() -> Response:
    """All budgets, and a new one."""
    rows, more = rows_of("/v1/budgets", "budgets")
    table = Table(
        _("预算"),
        "name programme valid_from valid_to total_fen reserved_fen spent_fen left_fen",
        rows,
        link=lambda one: url_for("desk.budget", budget_id=one["id"]),
        empty=_("还没有预算。"),
        next_cursor=more,
    )
    form = Form(
        "new",
        _("新预算"),
        lambda typed: ask("PUT", f"/v1/budgets/{typed.id}", body=typed.body),
        _("设立"),
        (
            Field("programme", _("项目"), "choice", options=own_programmes()),
            Field("valid_from", _("起始日"), "day"),
            *_fields({}),
        ),
    )
    return page(_("预算"), table, side=[form])


@bp.route("/budgets/<uuid:budget_id>", methods=["GET", "POST"])
@page_for("operator")
def budget(budget_id: UUID) -> Response:
    """One budget: how it stands; raised, lowered, renamed, prolonged."""
    found = get("/v1/budgets", limit=200)["budgets"]
    one = next((each for each in found if each["id"] == str(budget_id)), None)
    if one is None:
        abort(404)

    def act(typed: Typed) -> Answer:
        kept = {name: one[name] for name in ("programme", "valid_from")}
        return ask("PUT", f"/v1/budgets/{budget_id}", body=kept | typed.body)

    cards = [
        (_("总额"), yuan(one["total_fen"]), "", ""),
        (_("商品预留"), yuan(one["reserved_fen"]), "", ""),
        (_("已使用"), yuan(one["spent_fen"]), "", ""),
        (_("剩余"), yuan(one["left_fen"]), "", ""),
    ]
    return page(
        one["name"],
        Figures("", cards),
        Facts("", "programme valid_from valid_to made_at made_by id", one),
        side=[Form("change", _("调整预算"), act, _("保存"), _fields(one))],
        at="desk.budgets",
        back=(url_for("desk.budgets"), _("预算")),
    )


@bp.route("/projects", methods=["GET", "POST"])
@page_for("operator")
def projects() -> Response:
    """Donation projects of a programme, and a new one."""
    codes = own_programmes()
    chosen = request.args.get("programme") or (codes[0][0] if codes else "")
    rows, more = rows_of("/v1/donation-projects", "projects", programme=chosen)
    name = "name_en" if language() == "en" else "name_zh"
    shown = [one | {"name": one[name]} for one in rows]
    form = Form(
        "new",
        _("新捐赠项目"),
        lambda typed: ask(
            "PUT",
            f"/v1/donation-projects/{typed.id}",
            body={"programme": chosen, "closed": False} | typed.body,
        ),
        _("设立"),
        (
            Field("merchant_id", _("受赠方的商户编号")),
            Field("name_zh", _("名称（中文）"), attributes={"maxlength": "100"}),
            Field("name_en", _("名称（英文）"), attributes={"maxlength": "100"}),
            Field("text_zh", _("说明（中文）"), "area"),
            Field("text_en", _("说明（英文）"), "area"),
            Field("goal_points", _("目标积分"), "number"),
        ),
    )

    def closing(one: Any) -> list[Form]:
        body = {
            key: one[key]
            for key in ("merchant_id", "name_zh", "name_en", "text_zh", "text_en", "goal_points")
        } | {"programme": chosen, "closed": not one["closed_at"]}
        return [
            Form(
                f"close-{one['id']}",
                "",
                lambda _typed: ask("PUT", f"/v1/donation-projects/{one['id']}", body=body),
                _("重新开放") if one["closed_at"] else _("结束项目"),
                tone="",
            )
        ]

    return page(
        _("捐赠项目"),
        Filters((Field("programme", _("项目"), "choice", options=codes, value=chosen),), _("显示")),
        Table(
            _("捐赠项目"),
            "name goal_points given_points closed_at merchant_id",
            shown,
            acts=closing,
            empty=_("这个项目还没有捐赠项目。"),
            next_cursor=more,
        ),
        side=[form],
    )


@bp.get("/liability")
@page_for("operator")
def liability() -> Response:
    """What points are still out, and what offers could still cost."""
    codes = own_programmes()
    chosen = request.args.get("programme") or (codes[0][0] if codes else "")
    months = get(f"/v1/programmes/{chosen}/liability")
    rewards = get(f"/v1/programmes/{chosen}/rewards-liability")
    title = "title_en" if language() == "en" else "title_zh"
    offers = [one | {"title": one[title]} for one in rewards["offers"]]
    money = [
        (_("居民未用积分"), number(months["outstanding_points"]), "", ""),
        (_("库存对应金额"), yuan(rewards["stock_fen"]), "", ""),
        (_("未核销券的金额"), yuan(rewards["open_fen"]), "", ""),
        (_("尚未结算"), yuan(rewards["unsettled_fen"]), "", ""),
        (_("已结算未付款"), yuan(rewards["unpaid_fen"]), "", ""),
        (_("最多还要支付"), yuan(rewards["total_fen"]), "", ""),
    ]
    by_month = "month issued_points spent_points expired_points outstanding_points"
    return page(
        _("积分负债"),
        Filters((Field("programme", _("项目"), "choice", options=codes, value=chosen),), _("显示")),
        Figures("", money),
        Table(_("按到期月份（空为不过期）"), by_month, months["months"], empty=_("还没有积分。")),
        Table(
            _("按商品"),
            "title state settlement_fen stock_units stock_fen open_units open_fen",
            offers,
            empty=_("还没有商品。"),
        ),
    )


def _fields(one: dict[str, Any]) -> list[Field]:
    total = one.get("total_fen")
    shown = "" if total is None else f"{total // 100}.{total % 100:02}"
    return [
        Field("name", _("名称"), value=one.get("name"), attributes={"maxlength": "100"}),
        Field("valid_to", _("截止日（不含）"), "day", value=one.get("valid_to")),
        Field("total_fen", _("总额（元）"), "yuan", value=shown),
    ]
