"""Settlements: what merchants confirmed is approved by a second person, then paid."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask_babel import gettext as _

from service.web.asking import ask, download, get
from service.web.desk import bp, words
from service.web.desk.merchants import named
from service.web.desk.shapes import (
    Drawn,
    Facts,
    Field,
    Figures,
    Filters,
    Form,
    Note,
    Said,
    Table,
)
from service.web.desk.showing import asked, page, rows_of
from service.web.guards import page_caller, page_for
from service.web.rendering import number, yuan

STATES = ("confirmed", "disputed", "approved", "draft", "drafting", "paid", "void")


@bp.get("/settlements")
@page_for("operator")
def settlements() -> Response:
    """Of all merchants, the latest period first."""
    rows = get("/v1/settlements", limit=200, **asked("state"))["settlements"]
    merchants = {
        one["id"]: named(one)["name"] for one in get("/v1/merchants", limit=200)["merchants"]
    }
    shown = [
        one | {"merchant": merchants.get(one["merchant_id"], one["merchant_id"])} for one in rows
    ]
    states = [(name, words.STATES[name][0]) for name in STATES]
    return page(
        _("结算"),
        Filters((Field("state", _("状态"), "choice", False, options=states),), _("筛选")),
        Table(
            _("结算单"),
            "merchant period_from period_to state lines payable_fen confirmed_by approved_by",
            shown,
            link=lambda one: url_for(
                "desk.settlement", merchant_id=one["merchant_id"], settlement_id=one["id"]
            ),
            empty=_("没有这样的结算单。在商户页的“结算”中生成。"),
        ),
        intro=_("流程：生成草稿 → 商户确认 → 另一位工作人员批准 → 付款后登记凭证号。"),
    )


@bp.route("/settlements/<uuid:merchant_id>/<uuid:settlement_id>", methods=["GET", "POST"])
@page_for("operator")
def settlement(merchant_id: UUID, settlement_id: UUID) -> Response:
    """One settlement with its lines, and the next step."""
    path = f"/v1/merchants/{merchant_id}/settlements/{settlement_id}"
    one = get(path)
    merchant = named(get(f"/v1/merchants/{merchant_id}"))
    lines, more = rows_of(f"{path}/lines", "lines")
    cards = [
        (_("净应付"), yuan(one["payable_fen"]), "", ""),
        (_("应付"), yuan(one["owed_fen"]), "", ""),
        (_("扣回"), yuan(one["returned_fen"]), "", ""),
        (_("明细笔数"), number(one["lines"]), "", ""),
    ]
    people = (
        "drafted_by drafted_at confirmed_by confirmed_at disputed_by disputed_at dispute_reason"
        " approved_by approved_at paid_by paid_at payment_reference id"
    )
    files = {
        kind: url_for(
            "desk.settlement_file", merchant_id=merchant_id, settlement_id=settlement_id, kind=kind
        )
        for kind in ("xlsx", "csv")
    }
    labelled = [
        (name, {"disputed_by": _("提出异议的人")}.get(name) or words.label(name))
        for name in people.split()
    ]
    return page(
        _("%(merchant)s %(first)s 起的结算单", merchant=merchant["name"], first=one["period_from"]),
        Figures("", cards),
        Facts(_("经过"), labelled, one, sparse=True),
        Drawn("desk/files.html", {"files": files}),
        Table(
            _("结算明细"),
            "occurred_at kind title shop amount_fen redemption_id",
            [line | {"kind": _kind(line["kind"])} for line in lines],
            empty=_("还没有明细。"),
            next_cursor=more,
        ),
        side=_steps(path, one),
        at="desk.settlements",
        back=(url_for("desk.settlements"), _("结算")),
        badge=one["state"],
    )


@bp.get("/settlements/<uuid:merchant_id>/<uuid:settlement_id>/lines/<string:kind>")
@page_for("operator")
def settlement_file(merchant_id: UUID, settlement_id: UUID, kind: str) -> Response:
    """All lines as a file."""
    name = "csv" if kind == "csv" else "xlsx"
    path = f"/v1/merchants/{merchant_id}/settlements/{settlement_id}/lines.{name}"
    return download(path, bom="true") if name == "csv" else download(path)


def _steps(path: str, one: dict[str, Any]) -> list[Any]:
    state, me = one["state"], page_caller().subject
    steps: list[Any] = []
    if state == "confirmed":
        if me in (one["drafted_by"], one["confirmed_by"]):
            steps.append(Note(_("生成或确认的人不能批准，请另一位工作人员批准。"), "warn"))
        else:
            steps.append(_step(path, "approval", _("批准付款"), "approved", {}))
    elif state == "approved":
        field = Field("payment_reference", _("银行付款凭证号"), attributes={"maxlength": "100"})
        steps.append(
            Form(
                "pay",
                _("登记付款"),
                lambda typed: ask("PUT", f"{path}/payment", body=typed.body),
                _("已付款"),
                (field,),
                done="paid",
                confirm=_("登记后立即入账，不能撤回。确定？"),
            )
        )
    elif state in ("draft", "drafting"):
        steps.append(Note(_("等商户确认。")))
    if state not in ("paid", "void"):
        voiding = _step(path, "voiding", _("作废"), "voided", {})
        voiding.tone = "danger"
        voiding.confirm = _("作废后明细可以重新结算。确定作废？")
        steps.append(voiding)
    return steps


def _step(path: str, name: str, text: str, done: str, body: dict[str, Any]) -> Form:
    return Form(name, text, lambda _typed: ask("PUT", f"{path}/{name}", body=body), text, done=done)


def _kind(kind: str) -> Said:
    names = {
        "consumption": _("券核销"),
        "top_up": _("充值"),
        "donation": _("捐赠"),
        "reversal": _("撤销核销"),
        "refund": _("退还"),
    }
    return names.get(kind, kind)
