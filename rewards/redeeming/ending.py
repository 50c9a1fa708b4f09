"""Ending: what was redeemed and will not be handed over, or was taken back.

Kept here: points that come back, the redemption's state and the budget's money are one transaction;
who has closed the account gets nothing back. Thousands in a fixed number of statements. The caller
has locked the residents' accounts and ended the vouchers.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ledgers.accounts import closed_among
from ledgers.bulk import array_of, look_up_by_index
from ledgers.returning import Reversal, return_many, spends_left
from rewards.models import OfferVersion, Redemption
from rewards.redeeming.stock import Back, give_back_many


class Ends(NamedTuple):
    """How redemptions end: the state, by whom, and why. The posting that gives points back is named
    by the redemption and the state.
    """

    state: str
    by: str
    reason: str
    now: datetime
    request_id: str | None = None


class Ended(NamedTuple):
    """A redemption that has ended, and the points that came back."""

    id: UUID
    offer_id: UUID
    version: int
    units: int
    returned_points: int


def posting_id_of(redemption_id: UUID, state: str) -> UUID:
    """The id of the posting that gives a redemption's points back."""
    return uuid5(redemption_id, state)


def give_points_back(
    session: Session, spends: Mapping[UUID, UUID], ends: Ends, *, since: datetime
) -> dict[UUID, int]:
    """Give back what is left of redemptions' points, to the lots they came from; how many by
    redemption. What was given back by hand before (``ledgers.corrections``) is not given twice.

    ``spends`` names each redemption's holder; none of them was redeemed before ``since``.
    """
    closed = closed_among(session, spends.values())
    living = {id_: holder for id_, holder in spends.items() if holder not in closed}
    left = spends_left(session, living, since=since)
    returns = [
        Reversal(
            posting_id_of(id_, ends.state),
            living[id_],
            dict(amounts),
            ends.by,
            ends.reason,
            kind=ends.state,
            request_id=ends.request_id,
        )
        for id_, amounts in sorted(left.items())
    ]
    return_many(session, returns, now=ends.now)
    return {id_: sum(amounts.values()) for id_, amounts in left.items()}


_END = text("""
    UPDATE redemption AS r
    SET state = :state, ended_at = :now, ended_by = :by, returned_points = k.points
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[]), CAST(:points AS bigint[]))
         AS k (holder_id, id, points)
    WHERE r.holder_id = k.holder_id AND r.id = k.id AND r.state = 'done'
    RETURNING r.id, r.offer_id, r.version, r.units, r.returned_points
""")


def end_many(
    session: Session, spends: Mapping[UUID, UUID], returned: Mapping[UUID, int], ends: Ends
) -> list[Ended]:
    """Put down that redemptions have ended, with the points that came back by redemption, and let
    what they would have cost go back to what their offers have drawn of their budgets.
    """
    if not spends:
        return []
    rows = sorted((holder.hex, id_.hex, returned.get(id_, 0)) for id_, holder in spends.items())
    parameters = {
        "holders": array_of(holder for holder, _, _ in rows),
        "ids": array_of(id_ for _, id_, _ in rows),
        "points": array_of(points for _, _, points in rows),
        "state": ends.state,
        "now": ends.now,
        "by": ends.by,
    }
    look_up_by_index(session)
    ended = [Ended(*row) for row in session.execute(_END, parameters)]
    give_money_back(session, ended, day=ends.now.date())
    return ended


def give_money_back(session: Session, ended: Sequence[Ended], *, day: date) -> None:
    """To the offers' reserve; their stock stays as it is."""
    versions = versions_of(session, {one.offer_id for one in ended})
    fens = [versions[one.offer_id, one.version].settlement_fen * one.units for one in ended]
    give_back_many(
        session,
        [
            Back(one.offer_id, one.units, fen, day, restock=False)
            for one, fen in zip(ended, fens, strict=True)
            if fen
        ],
    )


def versions_of(session: Session, offer_ids: set[UUID]) -> dict[tuple[UUID, int], OfferVersion]:
    """All versions of some offers: a reference table, a handful each."""
    query = select(OfferVersion).where(OfferVersion.offer_id.in_(offer_ids))
    return {(one.offer_id, one.version): one for one in session.scalars(query)}


def redemptions_of(session: Session, keys: Mapping[UUID, UUID]) -> dict[UUID, Redemption]:
    """Redemptions by id; ``keys`` names each one's holder."""
    query = select(Redemption).where(
        Redemption.holder_id.in_(set(keys.values())), Redemption.id.in_(set(keys))
    )
    fresh = {"populate_existing": True}
    return {one.id: one for one in session.scalars(query, execution_options=fresh)}
