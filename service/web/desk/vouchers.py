"""What may go wrong with vouchers: top-ups that hang, double uses, a refund."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.desk import bp
from service.web.desk.shapes import Facts, Field, Filters, Form, Note, Table, Typed
from service.web.desk.showing import asked, page, rows_of
from service.web.guards import page_for


@bp.get("/top-ups")
@page_for("operator")
def top_ups() -> Response:
    """Top-ups that a person may want to look after."""
    rows, more = rows_of("/v1/top-ups", "top_ups", **asked("which"))
    which = [("hanging", _("一直没有结果")), ("contradicted", _("前后答复矛盾"))]
    return page(
        _("充值订单"),
        Filters((Field("which", _("哪些"), "choice", False, options=which),), _("筛选")),
        Table(
            _("需要留意的充值"),
            "ordered_at state amount_fen tries next_at contradicted_at id",
            rows,
            link=lambda one: url_for("desk.top_up", top_up_id=one["id"]),
            empty=_("没有需要留意的充值。"),
            next_cursor=more,
        ),
    )


@bp.route("/top-ups/<uuid:top_up_id>", methods=["GET", "POST"])
@page_for("operator")
def top_up(top_up_id: UUID) -> Response:
    """One top-up: ask the gateway again, or tick a contradiction off."""
    path = f"/v1/top-ups/{top_up_id}"
    one = get(path)
    side: list[Any] = []
    if one["state"] == "ordered":
        asking = Form(
            "check",
            "",
            lambda _typed: ask("PUT", f"{path}/check"),
            _("立即再查一次"),
            done="checked",
        )
        side.append(asking)
    if one["contradicted_at"]:
        ticking = Form(
            "settled",
            _("核销差异"),
            lambda typed: ask("PUT", f"{path}/settled", body=typed.body),
            _("已与渠道核对清楚"),
            (Field("reason", _("核对结果"), attributes={"maxlength": "500"}),),
            done="settled",
        )
        side += [Note(_("渠道前后两次的答复不一样；以第一次为准，请与渠道核对。"), "warn"), ticking]
    facts = (
        "state amount_fen ordered_at tries next_at ended_at answered gateway_reference"
        " contradicted_at offer_id redemption_id holder_id id"
    )
    return page(
        _("充值"),
        Facts("", facts, one, sparse=True),
        side=side,
        at="desk.top_ups",
        back=(url_for("desk.top_ups"), _("充值订单")),
        badge=one["state"],
    )


@bp.get("/double-uses")
@page_for("operator")
def double_uses() -> Response:
    """Vouchers that were scanned again after they had ended."""
    rows, more = rows_of("/v1/double-uses", "double_uses")
    columns = [
        ("scanned_at", _("扫码时间")),
        ("why", _("当时的状态")),
        ("shop", _("门店")),
        ("recorded_by", _("记录人")),
        ("first_at", _("首次核销或失效时间")),
        ("first_shop", _("首次核销门店")),
        ("clocks_may_differ", _("可能是时钟误差")),
        ("redemption_id", _("兑换编号")),
    ]
    words_of = {
        "consumed": _("已核销过"),
        "cancelled": _("已取消"),
        "expired": _("已过期"),
        "lapsed": _("已失效"),
    }
    shown = [one | {"why": words_of.get(one["why"], one["why"])} for one in rows]
    return page(
        _("重复核销"),
        Table(
            _("离线期间收下、已经无效的券"),
            columns,
            shown,
            empty=_("没有重复核销。"),
            next_cursor=more,
        ),
        intro=_("门店离线时收下的券，上传后发现已经用过或失效；没有入账，请与门店核对。"),
    )


@bp.route("/refund", methods=["GET", "POST"])
@page_for("operator")
def refund() -> Response:
    """Give back what a resident paid for a voucher that was used."""

    def act(typed: Typed) -> Answer:
        wanted = typed.body.get("consumption_id", "")
        body = {"reason": typed.body.get("reason", "")}
        return ask("PUT", f"/v1/consumptions/{_as_id(wanted)}/refund", body=body)

    def shows(told: Any) -> list[Any]:
        facts = [
            ("returned_points", _("退给居民的积分")),
            ("returned_fen", _("从商户下次结算扣回")),
            ("refunded_at", _("退还时间")),
        ]
        return [Note(_("已退还。"), "done"), Facts("", facts, told)]

    form = Form(
        "refund",
        _("退还一次核销"),
        act,
        _("退还"),
        (
            Field("consumption_id", _("核销编号"), hint=_("在结算明细或商户的核销记录中")),
            Field("reason", _("理由"), hint=_("居民能看到"), attributes={"maxlength": "500"}),
        ),
        shows=shows,
        confirm=_("退还后积分立即回到居民账户。确定退还？"),
    )
    return page(_("退还"), form)


def _as_id(typed: str) -> str:
    """An id as a path has it; what is none stands for nothing that there is."""
    try:
        return str(UUID(typed))
    except ValueError:
        return str(UUID(int=0))
