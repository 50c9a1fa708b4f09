"""Holds: reserve points, then capture all or part of them, or release; or the deadline passes.

A held amount ends exactly once. Until then it is part of the balance and not available, and its
points do not lapse. What a release gives back to a lot that has lapsed meanwhile can be used for
the policy's days of grace.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.accounts import PERSONAL, AccountKey, account_key
from ledgers.bulk import NULL, array_of, together
from ledgers.errors import (
    DeadlineOutOfBounds,
    HoldEnded,
    HoldExceeded,
    HoldReused,
    InvalidAmount,
    PostingReused,
    UnknownAccount,
    UnknownHold,
    WrongUnit,
)
from ledgers.expiry import Policies, load_policies
from ledgers.funds import Funds, Part, lock_accounts, lock_holder
from ledgers.lapsing import lapse
from ledgers.models import Hold
from ledgers.moves import Move, write_moves
from ledgers.posting import (
    AMOUNT_MAX,
    Posted,
    check_available,
    net_changes,
    policies_of,
    same_or_refuse,
    system_side,
)
from ledgers.writing import (
    Line,
    NewPosting,
    NewTransfer,
    claiming,
    content_of,
    contents_of,
    digest_of,
    digest_under,
    lot_changes,
    of_one,
    writing_transfers,
)

DAYS_MAX = 31  # A hold bridges an outside step; it is no way to keep points from lapsing.
BATCH_MAX = 1_000
LAPSE_ACTOR = "job:lapse_holds"


@dataclass(frozen=True, slots=True)
class NewHold:
    """What shall be reserved: ``points`` of a holder until ``deadline_at``, for ``reference``."""

    id: UUID
    holder_id: UUID
    points: int
    reference: UUID
    actor: str
    deadline_at: datetime


def reserve(session: Session, new: NewHold, *, now: datetime) -> Hold:
    """Reserve points; the same hold again answers what became of the first.

    Raises:
        InvalidAmount, DeadlineOutOfBounds: nothing was looked at.
        UnknownAccount: the holder has no open account of points.
        HoldReused: the id stands for another hold of this holder.
        InsufficientPoints: less is available, or the holder is in debt.

    Locks the holder's accounts.
    """
    if type(new.points) is not int or not 0 < new.points <= AMOUNT_MAX:
        raise InvalidAmount(new.points)
    funds = _funds(session, new.holder_id)
    if (earlier := find_hold(session, new.holder_id, new.id)) is not None:
        return _same_or_refuse(earlier, new)
    if not now < new.deadline_at <= now + timedelta(days=DAYS_MAX):
        raise DeadlineOutOfBounds(new.deadline_at, DAYS_MAX)
    lapse(session, [funds], now=now)
    check_available(funds, new.points)
    session.execute(
        insert(Hold).values(
            holder_id=new.holder_id,
            id=new.id,
            account_id=UUID(funds.key.id),
            amount=new.points,
            reference=new.reference,
            actor=new.actor,
            reserved_at=now,
            deadline_at=new.deadline_at,
        )
    )
    funds.held += new.points
    _write_accounts(session, [funds])
    return get_hold(session, new.holder_id, new.id)


def capture(
    session: Session,
    capture_id: UUID,
    *,
    holder_id: UUID,
    hold_id: UUID,
    points: int,
    credit: AccountKey,
    actor: str,
    now: datetime,
) -> Posted:
    """Spend all or part of a hold to ``credit``, a programme's account; the rest is released.

    ``capture_id`` becomes the posting's id; the same again is a retry.

    Raises:
        InvalidAmount, WrongUnit: as their names say.
        UnknownHold: this holder has no such hold.
        HoldExceeded: more than is held.
        HoldEnded: captured under another id, released, or the deadline has passed.
        PostingReused: ``capture_id`` stands for something else.

    Locks the holder's accounts. Never fails for lack of points: they are reserved.
    """
    if type(points) is not int or not 0 < points <= AMOUNT_MAX:
        raise InvalidAmount(points)
    funds = _funds(session, holder_id)
    if credit.unit != funds.key.unit:
        raise WrongUnit(funds.key.unit, credit.unit)
    hold = get_hold(session, holder_id, hold_id)
    transfer = NewTransfer(
        holder_id, funds.key, credit, points, "spend", hold.reference, hold.reserved_at
    )
    posting = NewPosting(capture_id, "capture", actor, [transfer], reason=f"hold {hold_id}")
    digest = digest_of(posting, contents_of([transfer]))
    changes = net_changes([transfer])
    earlier, system = together(session, digest_under(capture_id), system_side(changes))
    if (row := earlier.fetchone()) is not None:
        return same_or_refuse(capture_id, row[0], digest)
    _refuse_ended(hold, now)
    if points > hold.amount:
        raise HoldExceeded(held_points=hold.amount, asked_points=points)
    policies_of(changes, system)
    lapse(session, [funds], now=now)
    parts = funds.capture(points, of_held=hold.amount)
    lines: list[Line] = [
        (content_of(transfer, part.amount), part.expires_on or NULL) for part in parts
    ]
    claimed, *_ = together(
        session,
        claiming(posting, digest, transfers=len(lines), now=now),
        *writing_transfers(session, [(capture_id, lines)], now),
    )
    if not claimed.rowcount:
        raise PostingReused(capture_id)  # Not found under this holder's lock: it is another's.
    key = (holder_id, hold_id)
    _end(session, [key], "captured", now=now, captured=points, ended_by=capture_id)
    _give_back(session, [Released(funds, hold.reference, funds.settle())], actor, now)
    return Posted(capture_id, written=True)


def release(session: Session, *, holder_id: UUID, hold_id: UUID, actor: str, now: datetime) -> Hold:
    """Give a held amount back; releasing again answers the same.

    Raises:
        UnknownHold: this holder has no such hold.
        HoldEnded: it was captured, or its deadline had passed before.

    Locks the holder's accounts.
    """
    funds = _funds(session, holder_id)
    hold = get_hold(session, holder_id, hold_id)
    if hold.state != "released":
        _refuse_ended(hold, now)
        lapse(session, [funds], now=now)
        _end(session, [(holder_id, hold_id)], "released", now=now)
        paid = funds.release(hold.amount)
        _give_back(session, [Released(funds, hold.reference, paid)], actor, now)
    return get_hold(session, holder_id, hold_id)


def end_overdue(session: Session, holder_id: UUID, *, now: datetime) -> int:
    """Release what of one holder is held past its deadline, as the job would; answers how many.

    Locks the holder's accounts; who has none open has nothing held.
    """
    accounts = list(lock_holder(session, holder_id).values())
    query = select(Hold.id).where(
        Hold.holder_id == holder_id, Hold.state == "held", Hold.deadline_at <= now
    )
    due = [(holder_id, hold_id) for hold_id in session.scalars(query)]
    if not accounts or not due:
        return 0
    by_id = {UUID(funds.key.id): funds for funds in accounts}
    ended = _end(session, due, "lapsed", now=now)
    lapse(session, accounts, now=now)
    released = [
        Released(by_id[account], reference, by_id[account].release(amount))
        for account, amount, reference in ended
    ]
    _give_back(session, released, LAPSE_ACTOR, now)
    return len(ended)


def find_hold(session: Session, holder_id: UUID, hold_id: UUID) -> Hold | None:
    """The holder's hold as it stands."""
    return session.get(Hold, (holder_id, hold_id), populate_existing=True)


