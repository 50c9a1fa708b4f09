"""Stock: what is left of an offer, of its day, and of the money that it has drawn.

The stock row is what all buyers of an offer queue for: it is changed by one guarded statement, sent
last before the commit. Only where that finds too little is the row locked and looked at, to say
what is missing, or to draw more of the offer's budget. Locks: accounts, vouchers, then stock, then
budget; stock rows by id.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.bulk import BY_INDEX, Statement, array_of, together
from rewards.errors import SoldOut
from rewards.redeeming.errors import BudgetExhausted, DailyLimitReached, OfferEnded
from rewards.redeeming.terms import Terms

DRAWN_UNITS = 100  # What is drawn of a budget at once: the worth of so many units,
LOW_ONE_IN = 10  # Few are left where it is no more than this part of what was ever put.
DRAWN_SHARE = 8  # and this part of what is left of it at most, for other offers want some too.

# A request of the day before may come after the day's first: it counts for the later day.
_TAKE: LiteralString = """
    UPDATE offer_stock
    SET stock_units = stock_units - %(units)s, reserved_fen = reserved_fen - %(fen)s,
        day = greatest(day, %(day)s),
        day_units = CASE WHEN day >= %(day)s THEN day_units ELSE 0 END + %(units)s
    WHERE offer_id = %(offer_id)s AND stock_units >= %(units)s AND reserved_fen >= %(fen)s
      AND (CAST(%(daily)s AS bigint) IS NULL
           OR CASE WHEN day >= %(day)s THEN day_units ELSE 0 END + %(units)s <= %(daily)s)
    RETURNING stock_units, put_units
"""
_LOOK: LiteralString = """
    SELECT stock_units, reserved_fen, CASE WHEN day >= %(day)s THEN day_units ELSE 0 END
    FROM offer_stock WHERE offer_id = %(offer_id)s FOR UPDATE
"""
_STATE: LiteralString = "SELECT state FROM offer WHERE id = %(offer_id)s"
_BUDGET: LiteralString = """
    SELECT total_fen - drawn_fen, valid_from, valid_to FROM budget WHERE id = %(id)s FOR UPDATE
"""
_DRAW: LiteralString = "UPDATE budget SET drawn_fen = drawn_fen + %(fen)s WHERE id = %(id)s"
_RESERVE: LiteralString = """
    UPDATE offer_stock SET reserved_fen = reserved_fen + %(fen)s WHERE offer_id = %(offer_id)s
