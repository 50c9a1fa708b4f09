"""The whole why: every rule with its version, what it looked at and what it said.

Nothing is decided anew. What is shown are the policy that decided (kept word for word), the event,
the facts that the decision knew besides, and the arithmetic on them, exact to the millionth of a
milligram; so that a resident sees the reason and an auditor recomputes the figure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import Behaviour
from activities.deciding.decisions import CAPPED, GRANTING, HOLDING, sample_of
from activities.events import Details, Event
from activities.explanations import explain
from activities.methods import net_per_unit, points_for, saved_mg
from activities.models import Activity, Policy
from activities.rules import (
    ALONE,
    SIGNALS,
    Act,
    AloneKind,
    Cap,
    DailyCap,
    Inputs,
    MinInterval,
    NoOverlap,
    PlaceJump,
    RuleKind,
    Sample,
    SharedDevice,
    Velocity,
)
from ledgers.ids import instant_of

PASSED, REFUSED, HELD, TRIMMED = "passed", "refused", "held", "trimmed"
NOT_REACHED, NOTHING_TO_SEE = "not_reached", "not_applicable"

# Steps before and between the rules of the catalogue, by the codes with which they refuse.
STEPS = (
    ("known", ("unknown_scene", "unknown_resident")),
    ("times", ("bad_times", "in_future")),
    ("scene_approved", ("scene_not_approved",)),
    ("consent", ("no_consent",)),
    ("method", ("no_method", "unknown_material")),
)
_BASELINE = ("no_household", "solar_household", "top_tier_household", "no_saving")
_AMONG: dict[type, str] = {NoOverlap: "overlaps", MinInterval: "too_soon", PlaceJump: "place_jump"}
_SIGNALS: dict[type, str] = {Velocity: "velocity", SharedDevice: "shared_device", Sample: "sampled"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, or one fixed step: what it looked at, and its result.

    ``version`` and ``parameters`` are None for a fixed step; ``result`` is passed, refused, held,
    trimmed, not_reached (something refused before) or not_applicable (nothing to look at).
    """

    rule: str
    version: int | None
    kind: str
    parameters: dict[str, Any] | None
    document: str | None
    inputs: Inputs
    result: str


@dataclass(frozen=True, slots=True)
class Quantified:
    """How the figure came about. ``exact_ug`` is unrounded, as a decimal in µg; ``baseline`` the
    household's, where the method rests on one.
    """

    method: dict[str, Any]
    tariff: dict[str, Any]
    quantity: int
    base_unit: str
    net_millionths_mg: int
    exact_ug: str
    saved_mg_co2e: int
    points_before_caps: int
    baseline: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Why an activity was decided as it was, first; later adjustments are told beside."""

    decision: str
    code: str
    reason: dict[str, str]
    findings: list[Finding]
    quantified: Quantified | None


def traced(session: Session, activity: Activity) -> Trace:
    """``trace`` with what it needs read."""
    policy = session.get(Policy, activity.policy_id) if activity.policy_id else None
    behaviour = session.get(Behaviour, activity.behaviour_code or "")
    unit = behaviour.base_unit if behaviour else ""
    return trace(activity, policy.content if policy else None, unit)


def trace(activity: Activity, policy: Mapping[str, Any] | None, base_unit: str) -> Trace:
    """The trace of an activity's first decision.

    ``policy`` is the content of the policy that decided (``Policy.content``); None where the event
    was refused before one was found, or was recorded before policies were kept.
    """
    event = event_of(activity)
    facts: dict[str, Any] = msgspec.json.decode(activity.facts) if activity.facts else {}
    rules = [*(policy or {}).get("rules", ())]
    findings = list(_findings(activity, event, base_unit, facts, rules))
    quantified = None
    if policy and policy.get("method") and policy.get("tariff") and _was_quantified(activity):
        quantified = _quantified(event, base_unit, facts, policy)
    return Trace(
        activity.decision,
        activity.code,
        explain(
            activity.code,
            quantity=activity.quantity,
            duration_s=event.duration_s,
            trimmed_points=activity.trimmed_points,
        ),
        findings,
        quantified,
    )


def event_of(activity: Activity) -> Event:
    """The event as it was received."""
    details = msgspec.json.decode(activity.details or "{}", type=Details)
    return Event(
        activity.event_id,
        activity.scene_code,
        activity.holder_id,
        activity.started_at,
        activity.ended_at,
        activity.quantity,
        details,
    )


def _was_quantified(activity: Activity) -> bool:
    return activity.code in GRANTING | HOLDING | {"no_saving"}


def _findings(
    activity: Activity,
    event: Event,
    base_unit: str,
    facts: dict[str, Any],
    rules: list[dict[str, Any]],
) -> Iterator[Finding]:
    """In the order of effect; after the one that refused nothing is reached."""
    refused = False
    for name, codes in STEPS:
        result = NOT_REACHED if refused else REFUSED if activity.code in codes else PASSED
        yield Finding(name, None, name, None, None, {}, result)
        refused = refused or result == REFUSED
    kinds = [(rule, msgspec.convert(rule["parameters"], RuleKind)) for rule in rules]
    order: list[type] = [*ALONE, NoOverlap, MinInterval, PlaceJump, *SIGNALS, DailyCap, Cap]
    claim_told = False
    for rule, kind in sorted(kinds, key=lambda pair: order.index(type(pair[1]))):
        if not claim_told and not isinstance(kind, AloneKind):
            claim_told = True
            for finding in _claims(activity, facts):
                shown = _reached(finding, refused)
                yield shown
                refused = refused or shown.result == REFUSED
        inputs, result = _look(activity, event, base_unit, facts, rule["code"], kind)
        finding = Finding(
            rule["code"],
            rule["version"],
            rule["parameters"]["kind"],
            {name: value for name, value in rule["parameters"].items() if name != "kind"},
            rule["document"],
            inputs,
            result,
        )
        shown = _reached(finding, refused)
        yield shown
        refused = refused or shown.result == REFUSED
    if not claim_told:
        for finding in _claims(activity, facts):
            yield _reached(finding, refused)


def _reached(finding: Finding, refused: bool) -> Finding:
    if not refused:
        return finding
    return Finding(
        finding.rule,
        finding.version,
        finding.kind,
        finding.parameters,
        finding.document,
        {},
        NOT_REACHED,
    )


def _claims(activity: Activity, facts: dict[str, Any]) -> Iterator[Finding]:
    """Claimed once; and what a household's baseline came to."""
    taken = activity.code == "already_claimed"
    inputs: Inputs = {"duplicate_of": str(activity.duplicate_of)} if activity.duplicate_of else {}
    yield Finding("claimed_once", None, "claimed_once", None, None, inputs, _said(REFUSED, taken))
    if "baseline" in facts:
        refused = activity.code in _BASELINE or activity.code == "no_method"
        result = _said(REFUSED, refused)
        yield Finding("own_baseline", None, "own_baseline", None, None, facts["baseline"], result)