def get_hold(session: Session, holder_id: UUID, hold_id: UUID) -> Hold:
    """The holder's hold; raises UnknownHold also for somebody else's."""
    if (hold := find_hold(session, holder_id, hold_id)) is None:
        raise UnknownHold(hold_id)
    return hold


def active_holds(session: Session, holder_id: UUID, *, limit: int = 200) -> Sequence[Hold]:
    """What is reserved of a holder's points, the next deadline first."""
    query = select(Hold).where(Hold.holder_id == holder_id, Hold.state == "held")
    return session.scalars(query.order_by(Hold.deadline_at, Hold.id).limit(limit)).all()


_DUE = text("""
    SELECT holder_id, account_id, id FROM hold WHERE state = 'held' AND deadline_at <= :now
    ORDER BY holder_id, id LIMIT :limit
""")


def lapse_due_holds(session: Session, *, now: datetime, limit: int = BATCH_MAX) -> int:
    """Release up to ``limit`` holds whose deadline has passed; answers how many.

    A fixed number of statements. Safe to repeat and to kill: a batch is one transaction.
    """
    due = session.execute(_DUE, {"now": now, "limit": limit}).all()
    if not due:
        return 0
    accounts = lock_accounts(session, {(holder, account) for holder, account, _ in due})
    ended = _end(session, [(holder, id_) for holder, _, id_ in due], "lapsed", now=now)
    lapse(session, list(accounts.values()), now=now)
    released = [
        Released(accounts[account], reference, accounts[account].release(amount))
        for account, amount, reference in ended
    ]
    if released:  # Others may have ended all of them first.
        _give_back(session, released, LAPSE_ACTOR, now)
    return len(ended)


