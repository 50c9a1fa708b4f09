"""Posting: what is moved, by whom and why, once.

Kept here, and kept again by the database: a transfer's amount is positive and its two accounts
hold its unit; a guarded account never has less than is held of it; a transfer is never changed, so
a mistake is answered by a reversal. Two residents' postings lock no row in common: a programme's
own accounts are not updated here, and nothing here refers to a shared row by foreign key.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid5

from psycopg import Cursor
from sqlalchemy.orm import Session

from ledgers.accounts import ISSUED, PERSONAL, AccountKey
from ledgers.bulk import BY_INDEX, NULL, Statement, array_of, together
from ledgers.errors import (
    InsufficientPoints,
    InvalidAmount,
    PostingOutOfBounds,
    PostingReused,
    UnknownAccount,
    WrongUnit,
)
from ledgers.expiry import POLICY_COLUMNS, Bucket, Policies, Policy
from ledgers.funds import Funds, Part, locked, locking
from ledgers.lapsing import lapse
from ledgers.moves import Move, write_moves
from ledgers.writing import (
    Line,
    Lines,
    NewPosting,
    NewTransfer,
    changing,
    claiming,
    content_of,
    contents_of,
    digest_of,
    digest_under,
    lot_changes,
    lowering,
    raising,
    writing_transfers,
)

__all__ = ["AMOUNT_MAX", "TRANSFERS_MAX", "NewPosting", "NewTransfer", "Posted", "post"]

TRANSFERS_MAX = 20_000  # A posting is planned in memory: 10,000 events of two transfers each.
AMOUNT_MAX = 2**53  # The largest whole number that every JSON reader keeps exactly.

Changes = Mapping[str, tuple[AccountKey, int]]  # By the account's id: its key, its net change.


@dataclass(frozen=True, slots=True)
class Posted:
    """The posting stands; ``written`` is False when an earlier call wrote it."""

    id: UUID
    written: bool


def post(session: Session, posting: NewPosting, *, now: datetime) -> Posted:
    """Write one atomic list of transfers, or answer that it was written before.

    Args:
        session: the caller's open transaction; the caller commits, nothing here does.
        posting: id made by the client or derived from the cause; 1..TRANSFERS_MAX transfers,
            each a whole amount of 1..AMOUNT_MAX. It debits guarded accounts of one holder at most.
        now: the zone-aware instant of this write; ids of transfers carry it, and it decides into
            which lot points land and which lots have lapsed.

    Raises:
        PostingOutOfBounds, InvalidAmount, WrongUnit: as their names say; nothing was looked at.
        UnknownAccount: accounts that do not exist, are closed (all are listed).
        PostingReused: the id stands for other content.
        InsufficientPoints: a guarded account has less available, or its holder is in debt.

    What is spent comes from the lots that lapse first, a transfer for each; what an issuer gives
    lands in the lot of its policy. A retry writes nothing. A fixed number of statements, in some
    round trips, however many transfers. Locks the debited holder's accounts, then the credited
    ones, each lowest (holder, id) first, then their lots, until the caller's transaction ends.
    Source: docs/DECISIONS.md, 2, 4, 18.
    """
    changes = net_changes(posting.transfers)
    contents = contents_of(posting.transfers)
    digest = digest_of(posting, contents)
    debited = {t.debit.holder_id for t in posting.transfers if not t.debit.is_system}
    if not debited:
        return _give(session, posting, changes, contents, digest, now)
    assert len(debited) == 1, "a posting debits one holder"
    return _spend(session, posting, changes, digest, debited.pop(), now)


def net_changes(transfers: Sequence[NewTransfer]) -> Changes:
    """What each account gains or loses, by its id; refuses amounts that are none."""
    if not 0 < len(transfers) <= TRANSFERS_MAX:
        raise PostingOutOfBounds(len(transfers), TRANSFERS_MAX)
    keys: dict[str, AccountKey] = {}
    net: defaultdict[str, int] = defaultdict(int)
    for _, debit, credit, amount, *_ in transfers:
        if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
            raise InvalidAmount(amount)
        if debit.unit != credit.unit:
            raise WrongUnit(debit.unit, credit.unit)
        keys[debit.id], keys[credit.id] = debit, credit
        net[debit.id] -= amount
        net[credit.id] += amount
    return {id_: (key, net[id_]) for id_, key in keys.items()}


def same_or_refuse(posting_id: UUID, earlier: bytes, digest: bytes) -> Posted:
    """The answer to a retry; raises PostingReused when the id stands for other content."""
    if earlier != digest:
        raise PostingReused(posting_id)
    return Posted(posting_id, written=False)


# --- Giving: only system accounts are debited ----------------------------------------------------


def _give(
    session: Session,
    posting: NewPosting,
    changes: Changes,
    contents: list[str],
    digest: bytes,
    now: datetime,
) -> Posted:
    claimed, earlier, system = together(
        session,
        claiming(posting, digest, transfers=len(contents), now=now),
        digest_under(posting.id),
        system_side(changes),
    )
    if claimed.rowcount == 0:
        return same_or_refuse(posting.id, _one(earlier), digest)
    landings = _landings(changes, policies_of(changes, system), now)
    lines: list[Line] = []
    for content, (holder_id, debit, credit, amount, *_) in zip(
        contents, posting.transfers, strict=True
    ):
        landing = landings.get(debit.id)
        if landing is None or credit.is_system:
            lines.append((content, NULL))
        else:
            lines.append((content, landing.bucket.expires_on))
            landing.gains[holder_id.hex, credit.id] += amount
    raised = [
        raising(landing.bucket, [(holder, id_, n) for (holder, id_), n in landing.gains.items()])
        for landing in landings.values()
        if landing.gains
    ]
    paid = _write(session, [(posting.id, lines)], changes, raised, now, clawback=False)
    if paid and landings:
        _pay_debts(session, posting, paid, landings.values(), now)
    return Posted(posting.id, written=True)


@dataclass(frozen=True, slots=True)
class _Landing:
    """The lot in which an issuer's points land, and what each (holder, account) gains in it."""

    bucket: Bucket
    gains: defaultdict[tuple[str, str], int]