def _said(result: str, it_was: bool) -> str:
    return result if it_was else PASSED


def _look(
    activity: Activity,
    event: Event,
    base_unit: str,
    facts: dict[str, Any],
    rule: str,
    kind: Any,
) -> tuple[Inputs, str]:
    """What a rule looked at, and what it said."""
    code = activity.code
    if isinstance(kind, AloneKind):
        act = Act(event, base_unit, instant_of(activity.id))
        fits = kind.fits(act)
        result = NOTHING_TO_SEE if fits is None else PASSED if fits else REFUSED
        return kind.inputs(act), result
    inputs: Inputs = {}
    if type(kind) in _AMONG:
        mine = code == _AMONG[type(kind)]
        if mine:
            seen = ("overlaps", "near", "elsewhere")
            inputs = {name: facts[name] for name in seen if name in facts}
        return inputs, _said(REFUSED, mine)
    if type(kind) in _SIGNALS:
        name = {Velocity: "acts_today", SharedDevice: "holders_of_device"}.get(type(kind), "")
        if isinstance(kind, Sample):
            inputs = {"draw": sample_of(activity.id)}
        elif name in facts:
            inputs = {name: facts[name]}
        return inputs, _said(HELD, code == _SIGNALS[type(kind)])
    left = facts.get("caps", {}).get(rule)
    if left is None:
        return {}, NOT_REACHED
    before = activity.points + activity.trimmed_points
    trims = code in CAPPED.values() and left == activity.points
    return {"points": before, "left_points": left}, _said(TRIMMED, trims and left < before)


def _quantified(
    event: Event, base_unit: str, facts: dict[str, Any], policy: Mapping[str, Any]
) -> Quantified:
    """The arithmetic again, on what was kept."""
    method, tariff = policy["method"], policy["tariff"]
    baseline = facts.get("baseline")
    quantity = event.quantity
    if baseline is not None:
        quantity = max(baseline["baseline"] - baseline["reading"], 0)
    if method["form"] == "mass":
        material = method["materials"][event.details.material]
        net = net_per_unit(material["factor"]["ug_co2e_per_unit"], material["share_permille"])
    else:
        actual = method["actual_factor"]
        net = net_per_unit(
            method["factor"]["ug_co2e_per_unit"],
            method["share_permille"],
            actual["ug_co2e_per_unit"] if actual else 0,
        )
    saved = saved_mg(quantity, net)
    whole, thousandths = divmod(quantity * net, 1000)
    return Quantified(
        method,
        tariff,
        quantity,
        base_unit,
        net,
        f"{whole}.{thousandths:03}" if thousandths else str(whole),
        saved,
        points_for(saved, tariff["mg_co2e_per_point"]),
        baseline,
    )
