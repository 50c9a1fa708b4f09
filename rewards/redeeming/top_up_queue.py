"""Top-ups that wait: which are due, what the gateway is asked next, and what people look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from rewards.models import TopUp
from rewards.redeeming.top_up_errors import UnknownTopUp

CANCEL_AFTER = timedelta(hours=1)  # Nobody waits for it any longer.
HANGING_AFTER = timedelta(minutes=10)  # Then a person may want to know.
Question = Literal["order", "look", "cancel"]


@dataclass(frozen=True, slots=True)
class Due:
    """An order, and what to ask the gateway about it."""

    holder_id: UUID
    redemption_id: UUID
    order_id: UUID
    amount_fen: int
    question: Question


class Place(NamedTuple):
    """Of a top-up in the list."""

    at: datetime
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """Some top-ups, and where the next page begins."""

    top_ups: Sequence[TopUp]
    next_after: Place | None


def question_of(top_up: TopUp, now: datetime) -> Question:
    """To order again is safe, and only needed where it never arrived: it tells the card's number.
    Once it is to be cancelled it is never ordered again. What has ended is only looked at.
    """
    if top_up.state != "ordered":
        return "look"
    if now - top_up.ordered_at >= CANCEL_AFTER:
        return "cancel"
    return "order" if top_up.answered is None or top_up.answered == "absent" else "look"


def due_of(top_up: TopUp, now: datetime) -> Due:
    """What to ask about it now."""
    return Due(
        top_up.holder_id,
        top_up.redemption_id,
        top_up.order_id,
        top_up.amount_fen,
        question_of(top_up, now),
    )


def due(session: Session, *, now: datetime, limit: int) -> list[Due]:
    """The orders whose time has come, the longest waiting first."""
    query = select(TopUp).where(TopUp.state == "ordered", TopUp.next_at <= now)
    rows = session.scalars(query.order_by(TopUp.next_at, TopUp.order_id).limit(limit))
    return [due_of(top_up, now) for top_up in rows]


def find(session: Session, order_id: UUID) -> TopUp | None:
    """By the id that the gateway knows."""
    query = select(TopUp).where(TopUp.order_id == order_id)
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def get(session: Session, order_id: UUID) -> TopUp:
    """The same; raises UnknownTopUp."""
    if (found := find(session, order_id)) is None:
        raise UnknownTopUp(order_id)
    return found


def hurry(session: Session, order_id: UUID, *, now: datetime) -> TopUp:
    """Let the job ask about an open order at once; about an ended one there is nothing to ask.

    Raises UnknownTopUp. Locks the row.
    """
    top_up = _locked(session, order_id)
    if top_up.next_at is not None and top_up.next_at > now:
        top_up.next_at = now
        session.flush()
    return top_up


def tick_off(session: Session, order_id: UUID) -> TopUp:
    """A person has settled with the gateway what it said against the outcome that stands: the order
    is no longer listed. The same said again does not list it anew; something else does.

    Raises UnknownTopUp. Locks the row.
    """
    top_up = _locked(session, order_id)
    top_up.contradicted_at = None
    session.flush()
    return top_up


def _locked(session: Session, order_id: UUID) -> TopUp:
    top_up = get(session, order_id)
    key = (top_up.holder_id, top_up.redemption_id)
    return session.get_one(TopUp, key, populate_existing=True, with_for_update=True)


def hanging(
    session: Session,
    reached: ColumnElement[bool],
    *,
    now: datetime,
    limit: int,
    after: Place | None = None,
) -> Page:
    """Orders that have waited for longer than HANGING_AFTER, the oldest first. ``reached`` is a
    condition on ``TopUp``.
    """
    open_ = and_(TopUp.state == "ordered", TopUp.ordered_at <= now - HANGING_AFTER)
    return _page(session, and_(reached, open_), "ordered_at", limit, after)


def contradicted(
    session: Session, reached: ColumnElement[bool], *, limit: int, after: Place | None = None
) -> Page:
    """Orders about which the gateway has said two things, the oldest first."""
    told = TopUp.contradicted_at.is_not(None)
    return _page(session, and_(reached, told), "contradicted_at", limit, after)


def _page(
    session: Session,
    wanted: ColumnElement[bool],
    by: Literal["ordered_at", "contradicted_at"],
    limit: int,
    after: Place | None,
) -> Page:
    column = getattr(TopUp, by)
    query = select(TopUp).where(wanted)
    if after is not None:
        query = query.where(
            or_(
                column > after.at,
                and_(column == after.at, TopUp.order_id > after.order_id),
            )
        )
    rows = session.scalars(query.order_by(column, TopUp.order_id).limit(limit + 1)).all()
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return Page(rows[:limit], Place(getattr(last, by), last.order_id) if last else None)