def _landings(changes: Changes, policies: Policies, now: datetime) -> dict[str, _Landing]:
    """By issuing account."""
    found = {
        key.id: policies.for_earning(key.holder_id, now)
        for key, _ in changes.values()
        if key.kind == ISSUED and key.unit == "point"
    }
    return {id_: _Landing(bucket, defaultdict(int)) for id_, bucket in found.items() if bucket}


def _pay_debts(
    session: Session,
    cause: NewPosting,
    paid: Mapping[str, int],
    landings: Iterable[_Landing],
    now: datetime,
) -> None:
    """What came in and paid a debt leaves its lot again, by a posting of its own."""
    moves: list[Move] = []
    losses: list[tuple[str, str, date, int]] = []
    left = dict(paid)
    for landing in landings:
        day, issuer_id = landing.bucket.expires_on, landing.bucket.issuer_id
        for (holder, account), gained in landing.gains.items():
            if part := min(gained, left.get(account, 0)):
                left[account] -= part
                key = AccountKey(UUID(holder), "point", PERSONAL, account)
                moves.append(Move(key, Part(day, part), issuer_id, None, cause.id))
                losses.append((holder, account, day, part))
    if moves:
        together(session, lowering(losses))
        posting_id = uuid5(cause.id, "debts")
        write_moves(session, posting_id, "debt_payment", cause.actor, moves, now)


# --- Spending: one holder's accounts are debited -------------------------------------------------


def _spend(
    session: Session,
    posting: NewPosting,
    changes: Changes,
    digest: bytes,
    holder_id: UUID,
    now: datetime,
) -> Posted:
    accounts, lots, earlier, system = together(
        session, *locking(holder_id), digest_under(posting.id), system_side(changes)
    )
    if earlier.rowcount:
        return same_or_refuse(posting.id, _one(earlier), digest)
    funds = locked(holder_id, accounts, lots)
    policies = policies_of(changes, system)
    touched = _debited(posting.transfers, funds)
    lapse(session, touched, now=now)
    for account_id, need in _needs(posting.transfers).items():
        check_available(funds[account_id], need)
    lines = split(posting.transfers, funds, policies, now)
    return write_split(session, posting, digest, lines, changes, funds, now, clawback=False)


def _needs(transfers: Iterable[NewTransfer]) -> dict[str, int]:
    needs: defaultdict[str, int] = defaultdict(int)
    for transfer in transfers:
        if not transfer.debit.is_system:
            needs[transfer.debit.id] += transfer.amount
    return needs


def _debited(transfers: Iterable[NewTransfer], funds: Mapping[str, Funds]) -> list[Funds]:
    ids = sorted(_needs(transfers))
    if missing := [id_ for id_ in ids if id_ not in funds]:
        raise UnknownAccount([UUID(id_) for id_ in missing])
    return [funds[id_] for id_ in ids]


