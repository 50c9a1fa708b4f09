"""What points buy: the list, one offer, and redeeming it after a look at what it costs."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request, url_for

from service.web.asking import Answer, ask, get
from service.web.rendering import render, see_other
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import own_accounts

PAGE = 24
KINDS = ("voucher", "pool_code", "goods", "top_up", "donation")
NEW_ID = ("redemption-id-reused", "price-changed")  # What was refused is another redemption's.


@bp.get("/offers")
@my_page
def offers() -> Response:
    """What is on sale for this resident, the cheapest first."""
    kind = request.args.get("kind")
    kind = kind if kind in KINDS else None
    found = get("/v1/offers", kind=kind, limit=PAGE, cursor=request.args.get("cursor"))
    return render(
        "resident/offers.html", found=found, chosen_kind=kind, kinds=KINDS, points=_available()
    )


@bp.get("/offers/<uuid:offer_id>")
@my_page
def offer(offer_id: UUID) -> Response:
    """One offer with its terms."""
    return render("resident/offer.html", one=get(f"/v1/offers/{offer_id}"), points=_available())


@bp.get("/offers/<uuid:offer_id>/redeem")
@my_page
def confirm(offer_id: UUID) -> Response:
    """What will be taken, before it is."""
    return _confirmation(offer_id)


@bp.post("/offers/<uuid:offer_id>/redeem")
@my_page
def redeem(offer_id: UUID) -> Response:
    """Redeem, once however often the button was tapped: the form carries the redemption's id."""
    form = request.form
    body: dict[str, Any] = {"offer_id": str(offer_id)}
    for name in ("price_points", "units"):
        if form.get(name, "").isdecimal():
            body[name] = int(form[name])
    if form.get("card_number", "").strip():
        body["card_number"] = form["card_number"]
    redemption_id = _uuid(form.get("redemption_id", ""))
    done = ask("PUT", f"/v1/redemptions/{redemption_id}", body=body)
    if done.refused:
        return _confirmation(offer_id, done)
    return see_other(url_for(".voucher", redemption_id=redemption_id, done=done.body["state"]))


def _confirmation(offer_id: UUID, refused: Answer | None = None) -> Response:
    form = request.form
    again = refused is not None and refused.kind not in NEW_ID
    return render(
        "resident/redeem.html",
        status=refused.status if refused else 200,
        one=get(f"/v1/offers/{offer_id}"),
        points=_available(),
        redemption_id=_uuid(form.get("redemption_id", "")) if again else uuid4(),
        refused=refused,
        form=form,
    )


def _available() -> int:
    account = own_accounts().get("point")
    return account["available"] if account else 0


def _uuid(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        return uuid4()
