"""Programmes' budgets for what offers cost."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from rewards.offers import budgets
from service.admin.objects import acting_on
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import AMOUNT_MAX, Code, IdCursor, Line
from service.auth import actor, caller, requires
from service.authorisation import WHOLE_PROGRAMME, check_programme, only_programme_holder
from service.merchants import objects
from service.merchants.programmes import codes_of
from service.services import services

bp = Blueprint("budgets", __name__, url_prefix="/v1/budgets", description="预算 · Budgets")


class BudgetRequest(Schema):
    programme = Code(required=True, metadata={"description": "whose budget it is, for good"})
    name = Line(length_max=100, required=True, metadata={"example": "2026 年四季度"})
    valid_from = fields.Date(
        required=True, metadata={"description": "for good", "example": "2026-10-01"}
    )
    valid_to = fields.Date(
        required=True, metadata={"description": "exclusive", "example": "2027-01-01"}
    )
    total_fen = fields.Integer(required=True, strict=True, validate=validate.Range(0, AMOUNT_MAX))


class BudgetResponse(Schema):
    id = fields.UUID()
    programme = fields.String()
    name = fields.String()
    valid_from = fields.Date()
    valid_to = fields.Date(metadata={"description": "exclusive"})
    total_fen = fields.Integer()
    drawn_fen = fields.Integer(
        metadata={"description": "what offers have reserved of it, and what redemptions cost"}
    )
    reserved_fen = fields.Integer()
    spent_fen = fields.Integer()
    left_fen = fields.Integer()
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()


class BudgetsResponse(Schema):
    budgets = fields.List(fields.Nested(BudgetResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Budgets(MethodView):
    @requires("operator", "auditor", within=WHOLE_PROGRAMME)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, BudgetsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The budgets of one's programme, and how they stand; those that are over too."""
        who, limit, after = caller(), query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            own = only_programme_holder(session, who)
            rows = budgets.listed(session, programme_holder_id=own, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            return {"budgets": _told(session, shown), "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/<uuid:budget_id>")
class OneBudget(MethodView):
    @requires("operator", within=WHOLE_PROGRAMME)
    @bp.arguments(BudgetRequest)
    @bp.response(200, BudgetResponse)
    def put(self, body: dict[str, Any], budget_id: UUID) -> dict[str, Any]:
        """Make a budget; or raise it, lower it to what is drawn at the least, rename, prolong it.

        The client makes the id: the same again changes nothing.
        """
        who, now, code = actor(), datetime.now(UTC), body.pop("programme")
        check_programme(caller(), code)

        def work(session: Session) -> dict[str, Any]:
            new = budgets.NewBudget(budget_id, get_programme(session, code).holder_id, **body)
            budget = acting_on(
                session,
                who,
                "budget.put",
                objects.budget(session, budget_id, code),
                lambda: budgets.put(session, new, made_by=who.name, now=now),
                now=now,
            )
            return _told(session, [budget])[0]

        return services().database.transact(work)


def _told(session: Session, found: Any) -> list[dict[str, Any]]:
    codes = codes_of(session, {each.programme_holder_id for each in found})
    names = ("id", "name", "valid_from", "valid_to", "total_fen", "drawn_fen", "made_at", "made_by")
    return [
        {name: getattr(each.budget, name) for name in names}
        | {
            "programme": codes[each.budget.programme_holder_id],
            "reserved_fen": each.reserved_fen,
            "spent_fen": each.spent_fen,
            "left_fen": each.left_fen,
        }
        for each in budgets.drawn(session, found)
    ]