"""


class Left(NamedTuple):
    """What is left of an offer after some units were taken, and what was ever put into it."""

    stock_units: int
    put_units: int

    def runs_low(self, taken_units: int) -> bool:
        """Whether it was the units taken now that left no more than one in LOW_ONE_IN. So it is
        once after each time that stock is put, of an offer to which nothing comes back.
        """
        before_units = self.stock_units + taken_units
        return self.stock_units * LOW_ONE_IN <= self.put_units < before_units * LOW_ONE_IN


def take(session: Session, terms: Terms, units: int, *, day: date) -> None:
    """Take units of the offer and what they cost; ``day`` is the programme's.

    Raises:
        SoldOut, DailyLimitReached: too few are left, at all or today.
        BudgetExhausted: the budget cannot pay for them, or is not for this day.
        OfferEnded: since its terms were read; it draws no more.

    Locks the offer's stock, and its budget where more of it is drawn.
    """
    (taken,) = together(session, taking(terms, units, day=day))
    if taken.rowcount == 0:
        take_or_refuse(session, terms, units, day=day)


def taking(terms: Terms, units: int, *, day: date) -> Statement:
    """Takes units, one row (``Left``), or nothing where something is missing
    (``take_or_refuse``).
    """
    return _TAKE, {
        "offer_id": terms.offer.id,
        "units": units,
        "fen": units * terms.version.settlement_fen,
        "day": day,
        "daily": terms.version.daily_units,
    }


def take_or_refuse(session: Session, terms: Terms, units: int, *, day: date) -> Left:
    """After ``taking`` found too little: draw of the budget and take, or say what is missing."""
    offer, version, fen = terms.offer, terms.version, units * terms.version.settlement_fen
    (looked,) = together(session, (_LOOK, {"offer_id": offer.id, "day": day}))
    row = looked.fetchone()
    if row is None or row[0] < units:
        raise SoldOut(offer.id)
    _, reserved_fen, day_units = row
    if version.daily_units is not None and day_units + units > version.daily_units:
        raise DailyLimitReached(daily_units=version.daily_units, opens_on=day + timedelta(days=1))
    draws = _drawing(session, terms, fen - reserved_fen, day=day) if reserved_fen < fen else []
    row = together(session, *draws, taking(terms, units, day=day))[-1].fetchone()
    assert row is not None, "locked"
    return Left(*row)


def _drawing(session: Session, terms: Terms, missing_fen: int, *, day: date) -> list[Statement]:
    """Draws of the budget what is missing, and some more for those who come next.

    Under the lock of the stock row, which whoever ends an offer takes too: its state is looked at
    anew, or an offer that ended meanwhile would hold money that nobody gives back.
    """
    budget_id = terms.offer.budget_id
    assert budget_id is not None, "what costs something has a budget"
    look = (_STATE, {"offer_id": terms.offer.id})
    offer, budget = together(session, look, (_BUDGET, {"id": budget_id}))
    if offer.fetchall() == [("ended",)]:
        raise OfferEnded(terms.offer.id)
    ((left_fen, valid_from, valid_to),) = budget.fetchall()
    if left_fen < missing_fen or not valid_from <= day < valid_to:
        raise BudgetExhausted(budget_id, valid_from=valid_from, valid_to=valid_to)
    some_fen = min(DRAWN_UNITS * terms.version.settlement_fen, left_fen // DRAWN_SHARE)
    fen = max(missing_fen, some_fen)
    return [
        (_DRAW, {"id": budget_id, "fen": fen}),
        (_RESERVE, {"offer_id": terms.offer.id, "fen": fen}),
    ]


class Back(NamedTuple):
    """Units of an offer that were taken on ``day`` of the programme, and what they cost, go back.

    ``restock``: they can be had again, on the same day too; otherwise only the money comes back.
    """

    offer_id: UUID
    units: int
    fen: int
    day: date
    restock: bool


class _Sums(NamedTuple):
    """What one offer gets back; ``day_units`` are those of ``day``, the latest one: of the others
    the stock row knows nothing any more.
    """

    offer_id: UUID
    units: int
    fen: int
    day: date
    day_units: int


def give_back(
    session: Session, offer_id: UUID, units: int, *, fen: int, day: date, restock: bool
) -> None:
    """``give_back_many`` of one."""
    give_back_many(session, [Back(offer_id, units, fen, day, restock)])


def give_back_many(session: Session, backs: Sequence[Back]) -> None:
    """Give units back to their offers, and what they cost to what the offers have drawn; an ended
    offer draws no more: what it gets goes back to its budget.

    Two statements however many, and some more where offers have ended. Locks the stock rows, then
    the budgets of ended offers, each by id.
    """
    by_offer: defaultdict[UUID, list[Back]] = defaultdict(list)
    for back in backs:
        by_offer[back.offer_id].append(back)
    rows = [_of_offer(by_offer[offer_id]) for offer_id in sorted(by_offer)]
    if not rows:
        return
    ids = array_of(row.offer_id.hex for row in rows)
    *_, ended = together(session, *_giving(rows, ids), (_ENDED, {"offers": ids}))
    if found := sorted(ended.fetchall()):
        _to_budgets(session, found)


def _giving(rows: Sequence[_Sums], ids: str) -> list[Statement]:
    """Of one offer by its name, so that on Citus its shard alone is asked (decision 29)."""
    if len(rows) == 1:
        return [(_GIVE_ONE, rows[0]._asdict() | {"rows": 1})]
    parameters = {
        "offers": ids,
        "units": array_of(row.units for row in rows),
        "fens": array_of(row.fen for row in rows),
        "days": array_of(row.day for row in rows),
        "day_units": array_of(row.day_units for row in rows),
        "rows": len(rows),
    }
    return [*BY_INDEX, (_GIVE, parameters)]


def _of_offer(backs: Sequence[Back]) -> _Sums:
    stocked = [back for back in backs if back.restock]
    day = max(back.day for back in backs)
    return _Sums(
        backs[0].offer_id,
        units=sum(back.units for back in stocked),
        fen=sum(back.fen for back in backs),
        day=day,
        day_units=sum(back.units for back in stocked if back.day == day),
    )


_GIVE_ONE: LiteralString = """
    UPDATE offer_stock
    SET stock_units = stock_units + %(units)s, reserved_fen = reserved_fen + %(fen)s,
        day_units = CASE WHEN day = %(day)s THEN greatest(day_units - %(day_units)s, 0)
                    ELSE day_units END
    WHERE offer_id = %(offer_id)s
"""
_GIVE: LiteralString = """
    UPDATE offer_stock AS s
    SET stock_units = s.stock_units + d.units, reserved_fen = s.reserved_fen + d.fen,
        day_units = CASE WHEN s.day = d.day THEN greatest(s.day_units - d.day_units, 0)
                    ELSE s.day_units END
    FROM unnest(CAST(%(offers)s AS uuid[]), CAST(%(units)s AS bigint[]), CAST(%(fens)s AS bigint[]),
                CAST(%(days)s AS date[]), CAST(%(day_units)s AS bigint[]))
         AS d (offer_id, units, fen, day, day_units)
    WHERE s.offer_id = d.offer_id
"""
# Looked at under the locks of the stock rows, which whoever ends an offer takes too.
_ENDED: LiteralString = """
    SELECT budget_id, id FROM offer
    WHERE id = ANY(CAST(%(offers)s AS uuid[])) AND state = 'ended' AND budget_id IS NOT NULL
"""


def _to_budgets(session: Session, ended: Sequence[tuple[UUID, UUID]]) -> None:
    """What ended offers, locked here, have drawn goes back to their (budget, offer)."""
    budgets = {offer_id: budget_id for budget_id, offer_id in ended}
    ids = {"offers": array_of(offer_id.hex for offer_id in sorted(budgets))}
    back_fen: defaultdict[UUID, int] = defaultdict(int)
    for offer_id, reserved_fen in together(session, (_RESERVED, ids))[0].fetchall():
        back_fen[budgets[offer_id]] += reserved_fen
    draws: list[Statement] = [
        (_DRAW, {"id": budget_id, "fen": -back_fen[budget_id]}) for budget_id in sorted(back_fen)
    ]
    together(session, (_UNRESERVE, ids), *draws)


_RESERVED: LiteralString = """
    SELECT offer_id, reserved_fen FROM offer_stock
    WHERE offer_id = ANY(CAST(%(offers)s AS uuid[]))
"""
_UNRESERVE: LiteralString = """
    UPDATE offer_stock SET reserved_fen = 0 WHERE offer_id = ANY(CAST(%(offers)s AS uuid[]))
"""
