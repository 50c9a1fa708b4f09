"""Donation projects: what they are for, their goals, and how far residents have brought them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.programmes import get_programme
from rewards.models import DonationProject
from rewards.offers import projects
from service.admin.objects import acting_on
from service.api.conditional import conditional
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import AMOUNT_MAX, Code, IdCursor, Line, Words
from service.auth import actor, caller, public, requires
from service.authorisation import WHOLE_PROGRAMME, check_programme
from service.merchants import objects
from service.services import Services, services

PROGRESS_KEPT_S = 60  # Reading it adds up every donation.
bp = Blueprint(
    "donation_projects",
    __name__,
    url_prefix="/v1/donation-projects",
    description="公益项目 · Donation projects",
)
bp.after_request(conditional)


class ProjectsQuery(PageQuery):
    programme = Code(required=True, metadata={"description": "whose projects"})


class ProjectRequest(Schema):
    programme = Code(required=True, metadata={"description": "whose project it is, for good"})
    merchant_id = fields.UUID(required=True, metadata={"description": "who receives for it"})
    name_zh = Line(length_max=100, required=True, metadata={"example": "梭梭林"})
    name_en = Line(length_max=100, required=True, metadata={"example": "Saxaul grove"})
    text_zh = Words(length_max=2_000, required=True, metadata={"example": "在甘肃种梭梭。"})
    text_en = Words(length_max=2_000, required=True, metadata={"example": "Saxaul in Gansu."})
    goal_points = fields.Integer(required=True, strict=True, validate=validate.Range(1, AMOUNT_MAX))
    closed = fields.Boolean(load_default=False)


class ProjectResponse(Schema):
    id = fields.UUID()
    merchant_id = fields.UUID()
    name_zh = fields.String()
    name_en = fields.String()
    text_zh = fields.String()
    text_en = fields.String()
    goal_points = fields.Integer()
    given_points = fields.Integer(metadata={"description": "by residents, a minute ago at most"})
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)


class ProjectsResponse(Schema):
    projects = fields.List(fields.Nested(ProjectResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Projects(MethodView):
    @public
    @bp.arguments(ProjectsQuery, location="query")
    @bp.response(200, ProjectsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """A programme's projects with their progress, closed ones too; open to anybody."""
        parts, limit = services(), query["limit"]

        def page(session: Session) -> dict[str, Any]:
            own = get_programme(session, query["programme"]).holder_id
            after = query.get("cursor")
            rows = projects.listed(session, programme_holder_id=own, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            given = _given(parts, session, own)
            told = [_told(each, given) for each in shown]
            return {"projects": told, "next_cursor": next_cursor}

        return parts.database.transact(page)


@bp.route("/<uuid:project_id>")
class OneProject(MethodView):
    @requires("operator", within=WHOLE_PROGRAMME)
    @bp.arguments(ProjectRequest)
    @bp.response(200, ProjectResponse)
    def put(self, body: dict[str, Any], project_id: UUID) -> dict[str, Any]:
        """Open a project, change its texts, close it or open it again.

        The client makes the id; name, merchant and goal stay.
        """
        who, now, parts = actor(), datetime.now(UTC), services()
        code, closed = body.pop("programme"), body.pop("closed")
        check_programme(caller(), code)

        def work(session: Session) -> dict[str, Any]:
            own = get_programme(session, code).holder_id
            new = projects.NewProject(id=project_id, programme_holder_id=own, **body)
            project = acting_on(
                session,
                who,
                "donation_project.put",
                objects.project(session, project_id, code),
                lambda: projects.put(session, new, closed=closed, made_by=who.name, now=now),
                now=now,
            )
            return _told(project, _given(parts, session, own))

        return parts.database.transact(work)


def _given(parts: Services, session: Session, programme_holder_id: UUID) -> dict[str, int]:
    """By project's id, the points given."""

    def read() -> dict[str, int]:
        found = projects.progress(session, programme_holder_id)
        return {str(project_id): points for project_id, points in found.items()}

    return parts.cache.remembered(f"donations:{programme_holder_id}", PROGRESS_KEPT_S, read)


def _told(project: DonationProject, given: dict[str, int]) -> dict[str, Any]:
    names = ("id", "merchant_id", "name_zh", "name_en", "text_zh", "text_en", "goal_points")
    return {name: getattr(project, name) for name in names} | {
        "given_points": given.get(str(project.id), 0),
        "closed_at": project.closed_at,
    }
