"""Corrections: one operator proposes, another approves; auditors look on."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy.orm import Session

from ledgers.corrections import (
    REVERSALS_MAX,
    Grant,
    Place,
    approve,
    get_correction,
    grant_of,
    pending,
    propose,
    reject,
    reversals_of,
)
from ledgers.models import Correction
from service.admin import objects
from service.admin.objects import acting_on
from service.api.resources import Blueprint
from service.api.wire import AMOUNT_MAX, Cursor, Line
from service.auth import actor, caller, requires
from service.authorisation import HOLDER, LISTED, check_issuer, of_holders
from service.request_ids import request_id
from service.services import services

bp = Blueprint(
    "corrections",
    __name__,
    url_prefix="/v1",
    description="更正 · Corrections: proposed by one operator, approved by another",
)
_WAITING = ("at", "id", "id")


class ReversalRequest(Schema):
    transfer_id = fields.UUID(required=True)
    amount = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "in the transfer's unit; null or absent: all that is left of it"},
    )


class GrantRequest(Schema):
    issuer_id = fields.UUID(
        required=True, metadata={"description": "the programme that gives, its holder id"}
    )
    unit = fields.String(required=True, validate=validate.OneOf(("mg_co2e", "point")))
    amount = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, AMOUNT_MAX),
        metadata={"description": "in the unit"},
    )


class CorrectionRequest(Schema):
    """Reversals of transfers of this holder, or a grant."""

    reversals = fields.List(
        fields.Nested(ReversalRequest), validate=validate.Length(1, REVERSALS_MAX)
    )
    grant = fields.Nested(GrantRequest)
    reason = Line(
        length_max=500, required=True, metadata={"description": "why; holders and auditors read it"}
    )

    @validates_schema
    def _one_of_two(self, body: dict[str, Any], **_: Any) -> None:
        if ("reversals" in body) == ("grant" in body):
            raise ValidationError("Send either reversals or grant.")
        ids = [each["transfer_id"] for each in body.get("reversals", ())]
        if len(set(ids)) < len(ids):
            raise ValidationError("A transfer is named twice.", "reversals")


class ApprovalRequest(Schema):
    """Nothing: what is approved is what was proposed under the id."""


class RejectionRequest(Schema):
    reason = Line(length_max=500)


class ReversalResponse(Schema):
    transfer_id = fields.UUID()
    amount = fields.Integer(
        allow_none=True, metadata={"description": "in the transfer's unit; null: all that is left"}
    )


class GrantResponse(Schema):
    issuer_id = fields.UUID()
    unit = fields.String()
    amount = fields.Integer(metadata={"description": "in the unit"})


class CorrectionResponse(Schema):
    id = fields.UUID(metadata={"description": "also the posting's, once it is approved"})
    holder_id = fields.UUID()
    reversals = fields.List(fields.Nested(ReversalResponse))
    grant = fields.Nested(GrantResponse, allow_none=True)
    reason = fields.String()
    proposed_by = fields.String()
    proposed_at = fields.AwareDateTime(format="iso")
    state = fields.String(metadata={"description": "proposed, approved or rejected"})
    decided_by = fields.String(allow_none=True)
    decided_at = fields.AwareDateTime(format="iso", allow_none=True)
    rejection_reason = fields.String(allow_none=True)


class CorrectionsQuery(Schema):
    cursor = Cursor(_WAITING, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class CorrectionsResponse(Schema):
    corrections = fields.List(fields.Nested(CorrectionResponse))
    next_cursor = Cursor(_WAITING, allow_none=True)


@bp.route("/corrections")
class Corrections(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(CorrectionsQuery, location="query")
    @bp.response(200, CorrectionsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What waits for a second person, the oldest first."""
        after = Place(*query["cursor"]) if "cursor" in query else None
        within = of_holders(caller(), Correction.holder_id)
        page = services().database.transact(
            lambda session: pending(session, within=within, after=after, limit=query["limit"])
        )
        return {
            "corrections": [told(each) for each in page.corrections],
            "next_cursor": page.next_after,
        }


@bp.route("/holders/<uuid:holder_id>/corrections/<uuid:correction_id>")
class OneCorrection(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(CorrectionRequest)
    @bp.response(201, CorrectionResponse)
    def put(self, body: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Propose a correction. The client makes the id: the same again changes nothing."""
        now, who = datetime.now(UTC), actor()
        reversals = {each["transfer_id"]: each["amount"] for each in body.get("reversals", ())}
        grant = Grant(**body["grant"]) if "grant" in body else None

        def work(session: Session) -> dict[str, Any]:
            if grant is not None:
                check_issuer(session, caller(), grant.issuer_id, grant.unit)
            found = acting_on(
                session,
                who,
                "correction.propose",
                objects.correction(session, holder_id, correction_id),
                lambda: propose(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    reversals=reversals,
                    grant=grant,
                    reason=body["reason"],
                    proposed_by=who.name,
                    now=now,
                ),
                now=now,
            )
            return told(found)

        return services().database.transact(work)

    @requires("operator", "auditor", within=HOLDER)
    @bp.response(200, CorrectionResponse)
    def get(self, holder_id: UUID, correction_id: UUID) -> Any:
        """A correction as it stands."""
        return services().database.transact(
            lambda session: told(get_correction(session, holder_id, correction_id))
        )


@bp.route("/holders/<uuid:holder_id>/corrections/<uuid:correction_id>/approval")
class Approval(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(ApprovalRequest)
    @bp.response(200, CorrectionResponse)
    def put(self, _: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Approve a correction that somebody else proposed: it is posted, under its own id."""
        now, who, request = datetime.now(UTC), actor(), request_id()

        def work(session: Session) -> dict[str, Any]:
            found = acting_on(
                session,
                who,
                "correction.approve",
                objects.correction(session, holder_id, correction_id),
                lambda: approve(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    approved_by=who.name,
                    now=now,
                    request_id=request,
                ),
                now=now,
            )
            return told(found)

        return services().database.transact(work)


@bp.route("/holders/<uuid:holder_id>/corrections/<uuid:correction_id>/rejection")
class Rejection(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(RejectionRequest)
    @bp.response(200, CorrectionResponse)
    def put(self, body: dict[str, Any], holder_id: UUID, correction_id: UUID) -> Any:
        """Reject a correction, or withdraw one's own; nothing is posted."""
        now, who = datetime.now(UTC), actor()

        def work(session: Session) -> dict[str, Any]:
            found = acting_on(
                session,
                who,
                "correction.reject",
                objects.correction(session, holder_id, correction_id),
                lambda: reject(
                    session,
                    correction_id,
                    holder_id=holder_id,
                    rejected_by=who.name,
                    now=now,
                    **body,
                ),
                now=now,
            )
            return told(found)

        return services().database.transact(work)


def told(correction: Correction) -> dict[str, Any]:
    reversals = [{"transfer_id": id_, "amount": n} for id_, n in reversals_of(correction).items()]
    grant = grant_of(correction)
    return {
        "id": correction.id,
        "holder_id": correction.holder_id,
        "reversals": reversals,
        "grant": grant,
        "reason": correction.reason,
        "proposed_by": correction.proposed_by,
        "proposed_at": correction.proposed_at,
        "state": correction.state,
        "decided_by": correction.decided_by,
        "decided_at": correction.decided_at,
        "rejection_reason": correction.content.get("rejection_reason"),
    }
