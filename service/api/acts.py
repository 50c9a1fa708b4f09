"""What single acts are on the wire: as they are sent in, and as they are answered."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from activities.events import NO_DETAILS, QUANTITY_MAX, Details, Event
from activities.explanations import explain
from activities.history import Recorded, Standing
from activities.models import Activity
from service.api.wire import Code, Instant
from service.language import language

_QUANTITY = validate.Range(0, QUANTITY_MAX)


class DetailsRequest(Schema):
    """What else is known of the act; which of it is needed, the scene's rules say."""

    distance_m = fields.Integer(strict=True, validate=_QUANTITY)
    active_s = fields.Integer(
        strict=True,
        validate=validate.Range(1, 86_400),
        metadata={"description": "in motion within a day's total"},
    )
    material = Code(metadata={"description": "of a method by mass: `pet`, `paper`, …"})
    object_id = Code(metadata={"description": "of the meter, bin, parcel or vehicle"})
    place = fields.String(
        validate=validate.Regexp(r"^[0-9]{2,12}\Z", error="Not a division's code."),
        metadata={"description": "division where it happened, no track"},
    )
    device = fields.UUID(metadata={"description": "opaque; what an attestation is about"})
    photo_sha256 = fields.String(
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="Not a SHA-256 in hexadecimal."),
        metadata={"description": "of a photo that the sender keeps, in hexadecimal"},
    )
    odometer_m = fields.List(
        fields.Integer(strict=True, validate=_QUANTITY),
        validate=validate.Length(equal=2),
        metadata={"description": "before and after"},
    )


class ActivityRequest(Schema):
    """What was done."""

    scene = Code(required=True)
    started_at = Instant(required=True)
    ended_at = Instant(required=True)
    quantity = fields.Integer(
        required=True,
        strict=True,
        validate=_QUANTITY,
        metadata={"description": "in the behaviour's base unit: step, count, m, g, Wh, s or ml"},
    )
    details = fields.Nested(DetailsRequest)


class ActivityResponse(Schema):
    id = fields.UUID()
    event_id = fields.String(
        metadata={"description": "the sender's own id; what the app sent: the id of its PUT"}
    )
    scene = fields.String(attribute="scene_code")
    behaviour = fields.String(attribute="behaviour_code", allow_none=True)
    day = fields.Date(allow_none=True, metadata={"description": "in the programme's zone"})
    started_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso")
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    decision = fields.String(metadata={"description": "verified, held or rejected"})
    code = fields.String(metadata={"description": "machine code of the decision"})
    reason = fields.Function(
        lambda told: told["reasons"][language()],
        metadata={"type": "string", "description": "the sentence, by Accept-Language"},
    )
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()
    trimmed_points = fields.Integer(metadata={"description": "withheld by a cap"})
    duplicate_of = fields.UUID(allow_none=True)


def event_of(activity_id: UUID, holder_id: UUID, body: dict[str, Any], *, attested: bool) -> Event:
    """The event of a body that fits its schema."""
    said = body.get("details", {})
    if "odometer_m" in said:
        said["odometer_m"] = tuple(said["odometer_m"])
    return Event(
        str(activity_id),
        body["scene"],
        holder_id,
        body["started_at"],
        body["ended_at"],
        body["quantity"],
        Details(**said, attested=attested) if said else NO_DETAILS,
    )


def decided(activity: Recorded) -> dict[str, Any]:
    """An activity as it was decided first, for ``ActivityResponse``."""
    why = reasons(activity, activity.code, activity.quantity, activity.trimmed_points)
    return activity._asdict() | {"reasons": why}


def standing_told(standing: Standing) -> dict[str, Any]:
    """An activity as it stands, likewise."""
    activity, state = standing.activity, standing.state
    return {
        "id": activity.id,
        "holder_id": activity.holder_id,
        "event_id": activity.event_id,
        "scene_code": activity.scene_code,
        "behaviour_code": activity.behaviour_code,
        "day": activity.day,
        "started_at": activity.started_at,
        "ended_at": activity.ended_at,
        "quantity": state.quantity,
        "decision": state.decision,
        "code": state.code,
        "reasons": reasons(activity, state.code, state.quantity, state.trimmed_points),
        "saved_mg_co2e": state.saved_mg_co2e,
        "points": state.points,
        "trimmed_points": state.trimmed_points,
        "duplicate_of": activity.duplicate_of,
    }


def reasons(
    activity: Activity | Recorded, code: str, quantity: int, trimmed_points: int
) -> dict[str, str]:
    """The sentence of a code in both languages, with what the activity came to then."""
    return explain(
        code,
        quantity=quantity,
        duration_s=int((activity.ended_at - activity.started_at).total_seconds()),
        trimmed_points=trimmed_points,
    )
