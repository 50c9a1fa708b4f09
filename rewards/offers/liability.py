"""What offers could still cost a programme: what is on sale, what was redeemed and is not settled,
what is settled and not paid.

Kept here: stock costs no more than its budget has left, and what is no longer on sale costs nothing
but its open vouchers. What is owed is the ledger's word, to the fen.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, REDEEMED
from ledgers.folding import system_balances
from rewards.models import (
    Budget,
    Offer,
    OfferStock,
    OfferVersion,
    Redemption,
    Settlement,
    TopUp,
    Voucher,
)
from rewards.offers.budgets import reserved
from rewards.settling.settlements import NOT_PAID

_PUBLISHED = and_(OfferVersion.offer_id == Offer.id, OfferVersion.version == Offer.version)


class Open(NamedTuple):
    """Redeemed, and neither used nor ended yet: how many, what they will cost, what they took."""

    units: int
    fen: int
    points: int


@dataclass(frozen=True, slots=True)
class OfferLiability:
    """An offer's part; ``version`` is the published one. ``stock_units`` are those that its budget
    could pay for, at most.
    """

    offer: Offer
    version: OfferVersion
    settlement_fen: int
    stock_units: int
    stock_fen: int
    stock_points: int
    open_units: int
    open_fen: int
    open_points: int


@dataclass(frozen=True, slots=True)
class Liability:
    """``stock_fen`` is no sum of the offers': those of one budget share what it has left. The
    points are sums: of stock at most what residents could still spend, of what is open what they
    spent on it.
    """

    offers: Sequence[OfferLiability]
    stock_fen: int
    stock_points: int
    open_fen: int
    open_points: int
    unsettled_fen: int
    unpaid_fen: int

    @property
    def total_fen(self) -> int:
        """What the programme may have to pay, all in all."""
        return self.stock_fen + self.open_fen + self.unsettled_fen + self.unpaid_fen


class _OnSale(NamedTuple):
    offer: Offer
    version: OfferVersion
    stock: OfferStock


def liability(
    session: Session, programme_holder_id: UUID, *, day: date, now: datetime
) -> Liability:
    """A programme's, now; ``day`` is the one in its zone. Offers by id, those alone that could
    still cost or take something.

    It reads the open vouchers of the programme: for a report, not for a screen that polls.
    """
    on_sale = _on_sale(session, programme_holder_id, now)
    budgets = _left_of_budgets(session, on_sale, day)
    opened = _open(session, programme_holder_id)
    others = (
        select(Offer, OfferVersion)
        .join(OfferVersion, _PUBLISHED)
        .where(Offer.id.in_(opened.keys() - {each.offer.id for each in on_sale}))
    )
    rows = [_of_sale(each, budgets, opened) for each in on_sale]
    rows += [_of_the_past(*row, opened) for row in session.execute(others)]
    unsettled_fen, unpaid_fen = _owed(session, programme_holder_id)
    return Liability(
        sorted(rows, key=lambda each: each.offer.id),
        stock_fen=_within_budgets(rows, budgets),
        stock_points=sum(each.stock_points for each in rows),
        open_fen=sum(each.open_fen for each in rows),
        open_points=sum(each.open_points for each in rows),
        unsettled_fen=unsettled_fen,
        unpaid_fen=unpaid_fen,
    )


def _on_sale(session: Session, programme_holder_id: UUID, now: datetime) -> list[_OnSale]:
    """Published or paused, and the end of the sale still to come; a paused one may go on."""
    query = (
        select(Offer, OfferVersion, OfferStock)
        .join(OfferVersion, _PUBLISHED)
        .join(OfferStock, OfferStock.offer_id == Offer.id)
        .where(
            Offer.programme_holder_id == programme_holder_id,
            Offer.state.in_(("published", "paused")),
            OfferVersion.on_sale_to > now,
        )
    )
    return [_OnSale(*row) for row in session.execute(query).all()]


def _left_of_budgets(session: Session, on_sale: Sequence[_OnSale], day: date) -> dict[UUID, int]:
    """By budget, the fen that its offers may still spend: what they reserved and what is left.

    Of one that is over only what is reserved, which offers spend without drawing.
    """
    ids = {each.offer.budget_id for each in on_sale if each.offer.budget_id is not None}
    left = reserved(session, list(ids))
    for budget in session.scalars(select(Budget).where(Budget.id.in_(ids))):
        if day < budget.valid_to:
            left[budget.id] = left.get(budget.id, 0) + budget.total_fen - budget.drawn_fen
    return left


def _open(session: Session, programme_holder_id: UUID) -> dict[UUID, Open]:
    """By offer: vouchers that may still be used, and top-ups in flight."""
    found: defaultdict[UUID, Open] = defaultdict(lambda: Open(0, 0, 0))
    for query in (_open_vouchers(programme_holder_id), _top_ups_in_flight(programme_holder_id)):
        for offer_id, *sums in session.execute(query):
            pairs = zip(found[offer_id], sums, strict=True)
            found[offer_id] = Open(*(have + int(more) for have, more in pairs))
    return found


def _open_vouchers(programme_holder_id: UUID) -> Select[UUID, int, int, int]:
    terms = and_(OfferVersion.offer_id == Voucher.offer_id, OfferVersion.version == Voucher.version)
    return (
        select(
            Voucher.offer_id,
            func.count(),
            func.sum(OfferVersion.settlement_fen),
            func.sum(OfferVersion.price_points),
        )
        .join(OfferVersion, terms)
        .join(Offer, Offer.id == Voucher.offer_id)
        .where(
            Offer.programme_holder_id == programme_holder_id,
            Voucher.consumed_at.is_(None),
            Voucher.lapsed_at.is_(None),
            Voucher.cancelled_at.is_(None),
            Voucher.expired_at.is_(None),
        )
        .group_by(Voucher.offer_id)
    )


def _top_ups_in_flight(programme_holder_id: UUID) -> Select[UUID, int, int, int]:
    order = and_(TopUp.holder_id == Redemption.holder_id, TopUp.redemption_id == Redemption.id)
    terms = and_(
        OfferVersion.offer_id == Redemption.offer_id, OfferVersion.version == Redemption.version
    )
    return (
        select(
            Redemption.offer_id,
            func.sum(Redemption.units),
            func.sum(Redemption.units * OfferVersion.settlement_fen),
            func.sum(Redemption.spent_points),
        )
        .join(TopUp, order)
        .join(OfferVersion, terms)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(
            Offer.programme_holder_id == programme_holder_id,
            TopUp.state == "ordered",
            Redemption.state == "pending",
        )
        .group_by(Redemption.offer_id)
    )


def _of_sale(
    each: _OnSale, budgets: Mapping[UUID, int], opened: Mapping[UUID, Open]
) -> OfferLiability:
    units, price = each.stock.stock_units, each.version.settlement_fen
    if price > 0:
        assert each.offer.budget_id is not None
        units = min(units, budgets.get(each.offer.budget_id, 0) // price)
    return _row(
        each.offer,
        each.version,
        opened.get(each.offer.id, Open(0, 0, 0)),
        settlement_fen=price,
        stock_units=units,
        stock_fen=units * price,
        stock_points=units * each.version.price_points,
    )


def _of_the_past(
    offer: Offer, version: OfferVersion, opened: Mapping[UUID, Open]
) -> OfferLiability:
    nothing = {"stock_units": 0, "stock_fen": 0, "stock_points": 0}
    return _row(offer, version, opened[offer.id], settlement_fen=0, **nothing)


def _row(offer: Offer, version: OfferVersion, opened: Open, **stock: int) -> OfferLiability:
    return OfferLiability(
        offer,
        version,
        open_units=opened.units,
        open_fen=opened.fen,
        open_points=opened.points,
        **stock,
    )


def _within_budgets(rows: Sequence[OfferLiability], budgets: Mapping[UUID, int]) -> int:
    """What all the stock could cost: of each budget no more than it has left."""
    costs: defaultdict[UUID, int] = defaultdict(int)
    for each in rows:
        if each.offer.budget_id is not None:
            costs[each.offer.budget_id] += each.stock_fen
    return sum(min(fen, budgets.get(budget_id, 0)) for budget_id, fen in costs.items())


def _owed(session: Session, programme_holder_id: UUID) -> tuple[int, int]:
    """Fen that are owed: in no settlement yet, and in settlements that are not paid yet."""
    balances = system_balances(session, programme_holder_id)
    owed_fen = -balances.get(("fen", ISSUED), 0) - balances.get(("fen", REDEEMED), 0)
    query = select(func.sum(Settlement.owed_fen - Settlement.returned_fen)).where(
        Settlement.programme_holder_id == programme_holder_id, Settlement.state.in_(NOT_PAID)
    )
    unpaid_fen = int(session.scalar(query) or 0)
    return owed_fen - unpaid_fen, unpaid_fen
