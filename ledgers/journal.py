"""The auditor's read side: who posted what, when and why, newest first.

Work is bounded whatever is asked: a page looks at POSTINGS_MAX postings at most, and at no further
one once it has looked at TRANSFERS_MAX transfers; so it may have fewer rows than wanted, even none,
and still a place at which to go on. Postings and transfers are never joined: they are stored by
different keys (design section 7).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, not_, select, tuple_
from sqlalchemy.orm import Session

from ledgers.errors import UnknownPosting
from ledgers.filters import Heads, Moves, bounds_of_ids
from ledgers.models import Account, Lot, Posting, SealedPosting, Transfer

PAGE_MAX = 200
POSTINGS_MAX = 1_000
TRANSFERS_MAX = 20_000
Row = TypeVar("Row")
Place = TypeVar("Place")


class PostingPlace(NamedTuple):
    """A posting's place in the journal."""

    recorded_at: datetime
    id: UUID


class TransferPlace(NamedTuple):
    """A transfer's place in the journal: postings from the newest, each from its first place."""

    recorded_at: datetime
    posting_id: UUID
    position: int


@dataclass(frozen=True, slots=True)
class JournalPosting:
    """A posting, and the place of its first leaf in the log; None until it is sealed."""

    posting: Posting
    log_index: int | None


@dataclass(frozen=True, slots=True)
class JournalTransfer:
    """A transfer, its posting, and the place of its leaf in the log; None until it is sealed."""

    transfer: Transfer
    posting: Posting
    log_index: int | None


@dataclass(frozen=True, slots=True)
class AccountWithLots:
    """An account as it stands, and its lots that have something left, the next to lapse first."""

    account: Account
    lots: list[Lot]


@dataclass(frozen=True, slots=True)
class Page(Generic[Row, Place]):
    """``next_after`` asks for the page after this one; None when there is nothing more."""

    rows: Sequence[Row]
    next_after: Place | None


def postings(
    session: Session,
    heads: Heads,
    moves: Moves,
    *,
    after: PostingPlace | None = None,
    limit: int = 50,
) -> Page[JournalPosting, PostingPlace]:
    """Up to ``limit`` (1..PAGE_MAX) postings with at least one transfer among ``moves``.

    Three statements at most.
    """
    assert 0 < limit <= PAGE_MAX
    conditions = moves.conditions()
    size = POSTINGS_MAX if conditions or heads.leave_some_out else limit
    window, ended = _window(session, heads, after, size=size)
    looked_at = _first(window, heads, TRANSFERS_MAX) if conditions else window
    chosen = [posting for posting in looked_at if heads.take(posting)]
    if conditions and chosen:
        query = select(Transfer.posting_id).where(*_of_postings(chosen), *conditions).distinct()
        having = set(session.scalars(query))
        chosen = [posting for posting in chosen if posting.id in having]
    if len(chosen) > limit:
        chosen = chosen[:limit]
        last = chosen[-1]
    elif ended and len(looked_at) == len(window):
        return Page(_sealed(session, chosen), None)
    else:
        last = looked_at[-1]
    return Page(_sealed(session, chosen), PostingPlace(last.recorded_at, last.id))


def get_posting(session: Session, posting_id: UUID) -> JournalPosting:
    """One posting; raises UnknownPosting."""
    posting = session.get(Posting, posting_id)
    if posting is None:
        raise UnknownPosting(posting_id)
    return _sealed(session, [posting])[0]


def transfers_of_posting(
    session: Session, posting_id: UUID, *, after: int | None = None, limit: int = 50
) -> Page[JournalTransfer, int]:
    """Up to ``limit`` (1..PAGE_MAX) transfers of a posting by position, those above ``after``.

    Raises UnknownPosting.
    """
    assert 0 < limit <= PAGE_MAX
    posting = get_posting(session, posting_id).posting
    query = select(Transfer).where(*_of_postings([posting]))
    if after is not None:
        query = query.where(Transfer.position > after)
    rows = list(session.scalars(query.order_by(Transfer.position).limit(limit + 1)))
    found = _with_leaves(session, rows[:limit], {posting.id: posting})
    return Page(found, rows[limit - 1].position if len(rows) > limit else None)


def transfers(
    session: Session,
    heads: Heads,
    moves: Moves,
    *,
    after: TransferPlace | None = None,
    limit: int = 50,
) -> Page[JournalTransfer, TransferPlace]:
    """Up to ``limit`` (1..PAGE_MAX) transfers, those of the newest posting first.

    Three statements at most.
    """
    assert 0 < limit <= PAGE_MAX
    conditions = moves.conditions()
    size = POSTINGS_MAX if conditions or heads.leave_some_out else limit
    start = after and PostingPlace(after.recorded_at, after.posting_id)
    window, ended = _window(session, heads, start, size=size + 1, again=True)
    budget = TRANSFERS_MAX if conditions else limit + 1
    if after is not None and window and window[0].id == after.posting_id:
        behind = (Transfer.posting_id == after.posting_id) & (Transfer.position <= after.position)
        conditions.append(not_(behind))
        budget += after.position + 1
        if after.position + 1 >= window[0].transfer_count:
            window = window[1:]
            budget -= after.position + 1
    looked_at = _first(window, heads, budget)
    by_id = {posting.id: posting for posting in looked_at if heads.take(posting)}
    rows = _in_order(session, by_id, conditions, limit + 1) if by_id else []
    found = _with_leaves(session, rows[:limit], by_id)
    if len(rows) > limit:
        last, position = found[-1].posting, found[-1].transfer.position
    elif ended and len(looked_at) == len(window):
        return Page(found, None)
    else:
        last = looked_at[-1]
        position = last.transfer_count - 1
    return Page(found, TransferPlace(last.recorded_at, last.id, position))


