"""The staff's desk: residents without a phone, by their card."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy.orm import Session

from activities.models import Participant
from service.admin import objects
from service.admin.objects import acting_on
from service.api.acts import ActivityRequest, ActivityResponse, decided, event_of
from service.api.consents import VERSION_MAX
from service.api.resources import Blueprint
from service.api.wire import Code
from service.auth import actor, caller, requires
from service.authorisation import (
    FOUND,
    LISTED,
    check_division,
    check_programme,
    check_scene,
    reaches_holder,
)
from service.identity import cards
from service.identity.errors import UnknownCard
from service.registration import CONSENTS_MAX, Registration, register
from service.services import services

bp = Blueprint("staff", __name__, url_prefix="/v1/staff", description="代录 · The staff's desk")


class CardNumber(fields.String):
    """As typed: case, spaces and dashes do not matter."""

    def __init__(self, *, required: bool = True, of: str = "") -> None:
        allowed = validate.Regexp(cards.NUMBER, error="Not a card's number.")
        says = f"{of}as printed: case, spaces and dashes do not matter"
        super().__init__(required=required, validate=allowed, metadata={"description": says})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return cards.plain(super()._deserialize(value, *args, **kwargs))


class EntryRequest(ActivityRequest):
    card_number = CardNumber()


class PaperConsentRequest(Schema):
    scene = Code(required=True)
    text_version = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, VERSION_MAX),
        metadata={"description": "of the text that was signed"},
    )


class RegistrationRequest(Schema):
    card_number = CardNumber()
    programme = Code(required=True)
    division = Code(required=True, metadata={"description": "code of the town they live in"})
    consents = fields.List(
        fields.Nested(PaperConsentRequest),
        required=True,
        validate=validate.Length(0, CONSENTS_MAX),
        metadata={"description": "signed on paper before the caller, who is the witness"},
    )

    @validates_schema
    def _once_each(self, body: dict[str, Any], **_: Any) -> None:
        if len({each["scene"] for each in body["consents"]}) < len(body["consents"]):
            raise ValidationError("A scene is named twice.", "consents")


class RegisteredResponse(Schema):
    holder_id = fields.UUID()
    programme = fields.String(attribute="programme_code")
    division = fields.String(attribute="division_code")
    joined_at = fields.AwareDateTime(format="iso")


class EnteredResponse(ActivityResponse):
    holder_id = fields.UUID()


@bp.route("/activities/<uuid:activity_id>")
class Entry(MethodView):
    @requires("operator", "volunteer", within=FOUND)
    @bp.arguments(EntryRequest)
    @bp.response(201, EnteredResponse)
    def put(self, body: dict[str, Any], activity_id: UUID) -> Any:
        """Enter what a resident with a card did. The desk makes the id: sending again is safe.

        The answer says what was earned or why not, for the resident who stands there.
        """
        who, number, keyring = actor(), body.pop("card_number"), services().keyring

        def whose(session: Session) -> UUID:
            """Anybody else's card is none that the caller knows."""
            found = cards.get_holder(session, keyring, number)
            if not reaches_holder(session, caller(), found):
                raise UnknownCard
            check_scene(session, caller(), body["scene"])
            return found

        holder_id = services().database.transact(whose)
        event = event_of(activity_id, holder_id, body, attested=False)
        return decided(services().entries.from_staff(event, actor=who))


@bp.route("/residents/<uuid:resident_id>")
class Resident(MethodView):
    @requires("operator", within=LISTED)
    @bp.arguments(RegistrationRequest)
    @bp.response(201, RegisteredResponse)
    def put(self, body: dict[str, Any], resident_id: UUID) -> Participant:
        """Register a resident with a card and consents on paper; sending again is safe."""
        now, who = datetime.now(UTC), actor()
        check_programme(caller(), body["programme"])
        check_division(caller(), body["division"])
        wanted = Registration(
            resident_id,
            body["card_number"],
            body["programme"],
            body["division"],
            {each["scene"]: each["text_version"] for each in body["consents"]},
            who.name,
        )
        keyring = services().keyring
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "resident.register",
                objects.registration(session, wanted),
                lambda: register(session, keyring, wanted, now=now),
                now=now,
            )
        )
