"""A resident's household: what the baseline of its electricity depends on, and nothing more."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from activities.households import Declared, declare, history
from service.api.consents import RESIDENT, Flag
from service.api.resources import Blueprint
from service.auth import acting_name, caller_holder_id, requires
from service.services import services

bp = Blueprint("household", __name__, url_prefix="/v1/household", description="家庭 · Household")


class HouseholdRequest(Schema):
    valid_from = fields.Date(
        required=True,
        metadata={"description": "from this day on; at most 31 days back or ahead"},
    )
    persons = fields.Integer(
        required=True,
        strict=True,
        metadata={"description": "who live there", "minimum": 1, "maximum": 20},
    )
    moved_in_on = fields.Date(
        required=True, metadata={"description": "readings before are somebody else's"}
    )
    solar = Flag(required=True, metadata={"description": "whether it has solar panels of its own"})
    tier = fields.Integer(
        required=True,
        strict=True,
        metadata={
            "description": "of the electricity tariff, as on the bill",
            "minimum": 1,
            "maximum": 3,
        },
    )


class HouseholdResponse(Schema):
    valid_from = fields.Date()
    persons = fields.Integer()
    moved_in_on = fields.Date()
    solar = fields.Boolean()
    tier = fields.Integer(metadata={"description": "of the electricity tariff; 3 is the top"})
    recorded_at = fields.AwareDateTime(format="iso")


class HouseholdsResponse(Schema):
    households = fields.List(fields.Nested(HouseholdResponse))


@bp.route("")
class OwnHousehold(MethodView):
    @requires("resident", acting="read")
    @bp.response(200, HouseholdsResponse)
    def get(self) -> dict[str, Any]:
        """What I declared, the latest first; of those that have begun the latest counts."""
        holder_id = caller_holder_id()
        found = services().database.transact(lambda session: history(session, holder_id))
        return {"households": found}

    @requires("resident")
    @bp.arguments(HouseholdRequest)
    @bp.response(200, HouseholdResponse)
    def put(self, body: dict[str, Any]) -> Any:
        """Declare my household from a day on. Sending it again changes nothing; a change is a new
        declaration as of another day.
        """
        now, holder_id = datetime.now(UTC), caller_holder_id()
        declared, who = Declared(**body), acting_name() or RESIDENT
        return services().database.transact(
            lambda session: declare(session, holder_id, declared, now=now, actor=who)
        )