def transfers_of_holder(
    session: Session,
    holder_id: UUID,
    heads: Heads,
    moves: Moves,
    *,
    after: UUID | None = None,
    limit: int = 50,
) -> Page[JournalTransfer, UUID]:
    """Up to ``limit`` (1..PAGE_MAX) transfers stored with a holder, by falling id, below ``after``.

    Looks at POSTINGS_MAX of them. Four statements at most.
    """
    assert 0 < limit <= PAGE_MAX
    conditions = moves.conditions()
    size = POSTINGS_MAX if conditions or heads.leave_some_out else limit
    own = [Transfer.holder_id == holder_id, *heads.bounds_of_ids()]
    if after is not None:
        own.append(Transfer.id < after)
    ids = select(Transfer.id).where(*own).order_by(Transfer.id.desc())
    edge = list(session.scalars(ids.offset(size - 1).limit(2)))
    if edge:
        own.append(Transfer.id >= edge[0])
    query = select(Transfer).where(*own, *conditions).order_by(Transfer.id.desc())
    rows = list(session.scalars(query))
    by_id = _postings_of(session, rows)
    rows = [row for row in rows if heads.take(by_id[row.posting_id])]
    last = edge[0] if len(edge) > 1 else None
    if len(rows) > limit:
        rows = rows[:limit]
        last = rows[-1].id
    return Page(_with_leaves(session, rows, by_id), last)


def accounts(session: Session, holder_id: UUID) -> list[AccountWithLots]:
    """A holder's accounts by unit and kind, each with what lapses when; one statement.

    Empty for an unknown holder.
    """
    its_own = (Lot.holder_id == Account.holder_id) & (Lot.account_id == Account.id)
    query = (
        select(Account, Lot)
        .outerjoin(Lot, its_own & (Lot.remaining > 0))
        .where(Account.holder_id == holder_id)
        .order_by(Account.unit, Account.kind, Lot.expires_on)
    )
    found: dict[UUID, AccountWithLots] = {}
    for account, lot in session.execute(query, execution_options={"populate_existing": True}):
        with_lots = found.setdefault(account.id, AccountWithLots(account, []))
        if lot is not None:
            with_lots.lots.append(lot)
    return list(found.values())


def _window(
    session: Session, heads: Heads, after: PostingPlace | None, *, size: int, again: bool = False
) -> tuple[list[Posting], bool]:
    """The next ``size`` postings of the period, and whether there are no more behind them.

    ``again``: the one at ``after`` is the first of them.
    """
    query = select(Posting).order_by(Posting.recorded_at.desc(), Posting.id.desc())
    if after is not None:
        place, start = tuple_(Posting.recorded_at, Posting.id), tuple_(*after)
        query = query.where(place <= start if again else place < start)
    if heads.since is not None:
        query = query.where(Posting.recorded_at >= heads.since)
    if heads.until is not None:
        query = query.where(Posting.recorded_at < heads.until)
    rows = list(session.scalars(query.limit(size + 1)))
    return rows[:size], len(rows) <= size


def _first(window: list[Posting], heads: Heads, transfers_max: int) -> list[Posting]:
    """As many of the postings as it takes to look at so many transfers."""
    transfer_count = 0
    for number, posting in enumerate(window, 1):
        if heads.take(posting):
            transfer_count += posting.transfer_count
        if transfer_count >= transfers_max:
            return window[:number]
    return window


def _of_postings(chosen: Iterable[Posting]) -> list[ColumnElement[bool]]:
    """The condition on transfers: of these postings, in the partitions of their instants."""
    rows = list(chosen)
    instants = [posting.recorded_at for posting in rows]
    return [
        Transfer.posting_id == any_(_uuids(posting.id for posting in rows)),
        *bounds_of_ids(min(instants), max(instants)),
    ]


def _in_order(
    session: Session,
    by_id: Mapping[UUID, Posting],
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
) -> list[Transfer]:
    """The first transfers of some postings, in their order and each by position."""
    place = func.array_position(_uuids(by_id), Transfer.posting_id)
    query = select(Transfer).where(*_of_postings(by_id.values()), *conditions)
    return list(session.scalars(query.order_by(place, Transfer.position).limit(limit)))


def _postings_of(session: Session, rows: Iterable[Transfer]) -> dict[UUID, Posting]:
    ids = {row.posting_id for row in rows}
    if not ids:
        return {}
    query = select(Posting).where(Posting.id == any_(_uuids(ids)))
    return {posting.id: posting for posting in session.scalars(query)}


def _sealed(session: Session, rows: Sequence[Posting]) -> list[JournalPosting]:
    first = _first_indexes(session, {posting.id for posting in rows})
    return [JournalPosting(posting, first.get(posting.id)) for posting in rows]


def _with_leaves(
    session: Session, rows: Sequence[Transfer], by_id: Mapping[UUID, Posting]
) -> list[JournalTransfer]:
    first = _first_indexes(session, {row.posting_id for row in rows})
    return [
        JournalTransfer(
            row,
            by_id[row.posting_id],
            first[row.posting_id] + row.position if row.posting_id in first else None,
        )
        for row in rows
    ]


def _first_indexes(session: Session, posting_ids: Collection[UUID]) -> dict[UUID, int]:
    """The places in the log of those that are sealed."""
    if not posting_ids:
        return {}
    query = select(SealedPosting.posting_id, SealedPosting.first_index)
    rows = session.execute(query.where(SealedPosting.posting_id == any_(_uuids(posting_ids))))
    return {row.posting_id: row.first_index for row in rows}


def _uuids(ids: Iterable[UUID]) -> ColumnElement[Sequence[UUID]]:
    return literal(list(ids), ARRAY(Uuid()))
