"""Shops and scanners of a merchant."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for
from flask_babel import gettext as _

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import MANAGER, ROLES, form_id, of_merchant, shops, typed


@bp.get("/shops")
@page_for(*ROLES)
def shop_list() -> Response:
    """Where the merchant's vouchers are taken, and by which devices."""
    return _places()


@bp.get("/shops/new")
@page_for(MANAGER)
def new_shop() -> Response:
    """A form for a further shop."""
    return _shop_form(str(uuid4()), {})


@bp.get("/shops/<uuid:shop_id>")
@page_for(MANAGER)
def one_shop(shop_id: UUID) -> Response:
    """A form for a shop as it stands."""
    found = next((one for one in shops() if one["id"] == str(shop_id)), None)
    return _shop_form(str(shop_id), found or {})


@bp.post("/shops/<uuid:shop_id>")
@page_for(MANAGER)
def put_shop(shop_id: UUID) -> Response:
    """Open, change, close, or open again."""
    body: dict[str, Any] = {name: typed(name) or "" for name in ("name_zh", "name_en", "address")}
    body |= {"division": typed("division"), "closed": request.form.get("closed") == "yes"}
    answer = ask("PUT", of_merchant(f"/shops/{shop_id}"), body=body)
    if answer.refused:
        return _shop_form(str(shop_id), request.form, answer)
    return see_other(url_for("till.shop_list", done="shop"))


@bp.post("/scanners")
@page_for(MANAGER)
def make_scanner() -> Response:
    """Make a scanner and show its key, which the API tells for ten minutes."""
    body = {"name": typed("name") or "", "shop_id": typed("shop_id")}
    answer = ask("PUT", of_merchant(f"/scanners/{form_id()}"), body=body)
    if answer.refused:
        return _places(refused=answer)
    return render("till/scanner_key.html", scanner=answer.body)


@bp.post("/scanners/<uuid:scanner_id>/retire")
@page_for(MANAGER)
def retire_scanner(scanner_id: UUID) -> Response:
    """Take no more of what it signs."""
    answer = ask("DELETE", of_merchant(f"/scanners/{scanner_id}"))
    if answer.refused:
        return _places(refused=answer)
    return see_other(url_for("till.shop_list", done="retired"))


def _places(refused: Answer | None = None) -> Response:
    every = shops()
    return render(
        "till/shops.html",
        status=refused.status if refused else 200,
        shops=every,
        shop_names={one["id"]: one["name"] for one in every},
        shop_options=[(one["id"], one["name"]) for one in every if one["closed_at"] is None],
        scanners=get(of_merchant("/scanners"), cursor=request.args.get("cursor"), limit=50),
        new_id=form_id(),
        form=request.form,
        refused=refused,
        dones={"shop": _("门店已保存。"), "retired": _("扫码设备已停用。")},
    )


def _shop_form(shop_id: str, form: Any, refused: Answer | None = None) -> Response:
    return render(
        "till/shop.html",
        status=refused.status if refused else 200,
        shop_id=shop_id,
        form=form,
        closed=bool(form.get("closed_at") or form.get("closed")),
        refused=refused,
    )
