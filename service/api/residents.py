"""A resident at the desk: found, looked at with a purpose, with accounts, acts and corrections."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import make_response
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy.orm import Session

from activities.history import page, standings
from ledgers import statements
from ledgers.accounts import PERSONAL, account_key, telling_of_holder
from service import looks
from service.api.accounts import AccountResponse, StatementResponse
from service.api.activities import ActivitiesResponse
from service.api.activity_corrections import ActivityCorrectionResponse
from service.api.acts import standing_told
from service.api.corrections import CorrectionResponse
from service.api.corrections import told as correction_told
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.sign_in_bodies import Phone
from service.api.staff import CardNumber
from service.api.wire import Line
from service.auth import actor, caller, requires
from service.authorisation import FOUND, HOLDER, reaches_holder
from service.services import services

bp = Blueprint(
    "residents", __name__, url_prefix="/v1/staff", description="居民 · A resident, at the desk"
)
CORRECTIONS_MAX = 50
_UNITS = ("point", "mg_co2e")
_PURPOSE = {"description": "what for; the admin log and the resident read it"}


class LookRequest(Schema):
    """Exactly one of phone, card_number and holder_id."""

    phone = Phone(required=False)
    card_number = CardNumber(required=False)
    holder_id = fields.UUID()
    purpose = Line(length_max=looks.PURPOSE_LENGTH_MAX, required=True, metadata=_PURPOSE)

    @validates_schema
    def _one(self, body: dict[str, Any], **_: Any) -> None:
        if len({"phone", "card_number", "holder_id"} & body.keys()) != 1:
            raise ValidationError("Send one of phone, card_number and holder_id.")


class FoundResponse(Schema):
    holder_id = fields.UUID()
    programme = fields.String(attribute="programme_code")
    division = fields.String(attribute="division_code")
    joined_at = fields.AwareDateTime(format="iso")


class LookResponse(Schema):
    found = fields.Nested(
        FoundResponse, allow_none=True, metadata={"description": "null: nobody within reach"}
    )


class PurposeQuery(Schema):
    purpose = Line(length_max=looks.PURPOSE_LENGTH_MAX, required=True, metadata=_PURPOSE)


class ResidentResponse(Schema):
    holder_id = fields.UUID()
    programme = fields.String()
    division = fields.String(metadata={"description": "code of the town they live in"})
    joined_at = fields.AwareDateTime(format="iso")
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)
    name = fields.String(
        allow_none=True, metadata={"description": "masked, as 李**", "example": "李**"}
    )
    phone = fields.String(
        allow_none=True,
        metadata={"description": "masked, as 138****5678", "example": "138****5678"},
    )
    real_name_verified = fields.Boolean()
    minor = fields.Boolean(metadata={"description": "under fourteen"})
    accounts = fields.List(fields.Nested(AccountResponse))


class EntriesQuery(PageQuery):
    unit = fields.String(load_default="point", validate=validate.OneOf(_UNITS))


class BothCorrectionsResponse(Schema):
    corrections = fields.List(
        fields.Nested(CorrectionResponse), metadata={"description": "of the ledger, the newest"}
    )
    activity_corrections = fields.List(
        fields.Nested(ActivityCorrectionResponse),
        metadata={"description": "of activities, the newest"},
    )


@bp.route("/looks/<uuid:look_id>")
class Looks(MethodView):
    @requires("operator", within=FOUND)
    @bp.arguments(LookRequest)
    @bp.response(200, LookResponse)
    def put(self, body: dict[str, Any], look_id: UUID) -> dict[str, Any]:
        """Look for a resident. The desk makes the id; each look is in the admin log.

        Who is out of reach is answered like nobody.
        """
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        wanted = looks.Look(look_id, **body)

        def work(session: Session) -> dict[str, Any]:
            found = looks.find(session, keyring, wanted)
            if found is not None and not reaches_holder(session, caller(), found.holder_id):
                found = None
            looks.put_down(session, wanted, found, actor=who, now=now)
            return {"found": found}

        return services().database.transact(work)


@bp.route("/residents/<uuid:holder_id>/profile")
class OneResident(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(PurposeQuery, location="query")
    @bp.response(200, ResidentResponse)
    def get(self, query: dict[str, str], holder_id: UUID) -> ResponseReturnValue:
        """A resident, masked, with accounts; each reading is in the admin log."""
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        shown = services().database.transact(
            lambda session: looks.opened(
                session, keyring, holder_id, purpose=query["purpose"], actor=who, now=now
            )
        )
        names = ("id", "unit", "kind", "balance", "held", "debt")
        rows = services().database.read(telling_of_holder(holder_id))
        accounts = [dict(zip(names, row, strict=True)) for row in rows]
        for one in accounts:
            one["available"] = one["balance"] - one["held"]
        answer = make_response(ResidentResponse().dump(shown | {"accounts": accounts}))
        answer.headers["Cache-Control"] = "no-store"
        return answer


@bp.route("/residents/<uuid:holder_id>/activities")
class Activities(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ActivitiesResponse)
    def get(self, query: dict[str, Any], holder_id: UUID) -> dict[str, Any]:
        """A resident's activities as they stand now, newest first."""

        def look(session: Session) -> dict[str, Any]:
            found = page(session, holder_id, before=query.get("cursor"), limit=query["limit"])
            shown = [standing_told(each) for each in standings(session, found.activities)]
            return {"activities": shown, "next_cursor": found.next_before}

        return services().database.transact(look)


@bp.route("/residents/<uuid:holder_id>/entries")
class Entries(MethodView):
    @requires("operator", within=HOLDER)
    @bp.arguments(EntriesQuery, location="query")
    @bp.response(200, StatementResponse)
    def get(self, query: dict[str, Any], holder_id: UUID) -> Any:
        """What came in and went out of a resident's own account, newest first."""
        account_id = UUID(account_key(holder_id, query["unit"], PERSONAL).id)
        with services().database.snapshot() as session:
            return statements.page(
                session, holder_id, account_id, before=query.get("cursor"), limit=query["limit"]
            )


@bp.route("/residents/<uuid:holder_id>/corrections")
class Corrections(MethodView):
    @requires("operator", within=HOLDER)
    @bp.response(200, BothCorrectionsResponse)
    def get(self, holder_id: UUID) -> dict[str, Any]:
        """A resident's corrections, decided ones too; the newest fifty of each kind."""

        def look(session: Session) -> dict[str, Any]:
            ledger, acts = looks.corrections_of(session, holder_id, limit=CORRECTIONS_MAX)
            told = [correction_told(each) for each in ledger]
            return {"corrections": told, "activity_corrections": acts}

        return services().database.transact(look)
