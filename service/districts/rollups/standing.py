"""Standing: whether an activity or a voucher still counts, after all that became of it.

An activity stands while anything is left of what was given for it, so that no figure is without a
resident behind it; a voucher while points are left of what was spent on it. Looked up in the ledger
for the few causes that may have more postings than one, in whatever order the log has them.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledgers.bulk import array_of
from ledgers.ids import uuid7_earlier, uuid7_floor
from service.districts.rollups.effects import SIDES, Batch, Effect, parameters_of
from service.districts.rollups.reading import NO_BEHAVIOUR

_CLOCKS_DIFFER = timedelta(days=1)  # At most, between the instants of two processes.

_MOVED = text(f"""
    SELECT holder_id, reference, posting_id,
           coalesce(sum(amount * given) FILTER (WHERE unit = 'mg_co2e'), 0)::bigint,
           coalesce(sum(amount * given) FILTER (WHERE unit = 'point'), 0)::bigint,
           sum(amount * spent)::bigint
    FROM (
        SELECT t.holder_id, t.reference, t.posting_id, t.unit, t.amount, {SIDES}
        FROM unnest(CAST(:holders AS uuid[]), CAST(:causes AS uuid[]), CAST(:lows AS uuid[]))
            AS k (holder_id, reference, low)
        JOIN transfer AS t ON t.holder_id = k.holder_id AND t.reference = k.reference
            AND t.id >= k.low
    ) AS sides
    GROUP BY holder_id, reference, posting_id
""")
_LEAVES = text("""
    SELECT posting_id, first_index FROM sealed_posting
    WHERE posting_id = ANY(CAST(:postings AS uuid[])) AND first_index < :end
""")


class _Moved(NamedTuple):
    """What one posting moved for a cause, and its place in the log."""

    first_leaf: int
    saved_mg_co2e: int
    earned_points: int
    spent_points: int


def settled(session: Session, batch: Batch, effects: Sequence[Effect]) -> list[Effect]:
    """The effects with their causes looked up: how many more stand after the batch than before.

    A fixed number of statements. The caller has sent ``look_up_by_index``.
    """
    open_ = [effect for effect in effects if effect.cause is not None]
    if not open_:
        return list(effects)
    moved = _moved(session, batch, open_)
    found = [effect for effect in effects if effect.cause is None]
    seen = set()
    for effect in sorted(open_):
        is_voucher = effect.behaviour_code == NO_BEHAVIOUR
        assert effect.cause is not None
        key = effect.holder_id, effect.cause
        changed = 0
        if (key, is_voucher) not in seen:
            before, after = (
                _stands(moved[key], is_voucher=is_voucher, end=end)
                for end in (batch.begin, batch.end)
            )
            changed = after - before
        seen.add((key, is_voucher))
        if is_voucher:
            found.append(effect._replace(cause=None, vouchers=changed))
        else:
            found.append(effect._replace(cause=None, activities=changed))
    return found


def _stands(postings: Sequence[_Moved], *, is_voucher: bool, end: int) -> bool:
    read = [posting for posting in postings if posting.first_leaf < end]
    if is_voucher:
        return sum(posting.spent_points for posting in read) > 0
    return (
        sum(posting.saved_mg_co2e for posting in read) > 0
        or sum(posting.earned_points for posting in read) > 0
    )


def _moved(
    session: Session, batch: Batch, effects: Sequence[Effect]
) -> dict[tuple[UUID, UUID], list[_Moved]]:
    """All postings of causes up to the batch's end."""
    keys = sorted({(e.holder_id.hex, e.cause.hex, _low(e).hex) for e in effects if e.cause})
    parameters = parameters_of(session, batch) | {
        "holders": array_of(holder for holder, _, _ in keys),
        "causes": array_of(cause for _, cause, _ in keys),
        "lows": array_of(low for _, _, low in keys),
    }
    rows = session.execute(_MOVED, parameters).all()
    postings = {"postings": array_of({row.posting_id.hex for row in rows}), "end": batch.end}
    leaves = {row.posting_id: row.first_index for row in session.execute(_LEAVES, postings)}
    moved: defaultdict[tuple[UUID, UUID], list[_Moved]] = defaultdict(list)
    for holder_id, cause, posting_id, *amounts in rows:
        if posting_id in leaves:
            moved[holder_id, cause].append(_Moved(leaves[posting_id], *amounts))
    return moved


def _low(effect: Effect) -> UUID:
    """The lowest id that a transfer of the effect's cause can have."""
    assert effect.cause is not None
    if effect.behaviour_code == NO_BEHAVIOUR:
        return uuid7_floor(effect.occurred_at - _CLOCKS_DIFFER)
    return uuid7_earlier(effect.cause, _CLOCKS_DIFFER)
