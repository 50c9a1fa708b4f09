"""Adjusting: what becomes of an activity after its first decision, and the difference in points.

The one writer of adjustments and of the postings behind them. Kept here: nothing that was recorded
is changed; an activity stands as its first decision and its adjustments add up to; what they add up
to is what the ledger gave and took back. Who adjusts an activity has its resident locked: of two at
once each sees what the other did.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme, Scene
from activities.deciding.residents import lock_residents
from activities.models import Activity, Adjustment
from ledgers.accounts import ISSUED, PERSONAL, account_key
from ledgers.bulk import NULL, array_of, copy_lines, escaped, look_up_by_index
from ledgers.clawback import CLOCKS_DIFFER, Reversal, reverse_many
from ledgers.ids import uuid7_earlier
from ledgers.posting import NewPosting, NewTransfer, post

CHANGES_MAX = 10_000  # Two transfers each: what one posting may have.
_NAMESPACE = uuid5(NAMESPACE_URL, "https://tanhui.example/adjustment")
_TICK = timedelta(microseconds=1)

_ACTIVITIES = text("""
    SELECT activity.* FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN activity ON activity.holder_id = k.holder AND activity.id = k.id
""")
_ADJUSTMENTS = text("""
    SELECT adjustment.*
    FROM unnest(CAST(:holders AS uuid[]), CAST(:ids AS uuid[])) AS k (holder, id)
    JOIN adjustment ON adjustment.holder_id = k.holder AND adjustment.activity_id = k.id
    ORDER BY adjustment.recorded_at, adjustment.id
""")
# What was given for the activities, and what of it was taken back: both refer to the activity.
_GIVEN = text("""
    SELECT id, holder_id, reference, unit, kind, amount, reverses_id FROM transfer
    WHERE holder_id = ANY(CAST(:holders AS uuid[])) AND id >= :since
      AND reference = ANY(CAST(:ids AS uuid[])) AND (kind = 'earn' OR reverses_id IS NOT NULL)
    ORDER BY id
""")

Key = tuple[UUID, UUID]  # The holder's id, the activity's.


@dataclass(frozen=True, slots=True)
class State:
    """How an activity stands. ``saved_mg_co2e`` in mg, ``quantity`` in the behaviour's base unit;
    ``trimmed_points`` were withheld by a cap.
    """

    decision: str
    code: str
    quantity: int
    saved_mg_co2e: int
    points: int
    trimmed_points: int
    method_code: str | None
    method_version: int | None
    policy_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How an activity shall stand, who says so and why.

    ``id`` follows from the cause and the activity: the same again is a retry. Figures are those
    that shall hold afterwards, not the difference; without ``verified`` they are nothing.
    """

    id: UUID
    activity: Activity
    kind: str
    decision: str
    code: str
    quantity: int
    saved_mg_co2e: int = 0
    points: int = 0
    trimmed_points: int = 0
    method_code: str | None = None
    method_version: int | None = None
    policy_id: UUID | None = None
    actor: str
    approved_by: str | None = None
    reason: str
    request_id: str | None = None


def adjust(session: Session, changes: Sequence[Change], *, now: datetime) -> list[Adjustment]:
    """Write down how activities stand from now on, and post what they earned more or less.

    Args:
        session: the caller's open transaction; the caller commits.
        changes: at most CHANGES_MAX, each of another activity. Caps are the caller's matter.
        now: the zone-aware instant of this write.

    Returns:
        The adjustment of each change, in their order; where its id stands already, the one that was
        written then: a retry writes nothing. Where nothing is to be posted there is no posting.

    Raises UnknownAccount where an account is closed.

    A fixed number of statements. What is more is one posting of all of them; what is less is a
    reversal for each activity, of what was given last first. What an operator's correction of the
    ledger took back before is not taken twice. Locks the residents, then their accounts; whoever
    computes a change from how an activity stands has locked its resident before.
    """
    if not changes:
        return []
    assert len(changes) <= CHANGES_MAX, "in batches"
    assert len({change.activity.id for change in changes}) == len(changes), "one an activity"
    activities = [change.activity for change in changes]
    lock_residents(session, (one.holder_id.hex for one in activities))
    earlier = adjustments_of(session, [(one.holder_id, one.id) for one in activities])
    written: list[Adjustment] = []
    new: list[tuple[Change, Adjustment]] = []
    for change in changes:
        before = earlier.get(change.activity.id, [])
        stands = next((one for one in before if one.id == change.id), None)
        if stands is None:
            stands = _difference(change, before, now)
            new.append((change, stands))
        assert stands.kind == change.kind, "an id is for one change"
        written.append(stands)
    if new:
        _take_back(session, new, now)
        _give(session, new, now)
        _keep(session, [adjustment for _, adjustment in new])
    return written