def _funds(session: Session, holder_id: UUID) -> Funds:
    key = account_key(holder_id, "point", PERSONAL)
    funds = lock_holder(session, holder_id)
    if key.id not in funds:
        raise UnknownAccount([UUID(key.id)])
    return funds[key.id]


def _same_or_refuse(earlier: Hold, new: NewHold) -> Hold:
    known = (earlier.amount, earlier.reference, earlier.actor, earlier.deadline_at)
    if known != (new.points, new.reference, new.actor, new.deadline_at):
        raise HoldReused(new.id)
    return earlier


def _refuse_ended(hold: Hold, now: datetime) -> None:
    """A passed deadline ends a hold, whether or not the job has been there."""
    if hold.ended_at is not None:
        raise HoldEnded(hold.id, hold.state, hold.ended_at)
    if hold.deadline_at <= now:
        raise HoldEnded(hold.id, "lapsed", hold.deadline_at)


class Released(NamedTuple):
    """An account of which less is held, and what of that paid a debt and so left its lots."""

    funds: Funds
    reference: UUID
    paid: list[Part]


def _give_back(session: Session, released: Sequence[Released], actor: str, now: datetime) -> None:
    """Put down what paid a debt, and what gets days of grace; write accounts and lots."""
    accounts = {one.funds.key.id: one.funds for one in released}
    issuers = {b.issuer_id for funds in accounts.values() for b in funds.buckets.values()}
    policies = load_policies(session, list(issuers)) if issuers else Policies([])
    moves = []
    for funds, reference, paid in released:
        for part in paid:
            moves.append(Move(funds.key, part, _issuer(funds, part), None, reference))
        for part in funds.due(now):
            assert part.expires_on is not None
            bucket = policies.for_return(_issuer(funds, part), part.expires_on, now)
            if bucket.expires_on != part.expires_on:
                funds.shift(part, bucket)
                day = bucket.expires_on
                moves.append(Move(funds.key, part, bucket.issuer_id, day, reference))
    if moves:
        write_moves(session, uuid4(), "release", actor, moves, now)
    _write_accounts(session, accounts.values())
    together(session, *lot_changes(accounts.values()))


def _issuer(funds: Funds, part: Part) -> UUID:
    assert part.expires_on is not None
    return funds.buckets[part.expires_on].issuer_id


_END: LiteralString = """
    UPDATE hold AS a SET state = %(state)s, captured = %(captured)s, ended_at = %(now)s,
        ended_by = %(ended_by)s
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[])) AS k (holder_id, id)
    WHERE a.holder_id = k.holder_id AND a.id = k.id AND a.state = 'held'"""
_ENDED: LiteralString = " RETURNING a.account_id, a.amount, a.reference"


def _end(
    session: Session,
    holds: Sequence[tuple[UUID, UUID]],
    state: str,
    *,
    now: datetime,
    captured: int = 0,
    ended_by: UUID | None = None,
) -> list[tuple[UUID, int, UUID]]:
    """End those of the holds, given as (holder, id), that have not ended.

    Answers (account, amount, reference) of each.
    """
    parameters = {
        "holders": array_of(holder.hex for holder, _ in holds),
        "ids": array_of(id_.hex for _, id_ in holds),
        "state": state,
        "captured": captured,
        "ended_by": ended_by,
        "now": now,
        "holder": holds[0][0],
    }
    (ended,) = together(session, (_END + of_one(h for h, _ in holds) + _ENDED, parameters))
    return [(row[0], row[1], row[2]) for row in ended]


_WRITE: LiteralString = """
    UPDATE account AS a SET held = k.held, balance = k.balance, debt = k.debt
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[]), CAST(%(helds)s AS bigint[]),
                CAST(%(balances)s AS bigint[]), CAST(%(debts)s AS bigint[]))
         AS k (holder_id, id, held, balance, debt)
    WHERE a.holder_id = k.holder_id AND a.id = k.id"""


def _write_accounts(session: Session, accounts: Iterable[Funds]) -> None:
    """Write locked accounts as they are now."""
    rows = list(accounts)
    parameters = {
        "holders": array_of(funds.key.holder_id.hex for funds in rows),
        "ids": array_of(funds.key.id for funds in rows),
        "helds": array_of(funds.held for funds in rows),
        "balances": array_of(funds.balance for funds in rows),
        "debts": array_of(funds.debt for funds in rows),
        "holder": rows[0].key.holder_id,
        "rows": len(rows),
    }
    holders = (funds.key.holder_id for funds in rows)
    together(session, (_WRITE + of_one(holders), parameters))
