"""At the counter: read a code, look at it, take it with one tap, and take that back.

The camera is the browser's; what it reads goes through the same form as what is typed.
"""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for

from service.web.asking import Answer, ask, get
from service.web.cookies import keep
from service.web.guards import page_for
from service.web.rendering import render, see_other
from service.web.till import bp
from service.web.till.merchant import ROLES, SHOP, form_id, shop_here, shops

LAST = 5
LIVE = "TH1."  # How a resident's live code begins (rewards.tills.live_codes).
YEAR_S = 365 * 24 * 60 * 60
# The camera, for this page alone; else as everywhere (service.conduct).
CAMERA = "camera=(self), geolocation=(), microphone=(), payment=(), usb=()"


@bp.get("")
@page_for(*ROLES)
def home() -> Response:
    """The counter, and what came of the last tap: ``taken`` or ``undone`` name a consumption."""
    shown: dict[str, Any] = {}
    for name in ("taken", "undone"):
        if id_ := request.args.get(name):
            shown[name] = get(f"/v1/consumptions/{id_}")
    return _counter(**shown)


@bp.post("/look")
@page_for(*ROLES)
def look() -> Response:
    """What a code is: a voucher's, or a resident's live one. Nothing is taken."""
    code = request.form.get("code", "").strip()
    here = {"shop_id": _shop()} if _shop() else {}
    if code.upper().startswith(LIVE):
        body = here | {"live_code": code.upper()}
        answer = ask("PUT", f"/v1/scans/{form_id()}", body=body)
        found = {"scan": answer.body}
    else:
        answer = ask("POST", "/v1/consumptions/preview", body=here | {"code": code})
        found = {"looked": answer.body, "id": form_id(), "code": code}
    if answer.refused:
        return _counter(refused=answer)
    return _counter(**found)


@bp.post("/take")
@page_for(*ROLES)
def take() -> Response:
    """Take a voucher by its code."""
    body = {"code": request.form.get("code", "")} | ({"shop_id": _shop()} if _shop() else {})
    return _taken(ask("PUT", f"/v1/consumptions/{form_id()}", body=body))


@bp.post("/scans/<uuid:scan_id>/take")
@page_for(*ROLES)
def take_shown(scan_id: UUID) -> Response:
    """Take a voucher of who showed a live code."""
    body = {"redemption_id": request.form.get("redemption_id", "")}
    return _taken(ask("PUT", f"/v1/scans/{scan_id}/consumptions/{form_id()}", body=body))


@bp.post("/scans/<uuid:scan_id>/redeem")
@page_for(*ROLES)
def redeem_shown(scan_id: UUID) -> Response:
    """Redeem an offer for who showed a live code, and take its voucher."""
    body = {"offer_id": request.form.get("offer_id", "")}
    answer = ask("PUT", f"/v1/scans/{scan_id}/redemptions/{form_id()}", body=body)
    return _taken(answer, () if answer.refused else answer.body["consumption"])


@bp.post("/undo")
@page_for(*ROLES)
def undo() -> Response:
    """Take a consumption back; the voucher is good again."""
    answer = ask("PUT", f"/v1/consumptions/{form_id()}/reversal")
    if answer.refused:
        return _counter(refused=answer)
    if request.form.get("page") == url_for("till.today"):
        return see_other(url_for("till.today", done="undone"))
    return see_other(url_for("till.home", undone=answer.body["id"]))


@bp.post("/shop")
@page_for(*ROLES)
def stand() -> Response:
    """In which shop this browser stands, until another is chosen."""
    answer = see_other(url_for("till.home"))
    keep(answer, SHOP, request.form.get("shop_id", "")[:36], for_s=YEAR_S)
    return answer


def _shop() -> str:
    return request.form.get("shop_id", "")


def _taken(answer: Answer, consumption: Any = None) -> Response:
    if answer.refused:
        return _counter(refused=answer)
    taken = consumption or answer.body
    return see_other(url_for("till.home", taken=taken["id"]))


def _counter(**shown: Any) -> Response:
    every = shops()
    standing = [one for one in every if one["closed_at"] is None]
    refused: Answer | None = shown.get("refused")
    answer = render(
        "till/scan.html",
        status=refused.status if refused else 200,
        new_id=str(uuid4()),
        new_ids=uuid4,
        shops=standing,
        shop_names={one["id"]: one["name"] for one in every},
        shop_id=shop_here(standing),
        last=get("/v1/consumptions", limit=LAST)["consumptions"],
        **shown,
    )
    answer.headers["Permissions-Policy"] = CAMERA
    return answer
