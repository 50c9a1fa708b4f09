"""Settlements: looked at line by line, confirmed or disputed, taken away as files."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import MANAGER, of_merchant, typed


@bp.get("/settlements")
@page_for(MANAGER)
def settlements() -> Response:
    """What the programme owes for each period, the newest first."""
    asked = {name: request.args.get(name) or None for name in ("state", "cursor")}
    return render(
        "till/settlements.html",
        found=get(of_merchant("/settlements"), **asked, limit=30),
        state=asked["state"] or "",
        states=state_names(),
    )


@bp.get("/settlements/<uuid:settlement_id>")
@page_for(MANAGER)
def settlement(settlement_id: UUID) -> Response:
    """One with its lines."""
    return one(settlement_id)


@bp.post("/settlements/<uuid:settlement_id>/confirm")
@page_for(MANAGER)
def confirm(settlement_id: UUID) -> Response:
    """The merchant agrees."""
    path = of_merchant(f"/settlements/{settlement_id}/confirmation")
    return _stepped(settlement_id, ask("PUT", path, body={}), "confirmed")


@bp.post("/settlements/<uuid:settlement_id>/dispute")
@page_for(MANAGER)
def dispute(settlement_id: UUID) -> Response:
    """The merchant does not, and says why."""
    path = of_merchant(f"/settlements/{settlement_id}/dispute")
    answer = ask("PUT", path, body={"reason": typed("reason") or ""})
    return _stepped(settlement_id, answer, "disputed")


def one(settlement_id: UUID, refused: Answer | None = None, **more: Any) -> Response:
    """The page of a settlement, also after something about it was refused or compared."""
    path = of_merchant(f"/settlements/{settlement_id}")
    return render(
        "till/settlement.html",
        status=refused.status if refused else 200,
        found=get(path),
        lines=get(f"{path}/lines", cursor=request.args.get("cursor"), limit=50),
        states=state_names(),
        kinds=_kind_names(),
        form=request.form,
        refused=refused,
        dones={
            "confirmed": _("您已确认这份结算单，等待项目方复核付款。"),
            "disputed": _("您的异议已送达项目方，他们会作废后重新出单。"),
        },
        **more,
    )


def state_names() -> dict[str, str]:
    """What states are called, in the order in which they are gone through."""
    return {
        "drafting": _("出单中"),
        "draft": _("待您确认"),
        "confirmed": _("已确认"),
        "disputed": _("有异议"),
        "approved": _("待付款"),
        "paid": _("已付款"),
        "void": _("已作废"),
    }


def _kind_names() -> dict[str, str]:
    return {
        "consumption": _("券被核销"),
        "top_up": _("充值"),
        "donation": _("捐赠"),
        "reversal": _("核销被撤销"),
        "refund": _("退款"),
    }


def _stepped(settlement_id: UUID, answer: Answer, done: str) -> Response:
    if answer.refused:
        return one(settlement_id, answer)
    where = url_for("till.settlement", settlement_id=settlement_id, done=done)
    return see_other(where)
