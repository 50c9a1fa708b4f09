"""A merchant's clerks, by its managers."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.staff_members import MemberRequest
from service.api.wire import IdCursor
from service.auth import actor, requires
from service.authorisation import MERCHANT
from service.identity.staff.members import Invited, NewMember, enrolled
from service.identity.staff.models import Staff, StaffGrant
from service.merchants import clerks
from service.services import services

bp = Blueprint(
    "merchant_staff",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/staff",
    description="商户人员 · A merchant's clerks",
)


class WorkResponse(Schema):
    role = fields.String()
    granted_at = fields.AwareDateTime(format="iso")
    granted_by = fields.String()
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    ended_by = fields.String(allow_none=True)


class ClerkResponse(Schema):
    id = fields.UUID()
    login = fields.String()
    display_name = fields.String()
    enrolled = fields.Boolean(metadata={"description": "password and authenticator are set"})
    invitation_ends_at = fields.AwareDateTime(format="iso", allow_none=True)
    blocked_at = fields.AwareDateTime(format="iso", allow_none=True)
    work = fields.List(
        fields.Nested(WorkResponse),
        metadata={"description": "at this merchant; what has ended too"},
    )


class InvitedClerkResponse(ClerkResponse):
    invitation = fields.String(
        allow_none=True,
        metadata={"description": "to hand over safely; null: told more than ten minutes ago"},
    )


class ClerksResponse(Schema):
    staff = fields.List(fields.Nested(ClerkResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Clerks(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, ClerksResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """Who works or worked at the merchant."""
        limit, after = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = clerks.listed(session, merchant_id, after=after, limit=limit + 1)
            shown, next_cursor = cut(rows, limit)
            held = clerks.grants_of(session, merchant_id, shown)
            told = [_told(each, held[each.id]) for each in shown]
            return {"staff": told, "next_cursor": next_cursor}

        return services().database.transact(page)


@bp.route("/<uuid:member_id>")
class OneClerk(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.arguments(MemberRequest)
    @bp.response(200, InvitedClerkResponse)
    def put(self, body: dict[str, str], merchant_id: UUID, member_id: UUID) -> dict[str, Any]:
        """Invite a clerk, and get the invitation to hand over; or let a former one in again.

        The client makes the id. The same again within ten minutes tells the invitation again.
        """
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        new = NewMember(member_id, **body)

        def work(session: Session) -> dict[str, Any]:
            done = clerks.add(session, keyring, merchant_id, new, actor=who, now=now)
            return _invited(session, merchant_id, done)

        return services().database.transact(work)

    @requires("merchant_manager", within=MERCHANT)
    @bp.response(200, ClerkResponse)
    def delete(self, merchant_id: UUID, member_id: UUID) -> dict[str, Any]:
        """End a clerk's work here, and the sessions begun for it."""
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            staff = clerks.end(session, merchant_id, member_id, actor=who, now=now)
            return _one(session, merchant_id, staff)

        return services().database.transact(work)


@bp.route("/<uuid:member_id>/reset/<uuid:reset_id>")
class ClerkReset(MethodView):
    @requires("merchant_manager", within=MERCHANT)
    @bp.response(200, InvitedClerkResponse)
    def put(self, merchant_id: UUID, member_id: UUID, reset_id: UUID) -> dict[str, Any]:
        """Take a clerk's password, authenticator and sessions, and invite anew.

        The client makes the reset's id: the same again changes nothing.
        """
        who, now, keyring = actor(), datetime.now(UTC), services().keyring

        def work(session: Session) -> dict[str, Any]:
            done = clerks.reset(
                session, keyring, merchant_id, member_id, reset_id, actor=who, now=now
            )
            return _invited(session, merchant_id, done)

        return services().database.transact(work)


def _invited(session: Session, merchant_id: UUID, done: Invited) -> dict[str, Any]:
    return _one(session, merchant_id, done.staff) | {"invitation": done.invitation}


def _one(session: Session, merchant_id: UUID, staff: Staff) -> dict[str, Any]:
    return _told(staff, clerks.grants_of(session, merchant_id, [staff])[staff.id])


def _told(staff: Staff, held: Any) -> dict[str, Any]:
    names = ("id", "login", "display_name", "invitation_ends_at", "blocked_at")
    return {name: getattr(staff, name) for name in names} | {
        "enrolled": enrolled(staff),
        "work": [_work(each) for each in held],
    }


def _work(grant: StaffGrant) -> dict[str, Any]:
    names = ("role", "granted_at", "granted_by", "ended_at", "ended_by")
    return {name: getattr(grant, name) for name in names}
