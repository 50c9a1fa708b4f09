"""Reconciling: a merchant's file of what it took, held against our lines.

Both are read in the order of the consumption's id and merged while they are read, so memory stays
flat however long they are; the file's side is sorted by PostgreSQL in a table of this transaction.
A code is compared by its hash, and tells no more than that it was taken here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from ledgers.bulk import copy_lines
from ledgers.ids import uuid7_floor
from rewards.models import Voucher
from rewards.settling.drafting import Key
from rewards.settling.periods import Period
from rewards.settling.statements import Taken

ONLY_THEIRS, ONLY_OURS, DUPLICATE = "only_theirs", "only_ours", "duplicate"
AMOUNT_DIFFERS, TIME_DIFFERS = "amount_differs", "time_differs"
KINDS = (ONLY_THEIRS, ONLY_OURS, AMOUNT_DIFFERS, TIME_DIFFERS, DUPLICATE)
CLOCKS = timedelta(minutes=2)
LATE = timedelta(days=2)  # An offline till sends within a day what it took.
_AT_ONCE, _FETCH_ROWS = 5_000, 1_000

Hashes = Callable[[str], Sequence[bytes]]  # Under which a typed code may be stored.


class Finding(NamedTuple):
    """Something that differs. ``line`` is the first one of the file that says so; amounts are in
    fen, what was taken back already deducted.
    """

    kind: str
    line: int | None
    consumption_id: UUID | None
    theirs_fen: int | None
    ours_fen: int | None
    theirs_at: datetime | None
    ours_at: datetime | None
    times: int = 1  # How often it is in the file.


@dataclass(slots=True)
class Summary:
    """``alike``: consumptions that do not differ; ``lines`` are the file's."""

    lines: int = 0
    alike: int = 0
    theirs_fen: int = 0
    ours_fen: int = 0
    differing: Counter[str] = field(default_factory=Counter)


class Ours(NamedTuple):
    """Our lines of consumptions: a statement in the order of the consumption's id."""

    merchant_id: UUID
    where: str
    parameters: Mapping[str, object]


def of_settlement(key: Key) -> Ours:
    """The lines of a settlement."""
    return Ours(key.merchant_id, "settlement_id = :settlement", {"settlement": key.id})


def of_period(merchant_id: UUID, period: Period) -> Ours:
    """What took place in a period. Lines are found by their ids, which say when they were made."""
    return Ours(
        merchant_id,
        "id >= :first AND id < :last AND occurred_at >= :since AND occurred_at < :until",
        {
            "first": uuid7_floor(period.begins_at - CLOCKS),
            "last": uuid7_floor(period.ends_at + LATE),
            "since": period.begins_at,
            "until": period.ends_at,
        },
    )


def reconcile(
    session: Session,
    ours: Ours,
    taken: Iterable[Taken],
    *,
    hashes: Hashes,
    tell: Callable[[Finding], None],
) -> Summary:
    """Compare; what differs goes to ``tell``, those with an id first, in its order.

    Raises what reading ``taken`` raises, and has told nothing then.
    """
    summary = Summary()
    _write(session, ours.merchant_id, taken, hashes, summary)
    for theirs, our in _merged(_theirs(session), _ours(session, ours)):
        summary.ours_fen += our.amount_fen if our else 0
        found = list(_compared(theirs, our))
        summary.alike += not found
        for each in found:
            summary.differing[each.kind] += 1
            tell(each)
    for theirs in _theirs(session, unknown=True):
        for each in _compared(theirs._replace(id=None), None):
            summary.differing[each.kind] += 1
            tell(each)
    return summary


# --- The file's side ------------------------------------------------------------------------------

_TABLE = (
    text("DROP TABLE IF EXISTS pg_temp.theirs"),
    text(
        "CREATE TEMPORARY TABLE theirs (number bigint, id uuid, unknown boolean,"
        " amount_fen bigint, at timestamptz) ON COMMIT DROP"
    ),
)
_COLUMNS = ("number", "id", "unknown", "amount_fen", "at")


def _write(
    session: Session, merchant_id: UUID, taken: Iterable[Taken], hashes: Hashes, summary: Summary
) -> None:
    """Into a table of this transaction, some thousand lines at a time. A code that was not taken
    here has no consumption: it is ``unknown``, and a part of its hash tells it from others.
    """
    for statement in _TABLE:
        session.execute(statement)
    lines = iter(taken)
    while some := list(islice(lines, _AT_ONCE)):
        by_code = {each.code: tuple(hashes(each.code)) for each in some if each.code}
        found = _consumptions(session, merchant_id, by_code)
        rows = []
        for each in some:
            id_ = each.consumption_id or found.get(each.code)
            unknown = id_ is None
            if id_ is None:
                id_ = UUID(bytes=by_code[each.code][-1][:16])
            at = each.consumed_at.isoformat()
            rows.append(f"{each.number}\t{id_}\t{'ft'[unknown]}\t{each.amount_fen}\t{at}")
            summary.theirs_fen += each.amount_fen
        copy_lines(session, "theirs", _COLUMNS, rows)
        summary.lines += len(some)


