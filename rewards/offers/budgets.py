"""Budgets: what a programme will pay merchants, from a day to the day before another.

Kept here: a budget's total is never below what its offers have drawn of it. Offers draw in chunks
(``rewards.redeeming.stock``): what an offer drew and has not spent is reserved for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rewards.models import Budget, Offer, OfferStock
from rewards.offers.budget_errors import (
    BudgetDoesNotFit,
    BudgetDrawn,
    BudgetReused,
    UnknownBudget,
)


class NewBudget(NamedTuple):
    """``id`` is made by the client; ``valid_to`` is exclusive."""

    id: UUID
    programme_holder_id: UUID
    name: str
    valid_from: date
    valid_to: date
    total_fen: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A budget, and how it stands: drawn is what is reserved for offers and what is spent."""

    budget: Budget
    reserved_fen: int

    @property
    def spent_fen(self) -> int:
        """What redemptions cost, those whose voucher is still open too."""
        return self.budget.drawn_fen - self.reserved_fen

    @property
    def left_fen(self) -> int:
        """What no offer has drawn yet."""
        return self.budget.total_fen - self.budget.drawn_fen


def put(session: Session, new: NewBudget, *, made_by: str, now: datetime) -> Budget:
    """Make a budget, or raise, lower, rename or prolong it; the same again changes nothing.

    Locks its row, which offers draw from. Raises BudgetDoesNotFit, BudgetReused, BudgetDrawn.
    """
    if new.total_fen < 0:
        raise BudgetDoesNotFit("total_fen")
    if new.valid_to <= new.valid_from:
        raise BudgetDoesNotFit("validity")
    found = session.get(Budget, new.id, with_for_update=True, populate_existing=True)
    if found is None:
        found = Budget(**new._asdict(), drawn_fen=0, made_by=made_by, made_at=now)
        session.add(found)
        session.flush()
        return found
    same = (found.programme_holder_id, found.valid_from)
    if same != (new.programme_holder_id, new.valid_from):
        raise BudgetReused(new.id)
    if new.total_fen < found.drawn_fen:
        raise BudgetDrawn(total_fen=new.total_fen, drawn_fen=found.drawn_fen)
    found.name, found.valid_to, found.total_fen = new.name, new.valid_to, new.total_fen
    session.flush()
    return found


def get(session: Session, budget_id: UUID) -> Budget:
    """The budget; raises UnknownBudget."""
    found = session.get(Budget, budget_id)
    if found is None:
        raise UnknownBudget(budget_id)
    return found


def listed(
    session: Session,
    *,
    programme_holder_id: UUID | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[Budget]:
    """Budgets by id, of one programme or (None) of all; ``after`` is the last one told."""
    query = select(Budget).order_by(Budget.id).limit(limit)
    if programme_holder_id is not None:
        query = query.where(Budget.programme_holder_id == programme_holder_id)
    if after is not None:
        query = query.where(Budget.id > after)
    return session.scalars(query).all()


def drawn(session: Session, budgets: Sequence[Budget]) -> list[Drawn]:
    """How each stands; one statement."""
    of_offers = reserved(session, [each.id for each in budgets])
    return [Drawn(each, of_offers.get(each.id, 0)) for each in budgets]


def reserved(session: Session, budget_ids: Sequence[UUID]) -> dict[UUID, int]:
    """By budget, the fen that its offers have drawn and not spent."""
    query = (
        select(Offer.budget_id, func.sum(OfferStock.reserved_fen))
        .join(OfferStock, OfferStock.offer_id == Offer.id)
        .where(Offer.budget_id.in_(budget_ids))
        .group_by(Offer.budget_id)
    )
    return {budget_id: int(fen) for budget_id, fen in session.execute(query) if budget_id}
