"""One activity with its whole why: rules, method, factors, arithmetic, what became of it later."""

from typing import Any
from uuid import UUID

import msgspec
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from activities import own_ids
from activities.errors import UnknownActivity
from activities.history import Standing, get_activity, standings
from activities.models import Activity
from activities.tracing import Finding, Quantified, Trace, traced
from ledgers.ids import instant_of
from service.api.acts import ActivityResponse, reasons, standing_told
from service.language import Text
from service.rule_words import RESULTS, RULES, both

_OPEN = {"type": "object", "additionalProperties": True}


class BothResponse(Schema):
    """A text in both languages."""

    zh = fields.String(data_key="zh-CN", attribute="zh-CN")
    en = fields.String()


class KnownDetailsResponse(Schema):
    """What was said besides; what was not is not there."""

    distance_m = fields.Integer()
    active_s = fields.Integer()
    material = fields.String()
    object_id = fields.String()
    place = fields.String()
    device = fields.UUID()
    photo_sha256 = fields.String()
    odometer_m = fields.List(fields.Integer())
    attested = fields.Boolean(metadata={"description": "the device was; our own finding"})


class DecisionResponse(Schema):
    decision = fields.String()
    code = fields.String()
    reasons = fields.Nested(BothResponse)
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()
    trimmed_points = fields.Integer()


class RuleResponse(Schema):
    rule = fields.String(metadata={"description": "its code, or the name of a fixed step"})
    version = fields.Integer(allow_none=True, metadata={"description": "null: a fixed step"})
    kind = fields.String()
    title = fields.Nested(BothResponse)
    parameters = fields.Raw(allow_none=True, metadata=_OPEN)
    inputs = fields.Raw(metadata=_OPEN | {"description": "what it looked at"})
    result = fields.String(
        metadata={"description": "passed, refused, held, trimmed, not_reached or not_applicable"}
    )
    result_text = fields.Nested(BothResponse)
    document = fields.String(allow_none=True, metadata={"description": "where it comes from"})


class MethodResponse(Schema):
    code = fields.String()
    version = fields.Integer()
    form = fields.String(
        metadata={"description": "per_unit, displaced, mass or own_baseline"},
    )
    share_permille = fields.Integer(metadata={"description": "of the factor that counts"})
    document = fields.String()


class FactorResponse(Schema):
    part = fields.String(
        metadata={"description": "saved (or the baseline's), less actual (the act's own)"}
    )
    code = fields.String()
    name = fields.Nested(BothResponse)
    ug_co2e_per_unit = fields.Integer(metadata={"description": "µg of CO2e by base unit"})
    base_unit = fields.String()
    share_permille = fields.Integer(metadata={"description": "of it that counts"})
    published_value = fields.String()
    published_unit = fields.String()
    publisher = fields.String()
    document = fields.String()
    year = fields.String()
    source_address = fields.String()


class TariffResponse(Schema):
    mg_co2e_per_point = fields.Integer()
    valid_from = fields.String()
    document = fields.String()


class QuantifiedResponse(Schema):
    """quantity × (saved factor × its share − actual factor), rounded down once to the mg."""

    method = fields.Nested(MethodResponse)
    factors = fields.List(fields.Nested(FactorResponse))
    quantity = fields.Integer(
        metadata={"description": "that was multiplied, in the base unit; of a baseline its excess"}
    )
    base_unit = fields.String()
    exact_ug_co2e = fields.String(metadata={"description": "unrounded, a decimal number of µg"})
    saved_mg_co2e = fields.Integer(metadata={"description": "rounded down"})
    tariff = fields.Nested(TariffResponse)
    tariff_points = fields.Integer(metadata={"description": "by the tariff, before caps"})
    baseline = fields.Raw(allow_none=True, metadata=_OPEN)


class AdjustmentResponse(Schema):
    """What changed an activity after its first decision; never changed itself."""

    id = fields.UUID()
    kind = fields.String(
        metadata={"description": "review, appeal, withdrawn, changed, recomputed or superseded"}
    )
    decision = fields.String(metadata={"description": "from then on"})
    code = fields.String()
    reasons = fields.Nested(BothResponse)
    note = fields.String(metadata={"description": "what was written down with it"})
    quantity = fields.Integer(metadata={"description": "from then on, in the base unit"})
    saved_mg_co2e = fields.Integer(metadata={"description": "the difference, signed"})
    points = fields.Integer(metadata={"description": "the difference, signed"})
    trimmed_points = fields.Integer(metadata={"description": "the difference, signed"})
    method_code = fields.String(allow_none=True)
    method_version = fields.Integer(allow_none=True)
    posting_id = fields.UUID(allow_none=True)
    reversal_id = fields.UUID(allow_none=True)
    recorded_at = fields.AwareDateTime(format="iso")
    actor = fields.String(metadata={"description": "for operators and auditors"})
    approved_by = fields.String(
        allow_none=True, metadata={"description": "for operators and auditors"}
    )


