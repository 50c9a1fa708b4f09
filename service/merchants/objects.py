"""What staff act on around merchants, as the admin log has it; a state is facts of the rows.

A merchant's names are a business's, and public. Bank details are never here but their last four
digits.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.models import Agreement, Budget, DonationProject, Merchant, Scanner, Shop
from service.admin.log import State
from service.admin.objects import Object
from service.merchants.programmes import programme_of_merchant

_MERCHANT = ("name_zh", "name_en", "state", "credit_code", "bank_last4")
_SHOP = ("merchant_id", "name_zh", "name_en", "address", "division_code", "closed_at")
_AGREEMENT = (
    "merchant_id",
    "valid_from",
    "valid_to",
    "price_rule",
    "fixed_fen",
    "share_bp",
    "document",
)
_BUDGET = ("name", "valid_from", "valid_to", "total_fen")
_PROJECT = ("merchant_id", "name_zh", "name_en", "text_zh", "text_en", "goal_points", "closed_at")


def _reading(
    session: Session, model: type[Any], id_: UUID, names: tuple[str, ...], *, lock: bool = False
) -> Callable[[], State]:
    """Reads these columns of a row anew; nothing where there is no row yet."""

    def state() -> State:
        one = session.get(model, id_, populate_existing=True, with_for_update=lock)
        return None if one is None else {name: getattr(one, name) for name in names}

    return state


def merchant(session: Session, merchant_id: UUID, programme: str | None) -> Object:
    """A merchant; ``programme`` is of one that is not there yet, too."""
    state = _reading(session, Merchant, merchant_id, _MERCHANT)
    return Object("merchant", str(merchant_id), programme, None, state)


def merchant_step(session: Session, merchant_id: UUID, asked_state: str, reason: str) -> Object:
    """The same for a step; its reason is told once the merchant is in the state asked for."""
    found = merchant(session, merchant_id, programme_of_merchant(session, merchant_id))

    def state() -> State:
        is_ = found.state() or {}
        return {**is_, "reason": reason} if is_.get("state") == asked_state else is_

    return replace(found, state=state)


def shop(session: Session, merchant_id: UUID, shop_id: UUID) -> Object:
    """A merchant's shop."""
    state = _reading(session, Shop, shop_id, _SHOP)
    return Object("shop", str(shop_id), programme_of_merchant(session, merchant_id), None, state)


def agreement(session: Session, merchant_id: UUID, agreement_id: UUID) -> Object:
    """What was agreed with a merchant."""
    state = _reading(session, Agreement, agreement_id, _AGREEMENT)
    programme = programme_of_merchant(session, merchant_id)
    return Object("agreement", str(agreement_id), programme, None, state)


def scanner(session: Session, merchant_id: UUID, scanner_id: UUID) -> Object:
    """A till's device; its key is nowhere."""

    def state() -> State:
        one = session.get(Scanner, scanner_id, populate_existing=True)
        return None if one is None else scanner_facts(one)

    programme = programme_of_merchant(session, merchant_id)
    return Object("scanner", str(scanner_id), programme, None, state)


def scanner_facts(one: Scanner) -> dict[str, object]:
    """How a scanner stands, for the admin log."""
    return {"merchant_id": one.merchant_id, "shop_id": one.shop_id, "retired_at": one.retired_at}


def budget(session: Session, budget_id: UUID, programme: str) -> Object:
    """A programme's budget, without what offers draw of it meanwhile."""
    state = _reading(session, Budget, budget_id, _BUDGET, lock=True)
    return Object("budget", str(budget_id), programme, None, state)


def project(session: Session, project_id: UUID, programme: str) -> Object:
    """A donation project."""
    state = _reading(session, DonationProject, project_id, _PROJECT)
    return Object("donation_project", str(project_id), programme, None, state)
