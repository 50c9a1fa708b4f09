"""What the merchant's tills took on a day, and what was used twice."""

from flask import Response, request
from flask_babel import gettext as _

from service.web.asking import get
from service.web.guards import page_for
from service.web.rendering import render
from service.web.till import bp
from service.web.till.merchant import ROLES, shops


@bp.get("/today")
@page_for(*ROLES)
def today() -> Response:
    """A day's list, the newest first; today's can be taken back."""
    asked = {name: request.args.get(name) or None for name in ("day", "cursor")}
    found = get("/v1/consumptions", **asked, limit=50)
    now = found["day"] if asked["day"] is None else get("/v1/consumptions", limit=1)["day"]
    return render(
        "till/today.html",
        found=found,
        is_today=found["day"] == now,
        shop_names={one["id"]: one["name"] for one in shops()},
        dones={"undone": _("已撤销，券恢复可用。")},
    )


@bp.get("/double-uses")
@page_for(*ROLES)
def double_uses() -> Response:
    """Vouchers that an offline till handed goods out for, though they had ended."""
    found = get("/v1/double-uses", cursor=request.args.get("cursor"), limit=50)
    return render("till/double_uses.html", found=found)