def current(session: Session, keys: Sequence[Key]) -> dict[UUID, State]:
    """How activities stand, by id, given as (holder, activity); unknown ones are not in it.

    Two statements however many. Locks nothing.
    """
    if not keys:
        return {}
    found = activities_of(session, keys)
    adjustments = adjustments_of(session, keys)
    return {
        activity.id: after(activity, adjustments.get(activity.id, ()))
        for activity in found.values()
    }


def activities_of(session: Session, keys: Iterable[Key]) -> dict[UUID, Activity]:
    """Activities as they were decided first, by id, given as (holder, activity)."""
    look_up_by_index(session)
    query = select(Activity).from_statement(_ACTIVITIES)
    return {activity.id: activity for activity in session.scalars(query, _columns(keys))}


def history_of(session: Session, holder_id: UUID, activity_id: UUID) -> list[Adjustment]:
    """What became of a resident's activity, the oldest first; empty when nothing did."""
    return adjustments_of(session, [(holder_id, activity_id)]).get(activity_id, [])


def after(activity: Activity, adjustments: Iterable[Adjustment]) -> State:
    """How an activity stands after its adjustments, given the oldest first."""
    state = State(
        activity.decision,
        activity.code,
        activity.quantity,
        activity.saved_mg_co2e,
        activity.points,
        activity.trimmed_points,
        activity.method_code,
        activity.method_version,
        activity.policy_id,
    )
    for one in adjustments:
        state = replace(
            state,
            decision=one.decision,
            code=one.code,
            quantity=one.quantity,
            saved_mg_co2e=state.saved_mg_co2e + one.saved_mg_co2e,
            points=state.points + one.points,
            trimmed_points=state.trimmed_points + one.trimmed_points,
            method_code=one.method_code,
            method_version=one.method_version,
            policy_id=one.policy_id,
        )
    return state


def _columns(keys: Iterable[Key]) -> dict[str, object]:
    rows = sorted((holder.hex, id_.hex) for holder, id_ in keys)
    return {
        "holders": array_of(holder for holder, _ in rows),
        "ids": array_of(id_ for _, id_ in rows),
    }


def adjustments_of(session: Session, keys: Iterable[Key]) -> dict[UUID, list[Adjustment]]:
    """What became of activities, by their ids, each the oldest first; one statement."""
    look_up_by_index(session)
    found: dict[UUID, list[Adjustment]] = {}
    query = select(Adjustment).from_statement(_ADJUSTMENTS)
    for one in session.scalars(query, _columns(keys)):
        found.setdefault(one.activity_id, []).append(one)
    return found


def _difference(change: Change, before: Sequence[Adjustment], now: datetime) -> Adjustment:
    """The new row. Its instant is later than that of the last one, whatever clocks say: the latest
    decides how the activity stands.
    """
    activity, state = change.activity, after(change.activity, before)
    figures = change.saved_mg_co2e, change.points, change.trimmed_points
    assert min(figures) >= 0
    assert change.decision == "verified" or not any(figures), "only what is verified earns"
    return Adjustment(
        holder_id=activity.holder_id,
        id=change.id,
        activity_id=activity.id,
        kind=change.kind,
        decision=change.decision,
        code=change.code,
        behaviour_code=activity.behaviour_code,
        division_code=activity.division_code,
        day=activity.day,
        quantity=change.quantity,
        saved_mg_co2e=change.saved_mg_co2e - state.saved_mg_co2e,
        points=change.points - state.points,
        trimmed_points=change.trimmed_points - state.trimmed_points,
        method_code=change.method_code,
        method_version=change.method_version,
        policy_id=change.policy_id,
        actor=change.actor,
        approved_by=change.approved_by,
        reason=change.reason,
        recorded_at=max([now, *(one.recorded_at + _TICK for one in before[-1:])]),
    )


