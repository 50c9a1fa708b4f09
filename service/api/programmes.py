"""What a programme owes its residents."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from activities.programmes import get_programme
from ledgers.folding import liability
from service.api.resources import Blueprint
from service.auth import requires
from service.authorisation import PROGRAMME
from service.services import services

bp = Blueprint("programmes", __name__, url_prefix="/v1/programmes", description="项目 · Programmes")


class LiabilityRow(Schema):
    month = fields.Date(
        format="%Y-%m",
        allow_none=True,
        metadata={
            "format": "year-month",
            "pattern": "^[0-9]{4}-[0-9]{2}$",
            "example": "2027-12",
            "description": "in which the points end; null: they do not",
        },
    )
    issued_points = fields.Integer()
    spent_points = fields.Integer()
    expired_points = fields.Integer()
    outstanding_points = fields.Integer(
        metadata={"description": "what residents still hold; where month is null, less their debts"}
    )


class LiabilityResponse(Schema):
    months = fields.List(fields.Nested(LiabilityRow))
    outstanding_points = fields.Integer()


@bp.route("/<string:code>/liability")
class ProgrammeLiability(MethodView):
    @requires("operator", "auditor", within=PROGRAMME)
    @bp.response(200, LiabilityResponse)
    def get(self, code: str) -> dict[str, Any]:
        """A programme's points liability by month of expiry, exact now."""
        months = services().database.transact(
            lambda session: liability(session, get_programme(session, code).holder_id)
        )
        return {"months": months, "outstanding_points": sum(m.outstanding_points for m in months)}
