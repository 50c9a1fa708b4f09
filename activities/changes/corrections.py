"""Corrections: an act that was told wrongly is withdrawn, or told rightly; nothing is overwritten.

A correction goes by the policy that decided the act. What it frees of a cap goes to those of the
resident's acts that the cap had trimmed. The resident sees both entries, the first and the
difference.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID, uuid5

import msgspec
from sqlalchemy.orm import Session

from activities.baselines import ReadingRow, forget_readings, keep_readings, whole_month
from activities.changes.adjusting import CHANGES_MAX, Change, Key, adjust
from activities.changes.regranting import Counted, Due, Standing, as_it_is, read_standing, regrant
from activities.deciding.decisions import CAPPED, Item, fingerprint_of
from activities.deciding.residents import gone, lock_residents
from activities.errors import (
    ActivityNotVerified,
    CorrectionImplausible,
    ResidentClosed,
    UnknownActivity,
)
from activities.events import NO_DETAILS, Details, Event
from activities.methods import MILLIONTHS, points_for, saved_mg
from activities.models import Activity, Adjustment
from activities.policies import ScenePolicy, load_policies
from activities.rules import Act, Freshness
from ledgers.bulk import Statement, array_of, look_up_by_index, together

GONE = frozenset({"withdrawn", "superseded"})
Scenes = Mapping[str, ScenePolicy]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why acts are corrected. ``id`` names it: the same again is a retry.

    ``actor`` is a staff id, or ``partner:CODE``; ``approved_by`` the second person, where one is
    needed, which the door knows.
    """

    id: UUID
    actor: str
    reason: str
    approved_by: str | None = None
    request_id: str | None = None


class Told(NamedTuple):
    """An act and its right quantity, in the behaviour's base unit; a meter's reading for a home."""

    holder_id: UUID
    activity_id: UUID
    quantity: int


def withdraw(
    session: Session,
    keys: Collection[Key],
    cause: Cause,
    *,
    now: datetime,
    code: str = "withdrawn",
) -> list[Adjustment]:
    """Take acts back that did not happen, given as (holder, activity); an answer for each.

    Args:
        code: ``withdrawn``, or ``superseded`` where another report takes its place.

    Returns:
        The adjustment that withdrew each, in their order: an earlier one where it was withdrawn
        before. Acts that were held or refused are withdrawn as well, and nothing is posted for
        them: their act, time and month are free for somebody to tell rightly.

    Raises UnknownActivity, ResidentClosed; nothing is written then.

    Some statements, however many. Locks the residents, the acts' claims, then accounts.
    """
    assert code in GONE
    found = _standing(session, keys)
    answers = {id_: one.adjustments[-1] for id_, one in found.items() if one.state.code in GONE}
    answers |= _answered(found, cause)
    fresh = [one for id_, one in found.items() if id_ not in answers]
    if fresh:
        counted = regrant(session, [one for one in fresh if one.verified], [])
        free(session, fresh)
        _close_cases(session, fresh, now)
        kind = "withdrawn" if code == "withdrawn" else "superseded"
        changes = [_gone(one, cause, kind, code) for one in fresh]
        changes += [changed(one, cause, None) for one in counted]
        answers |= adjust_all(session, changes, now=now)
    return [answers[id_] for _, id_ in keys]


def change(
    session: Session, told: Sequence[Told], cause: Cause, *, now: datetime
) -> list[Adjustment]:
    """Quantify verified acts anew by their right quantity; an answer for each.

    By the method, tariff and caps that decided the act; the rules on its quantity hold, too. The
    same ``cause`` again is a retry. Where the time or place is wrong, withdraw it and record it
    anew.

    Raises:
        UnknownActivity: the holder has none of this id.
        ResidentClosed: what they did stays as it stood when they closed the account.
        ActivityNotVerified: it was refused, is held, or was withdrawn.
        CorrectionImplausible: its rules would refuse the quantity.
        Nothing is written then.

    Some statements, however many. Locks the residents, then their accounts.
    """
    found = _standing(session, [(one.holder_id, one.activity_id) for one in told])
    answers = _answered(found, cause)
    fresh = [one for one in told if one.activity_id not in answers]
    if fresh:
        scenes = load_policies(session, {one.activity.scene_code for one in found.values()})
        due = [_requantified(found[one.activity_id], one.quantity, scenes) for one in fresh]
        counted = regrant(session, [], due)
        ids = {one.activity_id: _adjustment_id(cause, one.activity_id) for one in fresh}
        changes = []
        for one in counted:
            id_ = ids.get(one.due.standing.activity.id)
            changes.append(changed(one, cause, "changed" if id_ else None, id_))
        keep_readings(session, _readings(found, fresh, scenes))
        answers |= adjust_all(session, changes, now=now)
    return [answers[one.activity_id] for one in told]