def _consumptions(
    session: Session, merchant_id: UUID, by_code: Mapping[str, Sequence[bytes]]
) -> dict[str, UUID]:
    """By code, the consumption in which this merchant took it."""
    wanted = {hashed: code for code, every in by_code.items() for hashed in every}
    if not wanted:
        return {}
    query = select(Voucher.code_sha256, Voucher.consumption_id).where(
        Voucher.code_sha256.in_(wanted),
        Voucher.merchant_id == merchant_id,
        Voucher.consumption_id.is_not(None),
    )
    return {wanted[hashed]: id_ for hashed, id_ in session.execute(query) if id_ is not None}


class _Theirs(NamedTuple):
    id: UUID | None
    line: int
    times: int
    amount_fen: int
    at: datetime


_THEIRS = text("""
    SELECT id, min(number), count(*) FILTER (WHERE amount_fen >= 0),
        coalesce((array_agg(amount_fen ORDER BY number) FILTER (WHERE amount_fen >= 0))[1], 0)
            + coalesce(sum(amount_fen) FILTER (WHERE amount_fen < 0), 0)::bigint,
        coalesce((array_agg(at ORDER BY number) FILTER (WHERE amount_fen >= 0))[1], min(at))
    FROM theirs WHERE unknown = :unknown GROUP BY id ORDER BY id
""")


def _theirs(session: Session, *, unknown: bool = False) -> Iterator[_Theirs]:
    """By consumption; sent twice counts once, what they took back is deducted."""
    rows = _streamed(session, _THEIRS, {"unknown": unknown})
    return (_Theirs._make(row) for row in rows)


# --- Our side -------------------------------------------------------------------------------------


class _Ours(NamedTuple):
    id: UUID
    lines: int
    amount_fen: int
    at: datetime


def _ours(session: Session, ours: Ours) -> Iterator[_Ours]:
    """By consumption. What was taken back is deducted."""
    query = text(
        "SELECT consumption_id, count(*), sum(amount_fen)::bigint,"
        " coalesce(min(occurred_at) FILTER (WHERE reverses_id IS NULL), min(occurred_at))"
        " FROM settlement_line"
        f" WHERE merchant_id = :merchant AND consumption_id IS NOT NULL AND {ours.where}"
        " GROUP BY consumption_id ORDER BY consumption_id"
    )
    rows = _streamed(session, query, {"merchant": ours.merchant_id, **ours.parameters})
    return (_Ours._make(row) for row in rows)


def _streamed(session: Session, query: Any, parameters: Mapping[str, object]) -> Iterator[Row[Any]]:
    return iter(session.execute(query, parameters, execution_options={"yield_per": _FETCH_ROWS}))


# --- Both -----------------------------------------------------------------------------------------


def _merged(
    lefts: Iterator[_Theirs], rights: Iterator[_Ours]
) -> Iterator[tuple[_Theirs | None, _Ours | None]]:
    left, right = next(lefts, None), next(rights, None)
    while left is not None or right is not None:
        assert left is None or left.id is not None
        if right is None or (left is not None and left.id is not None and left.id < right.id):
            yield left, None
            left = next(lefts, None)
        elif left is None or left.id != right.id:
            yield None, right
            right = next(rights, None)
        else:
            yield left, right
            left, right = next(lefts, None), next(rights, None)


def _compared(theirs: _Theirs | None, ours: _Ours | None) -> Iterator[Finding]:
    """What differs in one consumption. What we took back altogether need not be in the file."""
    if theirs is None:
        assert ours is not None
        if ours.amount_fen != 0 or ours.lines == 1:
            yield Finding(ONLY_OURS, None, ours.id, None, ours.amount_fen, None, ours.at)
        return

    def finding(kind: str) -> Finding:
        return Finding(
            kind,
            theirs.line,
            theirs.id,
            theirs.amount_fen,
            ours.amount_fen if ours else None,
            theirs.at,
            ours.at if ours else None,
            theirs.times,
        )

    if theirs.times > 1:
        yield finding(DUPLICATE)
    if ours is None:
        yield finding(ONLY_THEIRS)
        return
    if theirs.amount_fen != ours.amount_fen:
        yield finding(AMOUNT_DIFFERS)
    if abs(theirs.at - ours.at) > CLOCKS:
        yield finding(TIME_DIFFERS)