def _take_back(session: Session, new: Iterable[tuple[Change, Adjustment]], now: datetime) -> None:
    """Reverse what was given too much, each activity's by a posting that its adjustment names."""
    less = [(change, one) for change, one in new if one.saved_mg_co2e < 0 or one.points < 0]
    if not less:
        return
    given = _given(session, [one for _, one in less])
    reversals = []
    for change, one in less:
        amounts: dict[UUID, int | None] = {}
        for unit, wanted in (("mg_co2e", -one.saved_mg_co2e), ("point", -one.points)):
            for transfer_id, left in reversed(given.get((one.activity_id, unit), {}).items()):
                if (part := min(left, wanted)) > 0:
                    amounts[transfer_id] = part
                    wanted -= part
        if amounts:
            one.reversal_id = uuid5(_NAMESPACE, f"{one.holder_id} {one.id} less")
            reversals.append(
                Reversal(
                    one.reversal_id,
                    one.holder_id,
                    amounts,
                    one.actor,
                    one.reason,
                    "adjustment",
                    change.request_id,
                    one.approved_by,
                )
            )
    reverse_many(session, reversals, now=now)


def _given(
    session: Session, adjustments: Sequence[Adjustment]
) -> Mapping[tuple[UUID, str], dict[UUID, int]]:
    """By activity and unit: what is left of each transfer that was given for it, oldest first."""
    look_up_by_index(session)
    parameters = {
        "holders": array_of(sorted({one.holder_id.hex for one in adjustments})),
        "ids": array_of(one.activity_id.hex for one in adjustments),
        "since": uuid7_earlier(min(one.activity_id for one in adjustments), CLOCKS_DIFFER),
    }
    rows = session.execute(_GIVEN, parameters).all()
    owners = {one.activity_id: one.holder_id for one in adjustments}
    given: dict[tuple[UUID, str], dict[UUID, int]] = {}
    for row in rows:
        if row.kind == "earn" and row.holder_id == owners[row.reference]:
            given.setdefault((row.reference, row.unit), {})[row.id] = row.amount
    for row in rows:
        lots = given.get((row.reference, row.unit), {})
        if row.reverses_id in lots:
            lots[row.reverses_id] -= row.amount
    return given


def _give(session: Session, new: Sequence[tuple[Change, Adjustment]], now: datetime) -> None:
    """Post what was given too little, a posting for each actor and reason: mostly one."""
    more: dict[tuple[str, str, str | None, str | None], list[tuple[Activity, Adjustment]]] = {}
    for change, one in new:
        if one.saved_mg_co2e > 0 or one.points > 0:
            cause = one.actor, one.reason, change.request_id, one.approved_by
            more.setdefault(cause, []).append((change.activity, one))
    if not more:
        return
    issuers = _issuers(
        session, {activity.scene_code for each in more.values() for activity, _ in each}
    )
    for (actor, *why), rows in more.items():
        in_order = sorted(rows, key=lambda row: row[1].holder_id)
        names = " ".join(f"{one.holder_id} {one.id}" for _, one in in_order)
        transfers = [
            transfer
            for activity, one in in_order
            for transfer in _earnings(activity, one, issuers[activity.scene_code])
        ]
        posting = NewPosting(uuid5(_NAMESPACE, names), "adjustment", actor, transfers, *why)
        assert post(session, posting, now=now).written, "its adjustments are new, under the lock"
        for _, one in rows:
            one.posting_id = posting.id


def _issuers(session: Session, scenes: set[str]) -> dict[str, UUID]:
    """Who gives, by scene."""
    query = select(Scene.code, Programme.holder_id).join(
        Programme, Programme.code == Scene.programme_code
    )
    return dict(session.execute(query.where(Scene.code.in_(scenes))).all())


def _earnings(activity: Activity, one: Adjustment, issuer_id: UUID) -> list[NewTransfer]:
    return [
        NewTransfer(
            one.holder_id,
            account_key(issuer_id, unit, ISSUED),
            account_key(one.holder_id, unit, PERSONAL),
            amount,
            "earn",
            activity.id,
            activity.started_at,
        )
        for unit, amount in (("mg_co2e", one.saved_mg_co2e), ("point", one.points))
        if amount > 0
    ]


_WRITTEN = (
    *("holder_id", "id", "activity_id", "kind", "decision", "code", "behaviour_code"),
    *("division_code", "day", "quantity", "saved_mg_co2e", "points", "trimmed_points"),
    *("method_code", "method_version", "policy_id", "posting_id", "reversal_id", "actor"),
    *("approved_by", "reason", "recorded_at"),
)


def _keep(session: Session, adjustments: Sequence[Adjustment]) -> None:
    in_order = sorted(adjustments, key=lambda one: one.holder_id)
    lines = ("\t".join(_cell(getattr(one, name)) for name in _WRITTEN) for one in in_order)
    copy_lines(session, "adjustment", _WRITTEN, lines)


def _cell(value: object) -> str:
    return NULL if value is None else escaped(str(value))
