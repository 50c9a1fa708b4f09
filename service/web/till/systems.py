"""A merchant's systems: webhooks, what they were sent, and where keys come from."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from rewards.webhooks.outbox import KINDS
from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import MANAGER, form_id, instant_of, of_merchant, typed


@bp.get("/systems")
@page_for(MANAGER)
def systems() -> Response:
    """Webhooks, those that have ended too."""
    return _list()


@bp.post("/systems")
@page_for(MANAGER)
def make_webhook() -> Response:
    """Make a webhook, and show its secret, which the API tells for ten minutes."""
    body = {"url": typed("url") or "", "kinds": request.form.getlist("kinds")}
    answer = ask("PUT", of_merchant(f"/webhooks/{form_id()}"), body=body)
    if answer.refused:
        return _list(answer)
    return render("till/webhook_secret.html", webhook=answer.body)


@bp.get("/systems/<uuid:endpoint_id>")
@page_for(MANAGER)
def webhook(endpoint_id: UUID) -> Response:
    """One webhook and its messages."""
    return _one(endpoint_id)


@bp.post("/systems/<uuid:endpoint_id>/end")
@page_for(MANAGER)
def end_webhook(endpoint_id: UUID) -> Response:
    """End it for good."""
    return _done(endpoint_id, ask("DELETE", of_merchant(f"/webhooks/{endpoint_id}")), "ended")


@bp.post("/systems/<uuid:endpoint_id>/ping")
@page_for(MANAGER)
def ping_webhook(endpoint_id: UUID) -> Response:
    """Send it a message that tells nothing."""
    path = of_merchant(f"/webhooks/{endpoint_id}/pings/{form_id()}")
    return _done(endpoint_id, ask("PUT", path), "pinged", state="waiting")


@bp.post("/systems/<uuid:endpoint_id>/messages/<uuid:message_id>/again")
@page_for(MANAGER)
def send_again(endpoint_id: UUID, message_id: UUID) -> Response:
    """Send one message again."""
    path = of_merchant(f"/webhooks/{endpoint_id}/messages/{message_id}/redelivery")
    return _done(endpoint_id, ask("PUT", path), "again")


@bp.post("/systems/<uuid:endpoint_id>/again")
@page_for(MANAGER)
def send_all_again(endpoint_id: UUID) -> Response:
    """Send all that was given up since an instant."""
    path = of_merchant(f"/webhooks/{endpoint_id}/redeliveries")
    return _done(endpoint_id, ask("POST", path, body={"since": instant_of("since")}), "again")


def _done(endpoint_id: UUID, answer: Answer, done: str, **more: Any) -> Response:
    if answer.refused:
        return _one(endpoint_id, answer)
    where = url_for("till.webhook", endpoint_id=endpoint_id, done=done, **more)
    return see_other(where)


def _list(refused: Answer | None = None) -> Response:
    return render(
        "till/systems.html",
        status=refused.status if refused else 200,
        found=get(of_merchant("/webhooks"), cursor=request.args.get("cursor"), limit=50),
        kinds=KINDS,
        kind_names=kind_names(),
        new_id=form_id(),
        form=request.form,
        chosen_kinds=request.form.getlist("kinds") or KINDS,
        refused=refused,
    )


def _one(endpoint_id: UUID, refused: Answer | None = None) -> Response:
    path, state = of_merchant(f"/webhooks/{endpoint_id}"), request.args.get("state") or "dead"
    return render(
        "till/webhook.html",
        status=refused.status if refused else 200,
        webhook=get(path),
        state=state,
        states={"waiting": _("等待发送"), "delivered": _("已送达"), "dead": _("已放弃")},
        found=get(f"{path}/messages", state=state, cursor=request.args.get("cursor"), limit=30),
        kind_names=kind_names(),
        new_id=str(uuid4()),
        form=request.form,
        refused=refused,
        dones={
            "ended": _("推送已终止。"),
            "pinged": _("测试消息已排队，几秒内发出。"),
            "again": _("已重新排队发送。"),
        },
    )


def kind_names() -> dict[str, str]:
    """What events are called."""
    return {
        "voucher.consumed": _("券被核销"),
        "voucher.reversed": _("核销被撤销"),
        "voucher.refunded": _("券被退款"),
        "voucher.double_use": _("离线重复使用"),
        "offer.published": _("商品上架"),
        "offer.paused": _("商品暂停"),
        "offer.ended": _("商品下架"),
        "pool.low": _("券码快用完"),
        "top_up.done": _("充值完成"),
        "settlement.drafted": _("结算单待确认"),
        "settlement.approved": _("结算单已复核"),
        "settlement.paid": _("结算款已付"),
        "ping": _("测试消息"),
    }
