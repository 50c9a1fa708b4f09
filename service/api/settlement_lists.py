"""Settlements of all merchants of a programme, for who pays them."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.settling.settlements import STATES, listed_by_programme
from service.api.resources import Blueprint
from service.api.settlements import SettlementResponse
from service.auth import caller, requires
from service.authorisation import LISTED, only_programme_holder
from service.services import services

bp = Blueprint(
    "settlement_lists",
    __name__,
    url_prefix="/v1/settlements",
    description="结算一览 · Settlements of all merchants",
)
ROWS_MAX = 200


class AllSettlementsQuery(Schema):
    state = fields.String(validate=validate.OneOf(STATES))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, ROWS_MAX))


class AllSettlementsResponse(Schema):
    settlements = fields.List(fields.Nested(SettlementResponse))


@bp.route("")
class AllSettlements(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(AllSettlementsQuery, location="query")
    @bp.response(200, AllSettlementsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Of all merchants of one's programme, the latest period first; 200 at most."""
        who = caller()

        def look(session: Session) -> dict[str, Any]:
            own = only_programme_holder(session, who)
            found = listed_by_programme(
                session, own, state=query.get("state"), limit=query["limit"]
            )
            return {"settlements": found}

        return services().database.transact(look)
