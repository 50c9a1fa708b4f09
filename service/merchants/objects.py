"""What staff act on around merchants, as the admin log has it; a state is facts of the rows.

A merchant's names are a business's, and public. Bank details are never here but their last four
digits.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from rewards.models import Agreement, Budget, DonationProject, Merchant, Scanner, Shop
from service.admin.log import State
from service.admin.objects import Object
from service.merchants.programmes import programme_of_merchant


def merchant(session: Session, merchant_id: UUID, programme: str | None) -> Object:
    """A merchant; ``programme`` is of one that is not there yet, too."""

    def state() -> State:
        one = session.get(Merchant, merchant_id, populate_existing=True)
        return (
            None
            if one is None
            else {
                "name_zh": one.name_zh,
                "name_en": one.name_en,
                "state": one.state,
                "credit_code": one.credit_code,
                "bank_last4": one.bank_last4,
            }
        )

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

    def state() -> State:
        one = session.get(Shop, shop_id, populate_existing=True)
        return (
            None
            if one is None
            else {
                "merchant_id": one.merchant_id,
                "name_zh": one.name_zh,
                "name_en": one.name_en,
                "address": one.address,
                "division_code": one.division_code,
                "closed_at": one.closed_at,
            }
        )

    return Object("shop", str(shop_id), programme_of_merchant(session, merchant_id), None, state)


def agreement(session: Session, merchant_id: UUID, agreement_id: UUID) -> Object:
    """What was agreed with a merchant."""

    def state() -> State:
        one = session.get(Agreement, agreement_id, populate_existing=True)
        return (
            None
            if one is None
            else {
                "merchant_id": one.merchant_id,
                "valid_from": one.valid_from,
                "valid_to": one.valid_to,
                "price_rule": one.price_rule,
                "fixed_fen": one.fixed_fen,
                "share_bp": one.share_bp,
                "document": one.document,
            }
        )

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

    def state() -> State:
        one = session.get(Budget, budget_id, populate_existing=True, with_for_update=True)
        return (
            None
            if one is None
            else {
                "name": one.name,
                "valid_from": one.valid_from,
                "valid_to": one.valid_to,
                "total_fen": one.total_fen,
            }
        )

    return Object("budget", str(budget_id), programme, None, state)


def project(session: Session, project_id: UUID, programme: str) -> Object:
    """A donation project."""

    def state() -> State:
        one = session.get(DonationProject, project_id, populate_existing=True)
        return (
            None
            if one is None
            else {
                "merchant_id": one.merchant_id,
                "name_zh": one.name_zh,
                "name_en": one.name_en,
                "text_zh": one.text_zh,
                "text_en": one.text_en,
                "goal_points": one.goal_points,
                "closed_at": one.closed_at,
            }
        )

    return Object("donation_project", str(project_id), programme, None, state)
