"""Reviews and appeals on paper: as lines for people, and as facts for JSON."""

from datetime import datetime
from typing import Any

import msgspec

from activities.explanations import explain
from activities.models import Activity
from activities.reviewing.appeal_queue import Listed
from activities.reviewing.queue import Dossier, Queued, evidence
from service.printing import grams, table

QUEUE = ("activity", "waiting", "code", "state", "points", "programme", "scene", "day", "quantity")
APPEALS = ("activity", "waiting", "state", "code", "programme", "scene", "day", "appeal")
_STEPS = ("at", "action", "by", "text")
_RECENT = ("activity", "day", "scene", "quantity", "decision", "code", "points")


def _since(at: datetime, until: datetime) -> str:
    hours = max(0, int((until - at).total_seconds() // 3600))
    return f"{hours // 24} d {hours % 24} h"


def case_row(queued: Queued, now: datetime) -> tuple[object, ...]:
    """Under ``QUEUE``."""
    case, activity = queued
    return (
        case.activity_id,
        _since(case.opened_at, case.closed_at or now),
        case.code,
        case.state,
        f"{case.points:,}",
        case.programme_code,
        activity.scene_code,
        activity.day,
        f"{activity.quantity:,}",
    )


def appeal_row(listed: Listed, now: datetime) -> tuple[object, ...]:
    """Under ``APPEALS``; of the resident's words the beginning."""
    appeal, state, activity = listed
    first, *rest = appeal.text.split("\n")
    return (
        appeal.activity_id,
        _since(appeal.opened_at, appeal.answered_at or now),
        state,
        activity.code,
        appeal.programme_code,
        activity.scene_code,
        activity.day or "-",
        first[:40] + ("…" if rest or len(first) > 40 else ""),
    )


def dossier_text(found: Dossier, now: datetime) -> str:
    """All that a person needs to decide, on one screen."""
    activity, state, history = found.activity, found.state, found.history
    details, facts = evidence(activity)
    sentence = _sentence(activity, state.code, state.trimmed_points)
    lines = [
        f"{activity.id}  of {activity.holder_id}",
        f"{activity.scene_code}  {activity.behaviour_code or '-'}  {activity.day or '-'}"
        f"  {activity.started_at.isoformat()} to {activity.ended_at.isoformat()}",
        f"quantity {state.quantity:,}",
        f"{state.decision}: {state.code}; {grams(state.saved_mg_co2e)} g CO2e saved,"
        f" {state.points:,} points, {state.trimmed_points:,} withheld by caps",
        f"  {sentence['zh-CN']}",
        f"  {sentence['en']}",
        f"evidence: {_compact(details)}",
        f"known besides: {_compact(facts)}",
    ]
    if found.case:
        waiting = _since(found.case.opened_at, found.case.closed_at or now)
        lines.append(f"review: {found.case.state}, {found.case.points:,} points, {waiting}")
    if found.steps:
        rows = [
            (step.at.isoformat(timespec="seconds"), step.action, step.actor, _compact(step.text))
            for step in found.steps
        ]
        lines.append(table(_STEPS, rows))
    counts = ", ".join(f"{n:,} {name}" for name, n in sorted(history.counts.items()))
    lines.append(f"the resident's activities: {counts}; {len(history.cases)} other cases")
    if history.recent:
        rows_of = [
            (
                one.id,
                one.day or "-",
                one.scene_code,
                f"{s.quantity:,}",
                s.decision,
                s.code,
                s.points,
            )
            for one, s in history.recent
        ]
        lines.append(table(_RECENT, rows_of))
    return "\n".join(lines)


def _sentence(activity: Activity, code: str, trimmed_points: int) -> dict[str, str]:
    return explain(
        code,
        quantity=activity.quantity,
        duration_s=int((activity.ended_at - activity.started_at).total_seconds()),
        trimmed_points=trimmed_points,
    )


def case_facts(queued: Queued, now: datetime) -> dict[str, Any]:
    """A case as JSON has it."""
    case, activity = queued
    details, facts = evidence(activity)
    return {
        "holder_id": case.holder_id,
        "activity_id": case.activity_id,
        "programme": case.programme_code,
        "code": case.code,
        "reasons": _sentence(activity, case.code, activity.trimmed_points),
        "state": case.state,
        "potential_points": case.points,
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "waiting_s": int(((case.closed_at or now) - case.opened_at).total_seconds()),
        "scene": activity.scene_code,
        "day": activity.day,
        "quantity": activity.quantity,
        "details": details,
        "facts": facts,
    }


def appeal_facts(listed: Listed) -> dict[str, Any]:
    """An appeal as JSON has it."""
    appeal, state, activity = listed
    return {
        "holder_id": appeal.holder_id,
        "activity_id": appeal.activity_id,
        "programme": appeal.programme_code,
        "state": state,
        "text": appeal.text,
        "opened_at": appeal.opened_at,
        "answer": appeal.answer,
        "answered_at": appeal.answered_at,
        "answered_by": appeal.answered_by,
        "code": activity.code,
        "reasons": _sentence(activity, activity.code, activity.trimmed_points),
        "scene": activity.scene_code,
        "day": activity.day,
        "quantity": activity.quantity,
    }


def dossier_facts(found: Dossier, now: datetime) -> dict[str, Any]:
    """The whole dossier as JSON has it."""
    details, facts = evidence(found.activity)
    state, history = found.state, found.history
    return {
        "holder_id": found.activity.holder_id,
        "activity_id": found.activity.id,
        "scene": found.activity.scene_code,
        "started_at": found.activity.started_at,
        "ended_at": found.activity.ended_at,
        "decision": state.decision,
        "code": state.code,
        "reasons": _sentence(found.activity, state.code, state.trimmed_points),
        "quantity": state.quantity,
        "saved_mg_co2e": state.saved_mg_co2e,
        "points": state.points,
        "details": details,
        "facts": facts,
        "review": case_facts(Queued(found.case, found.activity), now) if found.case else None,
        "steps": [
            {"at": one.at, "action": one.action, "actor": one.actor, "text": one.text}
            for one in found.steps
        ],
        "counts": dict(history.counts),
        "recent": [
            {"activity_id": one.id, "day": one.day, "decision": s.decision, "code": s.code}
            for one, s in history.recent
        ],
    }


def _compact(value: object) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    return msgspec.json.encode(value).decode() if value else "-"


def written(value: object) -> str:
    """As JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
