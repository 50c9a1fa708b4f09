"""Drafts of the catalogue: what waits for a second person, and the approval."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.catalogue.differences import Draft, described, waiting
from service.admin.batches import approve_drafts
from service.admin.drafting import write_draft
from service.api.resources import Blueprint
from service.auth import actor, caller, requires
from service.authorisation import EVERYWHERE, LISTED, only_programme
from service.services import services

bp = Blueprint(
    "drafts",
    __name__,
    url_prefix="/v1/catalogue/drafts",
    description="草案 · Drafts of the catalogue: approved by a second person",
)


class DifferenceResponse(Schema):
    field = fields.String()
    before = fields.String(allow_none=True)
    after = fields.String(allow_none=True)


class DraftResponse(Schema):
    name = fields.String(
        metadata={
            "description": "factor:CODE, method:CODE@VERSION, rule:CODE@VERSION or"
            " tariff:PROGRAMME@YYYY-MM-DD"
        }
    )
    kind = fields.String()
    programme = fields.String(attribute="programme_code", allow_none=True)
    behaviour = fields.String(attribute="behaviour_code", allow_none=True)
    valid_from = fields.Date()
    valid_to = fields.Date(
        allow_none=True, metadata={"description": "exclusive; null: no end is set"}
    )
    drafted_by = fields.String()
    drafted_at = fields.AwareDateTime(format="iso", allow_none=True)
    approved_by = fields.String(allow_none=True)
    approved_at = fields.AwareDateTime(format="iso", allow_none=True)
    against = fields.String(
        allow_none=True, metadata={"description": "the version in force that it takes the place of"}
    )
    differences = fields.List(fields.Nested(DifferenceResponse))


class DraftsResponse(Schema):
    drafts = fields.List(fields.Nested(DraftResponse))


_TEXT = fields.String(validate=validate.Length(max=2_000))


class DraftRequest(Schema):
    """A row as a file of the catalogue has it; what the name says stands in the name alone."""

    values = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 64)),
        values=_TEXT,
        required=True,
        validate=validate.Length(max=30),
        metadata={
            "description": "columns of factors.csv, methods.csv, rules.csv or tariffs.csv by name,"
            " each as text (docs/methods.md); parameters of a rule are JSON; left out: empty",
            "example": {"mg_co2e_per_point": "1000", "document": "积分规则（2027）第 3 条"},
        },
    )


class DraftApprovalRequest(Schema):
    """Nothing: what is approved is what was drafted under the name."""


@bp.route("")
class Drafts(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.response(200, DraftsResponse)
    def get(self) -> dict[str, Any]:
        """What waits for a second person, with what it changes in the version in force."""
        own = only_programme(caller())
        found = services().database.transact(lambda s: waiting(s, programme_code=own))
        return {"drafts": found}


@bp.route("/<string:name>")
class DraftWriting(MethodView):
    @requires("operator", within=EVERYWHERE)
    @bp.arguments(DraftRequest)
    @bp.response(200, DraftResponse)
    def put(self, body: dict[str, Any], name: str) -> Draft:
        """Draft a version: it decides nothing until somebody else approves it.

        It is checked as a file is, against the whole catalogue. What is drafted is never changed.
        """
        now, who = datetime.now(UTC), actor()

        def told(session: Session) -> Draft:
            (draft,) = described(
                session, [write_draft(session, who, name, body["values"], now=now)]
            )
            return draft

        return services().database.transact(told)


@bp.route("/<string:name>/approval")
class DraftApproval(MethodView):
    @requires("operator", within=EVERYWHERE)
    @bp.arguments(DraftApprovalRequest)
    @bp.response(200, DraftResponse)
    def put(self, _: dict[str, Any], name: str) -> Draft:
        """Approve what somebody else drafted: it decides what comes in from now on.

        What was granted before stays. The same again is a retry that answers as it stands.
        """
        now, who = datetime.now(UTC), actor()

        def told(session: Session) -> Draft:
            (draft,) = described(session, approve_drafts(session, who, [name], now=now))
            return draft

        return services().database.transact(told)
