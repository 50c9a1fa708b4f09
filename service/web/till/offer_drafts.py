"""Drafting: the terms of an offer's next version. The programme's people put it on sale."""

from typing import Any
from uuid import UUID, uuid4

from flask import Response, request

from service.web.asking import Answer, ask, get
from service.web.guards import page_for
from service.web.rendering import render
from service.web.till import bp
from service.web.till.merchant import (
    MANAGER,
    fen,
    instant_of,
    local,
    of_merchant,
    shops,
    typed,
    whole,
)
from service.web.till.offers import names, stepped

KINDS = ("voucher", "pool_code", "goods")  # Top-ups and donations are the programme's to set up.
_KEPT = ("budget_id", "project_id", "kind")
_TEXTS = ("title_zh", "title_en", "text_zh", "text_en")
_LIMITS = ("daily_units", "resident_day_units", "resident_week_units", "resident_month_units")
# Terms for which there is no field; a new version has them as the one before.
_CARRIED = ("pictures", "division_codes", "scene_codes", "agreement_id")


@bp.get("/offers/new")
@page_for(MANAGER)
def new_offer() -> Response:
    """A form for a further offer, paid from the budget of another one."""
    others = get(of_merchant("/offers"), limit=50)["offers"]
    budget_id = next((one["budget_id"] for one in others if one["budget_id"]), None)
    form = {"kind": KINDS[0], "valid_days": 30, "cancel_hours": 24, "budget_id": budget_id}
    return _form(str(uuid4()), form)


@bp.get("/offers/<uuid:offer_id>/draft")
@page_for(MANAGER)
def edit_offer(offer_id: UUID) -> Response:
    """A form with the newest version's terms."""
    found = get(of_merchant(f"/offers/{offer_id}"))
    newest = found["newest"]
    form = newest | {"kind": found["kind"]}
    yuan = newest["face_value_fen"]
    form["face_value_yuan"] = f"{yuan // 100}.{yuan % 100:02}"
    for name in ("on_sale_from", "on_sale_to", "valid_until"):
        form[name] = local(newest[name])
    return _form(str(offer_id), form, newest["version"])


@bp.post("/offers/<uuid:offer_id>/draft")
@page_for(MANAGER)
def draft_offer(offer_id: UUID) -> Response:
    """Save the next version; the same terms again are a retry."""
    before = _before(offer_id)
    answer = _drafted(offer_id, before | _terms())
    if answer.refused:
        form = request.form.to_dict() | {"shop_ids": request.form.getlist("shop_ids")}
        form |= {name: before[name] for name in _KEPT if name in before}
        return _form(str(offer_id), form, before.get("version", 0), answer)
    return stepped(offer_id, answer, "drafted")


@bp.post("/offers/<uuid:offer_id>/picture")
@page_for(MANAGER)
def add_picture(offer_id: UUID) -> Response:
    """Send a picture, and draft a version that has it as its first."""
    file = request.files.get("picture")
    sent = ask(
        "PUT",
        of_merchant("/pictures"),
        content=file.read() if file else b"",
        content_type=file.mimetype if file else None,
    )
    if sent.refused:
        return stepped(offer_id, sent, "")
    found = get(of_merchant(f"/offers/{offer_id}"))
    sha256 = sent.body["sha256"]
    others = [one for one in found["newest"]["pictures"] if one != sha256]
    body = _body_of(found) | {"pictures": [sha256, *others]}
    return stepped(offer_id, _drafted(offer_id, body), "pictured")


def _drafted(offer_id: UUID, body: dict[str, Any]) -> Answer:
    """A description that is empty is one that is left out."""
    sent = {name: told for name, told in body.items() if told != "" or name not in _TEXTS[2:]}
    return ask("PUT", of_merchant(f"/offers/{offer_id}"), body=sent)


def _terms() -> dict[str, Any]:
    """What was typed, as the API has it."""
    found: dict[str, Any] = {name: typed(name) or "" for name in _TEXTS}
    found |= {name: whole(name) for name in (*_LIMITS, "valid_days")}
    found |= {name: whole(name) or 0 for name in ("price_points", "cancel_hours")}
    found |= {name: instant_of(name) for name in ("on_sale_from", "on_sale_to", "valid_until")}
    found |= {
        "face_value_fen": fen("face_value_yuan") or 0,
        "expiry_returns": request.form.get("expiry_returns") == "yes",
        "shop_ids": request.form.getlist("shop_ids"),
    }
    if "kind" in request.form:  # Of a further offer; both are for good.
        found |= {"kind": request.form["kind"], "budget_id": typed("budget_id")}
    return found


def _before(offer_id: UUID) -> dict[str, Any]:
    """What a further version has as the one before; nothing of an offer that is new."""
    answer = ask("GET", of_merchant(f"/offers/{offer_id}"))
    if answer.refused:
        return {}
    found = answer.body
    kept = {name: found[name] for name in _KEPT}
    return kept | {name: found["newest"][name] for name in _CARRIED}


def _body_of(found: dict[str, Any]) -> dict[str, Any]:
    """The newest version's terms, as they are drafted."""
    newest = found["newest"]
    named = (*_TEXTS, *_LIMITS, *_CARRIED, "price_points", "face_value_fen", "on_sale_from")
    rest = ("on_sale_to", "shop_ids", "valid_days", "valid_until", "cancel_hours", "expiry_returns")
    return {name: found[name] for name in _KEPT} | {name: newest[name] for name in named + rest}


def _form(
    offer_id: str, form: dict[str, Any], version: int = 0, refused: Answer | None = None
) -> Response:
    return render(
        "till/offer_form.html",
        status=refused.status if refused else 200,
        offer_id=offer_id,
        form=form,
        version=version,
        kinds=KINDS,
        shops=[one for one in shops() if one["closed_at"] is None],
        refused=refused,
        **names(),
    )