def check_available(funds: Funds, need: int) -> None:
    """Refuse what is not available; the figures are the account's."""
    if funds.available < need:
        raise InsufficientPoints(
            have_points=funds.available, need_points=need, owed_points=funds.debt
        )


def split(
    transfers: Iterable[NewTransfer], funds: Mapping[str, Funds], policies: Policies, now: datetime
) -> list[Line]:
    """Spends, a line for each lot they come from; ``funds`` is changed accordingly."""
    lines: list[Line] = []
    for transfer in transfers:
        if transfer.debit.is_system:
            parts = [Part(None, transfer.amount)]
            if transfer.credit.id in funds:
                bucket = None
                if transfer.debit.kind == ISSUED:
                    bucket = policies.for_earning(transfer.debit.holder_id, now)
                parts = funds[transfer.credit.id].give(bucket, transfer.amount)
        else:
            parts = funds[transfer.debit.id].spend(transfer.amount)
        lines += [(content_of(transfer, part.amount), part.expires_on or NULL) for part in parts]
    return lines


def write_split(
    session: Session,
    posting: NewPosting,
    digest: bytes,
    lines: Sequence[Line],
    changes: Changes,
    funds: Mapping[str, Funds],
    now: datetime,
    *,
    clawback: bool,
) -> Posted:
    """Write a posting that was split over the lots of one locked holder."""
    claimed = claiming(posting, digest, transfers=len(lines), now=now)
    if not together(session, claimed)[0].rowcount:
        raise PostingReused(posting.id)  # Not found under this holder's lock: it is another's.
    lots = lot_changes(funds.values())
    _write(session, [(posting.id, lines)], changes, lots, now, clawback=clawback)
    return Posted(posting.id, written=True)


# --- Both -----------------------------------------------------------------------------------------


def system_side(changes: Changes) -> Statement:
    """Reads which of the programmes' own accounts are open, and their programmes' policies.

    They are not locked and not changed.
    """
    keys = [key for key, _ in changes.values() if key.is_system]
    parameters = {
        "holders": array_of({key.holder_id.hex for key in keys}),
        "ids": array_of(key.id for key in keys),
    }
    return _SYSTEM_SIDE, parameters


_SYSTEM_SIDE: LiteralString = f"""
    SELECT a.id, {", ".join(f"p.{name}" for name in POLICY_COLUMNS)}
    FROM account AS a LEFT JOIN expiry_policy AS p ON p.issuer_id = a.holder_id
    WHERE a.holder_id = ANY(CAST(%(holders)s AS uuid[])) AND a.id = ANY(CAST(%(ids)s AS uuid[]))
      AND a.closed_at IS NULL
"""


def policies_of(changes: Changes, system: Cursor[Any]) -> Policies:
    """What ``system_side`` found; raises UnknownAccount where an account is not there or closed."""
    rows = system.fetchall()
    wanted = {UUID(key.id) for key, _ in changes.values() if key.is_system}
    if missing := wanted - {row[0] for row in rows}:
        raise UnknownAccount(missing)
    return Policies({Policy(*row[1:]) for row in rows if row[1] is not None})


_KNOWN: LiteralString = """
    SELECT id FROM account
    WHERE holder_id = ANY(CAST(%(holders)s AS uuid[])) AND closed_at IS NULL
"""


def _write(
    session: Session,
    lines: Lines,
    changes: Changes,
    lots: Sequence[Statement],
    now: datetime,
    *,
    clawback: bool,
) -> dict[str, int]:
    """Write transfers, kept balances and lots; answers by account the debt that was paid."""
    rows = [
        (key.holder_id.hex, key.id, change) for key, change in changes.values() if not key.is_system
    ]
    statements = writing_transfers(session, lines, now)
    if not rows:
        together(session, *statements)
        return {}
    holders = {holder for holder, _, _ in rows}
    if len(holders) > 1:
        statements += BY_INDEX
    elif len(rows) > 1:
        statements += locking(UUID(rows[0][0]))[:1]
    # Accounts before lots, as whoever spends has them: so two that meet wait, and not for ever.
    place = len(statements)
    changed = together(session, *statements, changing(rows, clawback=clawback), *lots)[place]
    *paid, (_, count) = changed.fetchall()
    if count != len(rows):
        (known,) = together(session, (_KNOWN, {"holders": array_of(holders)}))
        raise UnknownAccount({UUID(id_) for _, id_, _ in rows}.difference(id_ for (id_,) in known))
    return {account_id.hex: amount for account_id, amount in paid}


def _one(cursor: Cursor[Any]) -> bytes:
    (row,) = cursor.fetchall()
    return bytes(row[0])