def changed(counted: Counted, cause: Cause, kind: str | None, id_: UUID | None = None) -> Change:
    """The change of an act that was counted anew.

    ``kind`` is None for one that was trimmed and is less so now: that, as without an ``id_``, may
    come to pass again for the same cause.
    """
    due, activity = counted.due, counted.due.standing.activity
    cap = CAPPED[counted.by.per] if counted.by else "verified"
    return Change(
        id=id_ or uuid5(cause.id, f"{activity.id} {len(due.standing.adjustments)}"),
        activity=activity,
        kind=kind or "changed",
        decision="verified",
        code=kind or cap,
        quantity=due.quantity,
        saved_mg_co2e=due.saved_mg_co2e,
        points=counted.points,
        trimmed_points=counted.trimmed_points,
        method_code=due.method_code,
        method_version=due.method_version,
        policy_id=due.policy_id,
        actor=cause.actor,
        approved_by=cause.approved_by,
        reason=cause.reason,
        request_id=cause.request_id,
    )


def adjust_all(
    session: Session, changes: Sequence[Change], *, now: datetime
) -> dict[UUID, Adjustment]:
    """``activities.changes.adjusting.adjust``, however many; by activity."""
    slices = [changes[at : at + CHANGES_MAX] for at in range(0, len(changes), CHANGES_MAX)]
    return {one.activity_id: one for some in slices for one in adjust(session, some, now=now)}