class ExplainedResponse(ActivityResponse):
    """An activity as it stands, and the whole why of its first decision."""

    holder_id = fields.UUID()
    received_at = fields.AwareDateTime(format="iso")
    acted_by = fields.String(
        allow_none=True,
        metadata={"description": "`delegate:` or `guardian:` and who reported it"},
    )
    details = fields.Nested(KnownDetailsResponse)
    reasons = fields.Nested(BothResponse)
    first = fields.Nested(DecisionResponse, metadata={"description": "before any adjustment"})
    rules = fields.List(
        fields.Nested(RuleResponse), metadata={"description": "all, in their order of effect"}
    )
    quantified = fields.Nested(
        QuantifiedResponse,
        allow_none=True,
        metadata={"description": "null where something refused before"},
    )
    adjustments = fields.List(
        fields.Nested(AdjustmentResponse), metadata={"description": "the oldest first"}
    )


def told_of(
    session: Session, activity_id: UUID, holder_id: UUID | None, *, names: bool
) -> dict[str, Any]:
    """An activity for ``ExplainedResponse``, by our id of it or by the one that our client made.

    ``holder_id`` is whose it must be; None: anybody's, which only a client's id can find.
    ``names``: also who adjusted it. Raises UnknownActivity.
    """
    if holder_id is None:
        behind = own_ids.find(session, activity_id)
        if behind is None:
            raise UnknownActivity(activity_id)
        holder_id = behind[0]
    activity = get_activity(session, holder_id, activity_id)
    (standing,) = standings(session, [activity])
    return explained(standing, traced(session, activity), names=names)


def explained(standing: Standing, trace: Trace, *, names: bool) -> dict[str, Any]:
    """The same of one that was read already."""
    activity = standing.activity
    quantified = trace.quantified
    return standing_told(standing) | {
        "received_at": instant_of(activity.id),
        "acted_by": msgspec.json.decode(activity.facts or "{}").get("acted_by"),
        "details": msgspec.json.decode(activity.details or "{}"),
        "first": {
            "decision": trace.decision,
            "code": trace.code,
            "reasons": trace.reason,
            "quantity": activity.quantity,
            "saved_mg_co2e": activity.saved_mg_co2e,
            "points": activity.points,
            "trimmed_points": activity.trimmed_points,
        },
        "rules": [_rule(finding) for finding in trace.findings],
        "quantified": _quantified(quantified, activity) if quantified else None,
        "adjustments": _adjustments(standing, names=names),
    }


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "version": finding.version,
        "kind": finding.kind,
        "title": both(RULES[finding.kind]),
        "parameters": finding.parameters,
        "inputs": msgspec.to_builtins(finding.inputs),  # Instants as everywhere on the wire.
        "result": finding.result,
        "result_text": both(RESULTS[finding.result]),
        "document": finding.document,
    }


def _quantified(found: Quantified, activity: Activity) -> dict[str, Any]:
    return {
        "method": found.method,
        "factors": _factors(found.method, activity),
        "quantity": found.quantity,
        "base_unit": found.base_unit,
        "exact_ug_co2e": found.exact_ug,
        "saved_mg_co2e": found.saved_mg_co2e,
        "tariff": found.tariff,
        "tariff_points": found.points_before_caps,
        "baseline": found.baseline,
    }


def _factors(method: dict[str, Any], activity: Activity) -> list[dict[str, Any]]:
    """Those that this activity's figure rests on: of a method by mass its material's alone."""
    parts: list[tuple[str, dict[str, Any], int]] = []
    if method["form"] == "mass":
        material = msgspec.json.decode(activity.details or "{}")["material"]
        chosen = method["materials"][material]
        parts.append(("saved", chosen["factor"], chosen["share_permille"]))
    else:
        parts.append(("saved", method["factor"], method["share_permille"]))
    if method["actual_factor"]:
        parts.append(("actual", method["actual_factor"], 1000))
    return [
        factor
        | {
            "part": part,
            "share_permille": share,
            "name": both(Text(factor["name_zh"], factor["name_en"])),
        }
        for part, factor, share in parts
    ]


def _adjustments(standing: Standing, *, names: bool) -> list[dict[str, Any]]:
    """Each with its sentence, whose figures are those of the activity from then on."""
    told, trimmed = [], standing.activity.trimmed_points
    for one in standing.adjustments:
        trimmed += one.trimmed_points
        told.append(
            {
                "id": one.id,
                "kind": one.kind,
                "decision": one.decision,
                "code": one.code,
                "reasons": reasons(standing.activity, one.code, one.quantity, trimmed),
                "note": one.reason,
                "quantity": one.quantity,
                "saved_mg_co2e": one.saved_mg_co2e,
                "points": one.points,
                "trimmed_points": one.trimmed_points,
                "method_code": one.method_code,
                "method_version": one.method_version,
                "posting_id": one.posting_id,
                "reversal_id": one.reversal_id,
                "recorded_at": one.recorded_at,
            }
            | ({"actor": one.actor, "approved_by": one.approved_by} if names else {})
        )
    return told
