"""A merchant's offers: listed, paused, stocked."""

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import (
    MANAGER,
    ROLES,
    form_id,
    named,
    of_merchant,
    shops,
    typed,
    whole,
)


@bp.get("/offers")
@page_for(*ROLES)
def offers() -> Response:
    """All of them, drafts and ended ones too."""
    found = get(of_merchant("/offers"), cursor=request.args.get("cursor"), limit=30)
    for one in found["offers"]:
        one["title"] = named(one["newest"], "title")
    return render("till/offers.html", found=found, **names())


@bp.get("/offers/<uuid:offer_id>")
@page_for(*ROLES)
def offer(offer_id: UUID) -> Response:
    """One with its terms, its stock and its versions."""
    return one_offer(offer_id)


@bp.post("/offers/<uuid:offer_id>/pause")
@page_for(MANAGER)
def pause(offer_id: UUID) -> Response:
    """Off sale for now; the programme puts it on again."""
    body = {"state": "paused", "reason": typed("reason") or ""}
    answer = ask("PUT", of_merchant(f"/offers/{offer_id}/state"), body=body)
    return stepped(offer_id, answer, "paused")


@bp.post("/offers/<uuid:offer_id>/stock")
@page_for(MANAGER)
def stock(offer_id: UUID) -> Response:
    """Put units in, or withdraw them with a minus."""
    path = of_merchant(f"/offers/{offer_id}/stock-changes/{form_id()}")
    return stepped(offer_id, ask("PUT", path, body={"units": whole("units")}), "stocked")


@bp.post("/offers/<uuid:offer_id>/codes")
@page_for(MANAGER)
def codes(offer_id: UUID) -> Response:
    """Load a file of the merchant's own codes, whole or not at all."""
    file = request.files.get("file")
    answer = ask(
        "PUT",
        of_merchant(f"/offers/{offer_id}/code-files/{form_id()}"),
        content=file.read() if file else b"",
        content_type="text/plain",
    )
    return stepped(offer_id, answer, "loaded")


def one_offer(offer_id: UUID, refused: Answer | None = None) -> Response:
    """The page of an offer, also after something about it was refused."""
    found = get(of_merchant(f"/offers/{offer_id}"))
    versions = get(of_merchant(f"/offers/{offer_id}/versions"))["versions"]
    published = next((one for one in versions if one["version"] == found["version"]), None)
    return render(
        "till/offer.html",
        status=refused.status if refused else 200,
        offer=found,
        newest=found["newest"],
        published=published,
        versions=versions[::-1],
        shop_names={one["id"]: one["name"] for one in shops()},
        new_id=form_id(),
        form=request.form,
        refused=refused,
        dones={
            "drafted": _("草稿已保存，等待项目方审核上架。"),
            "paused": _("已暂停兑换；恢复上架请联系项目方。"),
            "stocked": _("库存已更新。"),
            "loaded": _("券码已导入。"),
            "pictured": _("图片已加入新的草稿。"),
        },
        title=named(found["newest"], "title"),
        **names(),
    )


def stepped(offer_id: UUID, answer: Answer, done: str) -> Response:
    """Back to the offer: with what was done, or why not."""
    if answer.refused:
        return one_offer(offer_id, answer)
    return see_other(url_for("till.offer", offer_id=offer_id, done=done))


def names() -> dict[str, Any]:
    """What states and kinds of offers are called."""
    return {
        "state_names": {
            "draft": _("草稿"),
            "published": _("兑换中"),
            "paused": _("已暂停"),
            "ended": _("已下架"),
        },
        "kind_names": {
            "voucher": _("优惠券"),
            "pool_code": _("商户券码"),
            "goods": _("实物"),
            "top_up": _("充值"),
            "donation": _("捐赠"),
        },
    }