def quantity_saved(standing: Standing, quantity: int) -> int:
    """What is quantified: the quantity, or what a home's own baseline exceeds the reading by."""
    assert standing.policy is not None
    method = standing.policy.method
    if method is None or method.form != "own_baseline":
        return quantity
    told = msgspec.json.decode(standing.activity.facts or "{}").get("baseline", {})
    if "baseline" in told:
        return max(int(told["baseline"]) - quantity, 0)
    # An appeal let it count, by a household told later: the least that came to what was granted.
    saved = -(-standing.state.saved_mg_co2e * MILLIONTHS // method.net)
    return max(saved + standing.state.quantity - quantity, 0)


def event_of(activity: Activity, quantity: int) -> Event:
    """The event behind an activity, with another quantity."""
    details = NO_DETAILS
    if activity.details is not None:
        details = msgspec.json.decode(activity.details, type=Details)
    return Event(
        activity.event_id,
        activity.scene_code,
        activity.holder_id,
        activity.started_at,
        activity.ended_at,
        quantity,
        details,
    )


def _adjustment_id(cause: Cause, activity_id: UUID) -> UUID:
    return uuid5(cause.id, activity_id.hex)


def _answered(found: Mapping[UUID, Standing], cause: Cause) -> dict[UUID, Adjustment]:
    """What the same cause has done before."""
    return {
        id_: before
        for id_, one in found.items()
        for before in one.adjustments
        if before.id == _adjustment_id(cause, id_)
    }


def _standing(session: Session, keys: Collection[Key]) -> dict[UUID, Standing]:
    """The activities under their residents' locks; raises UnknownActivity for the first missing,
    ResidentClosed for the first of who closed the account: a caller with many leaves those out.
    """
    holders = [holder.hex for holder, _ in keys]
    for closed in sorted(gone(session, holders, lock_residents(session, holders))):
        raise ResidentClosed(closed)
    found = read_standing(session, keys)
    for holder_id, id_ in keys:
        if id_ not in found or found[id_].activity.holder_id != holder_id:
            raise UnknownActivity(id_)
    return found


def _gone(standing: Standing, cause: Cause, kind: str, code: str) -> Change:
    return Change(
        id=_adjustment_id(cause, standing.activity.id),
        activity=standing.activity,
        kind=kind,
        decision="rejected",
        code=code,
        quantity=standing.state.quantity,
        policy_id=standing.state.policy_id,
        actor=cause.actor,
        approved_by=cause.approved_by,
        reason=cause.reason,
        request_id=cause.request_id,
    )


def _requantified(standing: Standing, quantity: int, scenes: Scenes) -> Due:
    activity, policy = standing.activity, standing.policy
    if not standing.verified or policy is None or policy.method is None:
        raise ActivityNotVerified(activity.id, standing.state.decision, standing.state.code)
    event = event_of(activity, quantity)
    received_at = datetime.fromtimestamp((activity.id.int >> 80) / 1000, UTC)
    act = Act(event, scenes[activity.scene_code].base_unit, received_at)
    for rule in policy.alone:
        if not isinstance(rule, Freshness) and rule.fits(act) is False:
            raise CorrectionImplausible(activity.id, quantity, rule.code)
    net = policy.method.net_of(event.details.material)
    assert net is not None, "it was verified by it"
    assert policy.mg_co2e_per_point is not None
    mg = saved_mg(quantity_saved(standing, quantity), net)
    points = points_for(mg, policy.mg_co2e_per_point)
    return as_it_is(standing)._replace(quantity=quantity, saved_mg_co2e=mg, points=points)


def _readings(
    found: dict[UUID, Standing], told: Iterable[Told], scenes: Scenes
) -> list[ReadingRow]:
    """What meters showed, as it is told now: later months rest on it."""
    rows = []
    for one in told:
        activity = found[one.activity_id].activity
        month = _month(found[one.activity_id], scenes[activity.scene_code])
        if month is not None and activity.behaviour_code is not None:
            rows.append(
                ReadingRow(
                    activity.holder_id.hex,
                    activity.behaviour_code,
                    month,
                    one.quantity,
                    activity.id.hex,
                )
            )
    return rows


# --- What an act had to itself --------------------------------------------------------------------


def free(session: Session, standings: Sequence[Standing]) -> None:
    """Free the act itself, its time and, of a meter, its month; those of others stay."""
    scenes = load_policies(session, {one.activity.scene_code for one in standings})
    prints = sorted(
        (print_, one.activity.id.hex)
        for one in standings
        if one.policy and (print_ := fingerprint(one, scenes[one.activity.scene_code]))
    )
    look_up_by_index(session)
    statements: list[Statement] = []
    if prints:
        parameters = {
            "prints": array_of(print_ for print_, _ in prints),
            "ids": array_of(id_ for _, id_ in prints),
        }
        statements.append((_FREE_ACTS, parameters))
    statements.append((_FREE_TIMES, _columns(standings)))
    together(session, *statements)
    forget_readings(session, {s.activity.id.hex: s.activity.holder_id.hex for s in standings})


def fingerprint(standing: Standing, scene: ScenePolicy) -> str:
    activity = standing.activity
    event = event_of(activity, activity.quantity)
    holder, id_ = activity.holder_id.hex, activity.id
    item = Item(event, "", holder, id_.hex, "", "", None, id_, scene, day=activity.day)
    item.month = _month(standing, scene)
    return fingerprint_of(item, scene)


def _month(standing: Standing, scene: ScenePolicy) -> date | None:
    """Of a meter, the month that it was read for."""
    method = standing.policy and standing.policy.method
    if not method or method.form != "own_baseline":
        return None
    return whole_month(standing.activity.started_at, standing.activity.ended_at, scene.zone)


def _close_cases(session: Session, standings: Iterable[Standing], now: datetime) -> None:
    """Nobody need look any more at what was withdrawn."""
    held = [one for one in standings if one.state.decision == "held"]
    if held:
        together(session, (_CLOSE_CASES, {**_columns(held), "now": now}))


def _columns(standings: Iterable[Standing]) -> dict[str, object]:
    rows = sorted(
        (one.activity.holder_id.hex, one.activity.started_at.isoformat(), one.activity.id.hex)
        for one in standings
    )
    holders, starts, ids = zip(*rows, strict=True)
    return {"holders": array_of(holders), "starts": array_of(starts), "ids": array_of(ids)}


_FREE_ACTS: LiteralString = """
    DELETE FROM claim AS c
    USING unnest(CAST(%(prints)s AS uuid[]), CAST(%(ids)s AS uuid[])) AS k (fingerprint, id)
    WHERE c.fingerprint = k.fingerprint AND c.activity_id = k.id
"""
_FREE_TIMES: LiteralString = """
    DELETE FROM occupied AS o
    USING unnest(CAST(%(holders)s AS uuid[]), CAST(%(starts)s AS timestamptz[]),
        CAST(%(ids)s AS uuid[])) AS k (holder_id, started_at, activity_id)
    WHERE o.holder_id = k.holder_id AND o.started_at = k.started_at
        AND o.activity_id = k.activity_id
"""
_CLOSE_CASES: LiteralString = """
    UPDATE review_case AS r SET state = 'closed', closed_at = %(now)s
    FROM unnest(CAST(%(holders)s AS uuid[]), CAST(%(ids)s AS uuid[])) AS k (holder_id, id)
    WHERE r.holder_id = k.holder_id AND r.activity_id = k.id AND r.state <> 'closed'
"""
