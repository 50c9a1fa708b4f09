"""Administrators: who is of the staff, and who may do what."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.admin.log import Actor
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.wire import Code, IdCursor, Line
from service.auth import actor, requires
from service.authorisation import LISTED
from service.identity.staff import grants, members
from service.identity.staff.models import Staff, StaffGrant
from service.identity.tokens import STAFF_ROLES
from service.services import services

bp = Blueprint(
    "staff_members", __name__, url_prefix="/v1/members", description="工作人员 · Staff and grants"
)


class MemberRequest(Schema):
    login = fields.String(
        required=True,
        validate=validate.Regexp(
            rf"^{members.LOGIN.pattern}\Z",
            error="Not 3 to 64 of a-z, 0-9, dot, hyphen, underscore and @.",
        ),
        metadata={"description": "never changed, and nobody else's ever", "example": "li.na"},
    )
    display_name = Line(length_max=100, required=True, metadata={"example": "李娜"})


class NewGrantRequest(Schema):
    role = fields.String(required=True, validate=validate.OneOf(STAFF_ROLES))
    programme = Code(required=True, metadata={"description": "its code, or `*` for every one"})
    scope = fields.String(
        load_default="",
        validate=validate.Regexp(
            r"^[\x21-\x7e]{0,64}\Z", error="Not 1 to 64 letters, digits or signs without a blank."
        ),
        metadata={
            "description": "of a merchant's clerk the merchant's id, of a partner its code; of"
            " others a division's code; empty: the whole programme"
        },
    )


class HeldGrantResponse(Schema):
    id = fields.UUID()
    role = fields.String()
    programme = fields.String()
    scope = fields.String()
    granted_at = fields.AwareDateTime(format="iso")
    granted_by = fields.String()
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    ended_by = fields.String(allow_none=True)


class MemberResponse(Schema):
    id = fields.UUID()
    login = fields.String()
    display_name = fields.String()
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()
    enrolled = fields.Boolean(metadata={"description": "password and authenticator are set"})
    invitation_ends_at = fields.AwareDateTime(format="iso", allow_none=True)
    blocked_at = fields.AwareDateTime(format="iso", allow_none=True)
    grants = fields.List(
        fields.Nested(HeldGrantResponse),
        metadata={"description": "those within one's reach, ended ones too"},
    )


class InvitedResponse(MemberResponse):
    invitation = fields.String(
        allow_none=True,
        metadata={"description": "to hand over safely; null: told more than ten minutes ago"},
    )


class MembersResponse(Schema):
    members = fields.List(fields.Nested(MemberResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("")
class Members(MethodView):
    @requires("administrator", within=LISTED)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, MembersResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Who is of the staff: all, or those with a grant in one's programme."""
        who, limit, after = actor(), query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = members.listed(session, who, after=after, limit=limit + 1)
            shown = rows[:limit]
            held = members.grants_of(session, who, shown)
            more = len(rows) > limit
            return {
                "members": [_told(each, held[each.id]) for each in shown],
                "next_cursor": shown[-1].id if more else None,
            }

        return services().database.transact(page)


@bp.route("/<uuid:member_id>")
class OneMember(MethodView):
    @requires("administrator", within=LISTED)
    @bp.response(200, MemberResponse)
    def get(self, member_id: UUID) -> dict[str, Any]:
        """One of the staff, with grants."""
        who = actor()
        return services().database.transact(
            lambda session: _one(session, who, members.get_member(session, who, member_id))
        )

    @requires("administrator", within=LISTED)
    @bp.arguments(MemberRequest)
    @bp.response(200, InvitedResponse)
    def put(self, body: dict[str, str], member_id: UUID) -> dict[str, Any]:
        """Add somebody, and get the invitation to hand over; or rename.

        The client makes the id. The same again within ten minutes tells the invitation again.
        """
        who, now, keyring = actor(), datetime.now(UTC), services().keyring
        new = members.NewMember(member_id, **body)

        def work(session: Session) -> dict[str, Any]:
            return _invited(session, who, members.add(session, keyring, new, actor=who, now=now))

        return services().database.transact(work)


@bp.route("/<uuid:member_id>/reset/<uuid:reset_id>")
class Reset(MethodView):
    @requires("administrator", within=LISTED)
    @bp.response(200, InvitedResponse)
    def put(self, member_id: UUID, reset_id: UUID) -> dict[str, Any]:
        """Take password, authenticator and sessions, and invite anew.

        The client makes the reset's id: the same again changes nothing, and within ten minutes
        tells the invitation again.
        """
        who, now, keyring = actor(), datetime.now(UTC), services().keyring

        def work(session: Session) -> dict[str, Any]:
            done = members.reset(session, keyring, member_id, reset_id, actor=who, now=now)
            return _invited(session, who, done)

        return services().database.transact(work)


@bp.route("/<uuid:member_id>/block")
class Block(MethodView):
    @requires("administrator", within=LISTED)
    @bp.response(200, MemberResponse)
    def put(self, member_id: UUID) -> dict[str, Any]:
        """Let somebody in no more; their sessions end."""
        who, now = actor(), datetime.now(UTC)
        return services().database.transact(
            lambda s: _one(s, who, members.block(s, member_id, actor=who, now=now))
        )

    @requires("administrator", within=LISTED)
    @bp.response(200, MemberResponse)
    def delete(self, member_id: UUID) -> dict[str, Any]:
        """Let somebody in again."""
        who, now = actor(), datetime.now(UTC)
        return services().database.transact(
            lambda s: _one(s, who, members.unblock(s, member_id, actor=who, now=now))
        )


@bp.route("/<uuid:member_id>/grants/<uuid:grant_id>")
class Grant(MethodView):
    @requires("administrator", within=LISTED)
    @bp.arguments(NewGrantRequest)
    @bp.response(200, HeldGrantResponse)
    def put(self, body: dict[str, str], member_id: UUID, grant_id: UUID) -> dict[str, Any]:
        """Give a role. The client makes the grant's id: the same again changes nothing."""
        who, now = actor(), datetime.now(UTC)
        new = grants.NewGrant(grant_id, member_id, body["role"], body["programme"], body["scope"])
        return services().database.transact(
            lambda session: _grant_told(grants.give(session, new, actor=who, now=now))
        )

    @requires("administrator", within=LISTED)
    @bp.response(200, HeldGrantResponse)
    def delete(self, member_id: UUID, grant_id: UUID) -> dict[str, Any]:
        """End a grant and the sessions begun with it. Ended before, it stays as it was."""
        who, now = actor(), datetime.now(UTC)
        return services().database.transact(
            lambda s: _grant_told(grants.end(s, member_id, grant_id, actor=who, now=now))
        )


def _one(session: Session, who: Actor, staff: Staff) -> dict[str, Any]:
    return _told(staff, members.grants_of(session, who, [staff])[staff.id])


def _invited(session: Session, who: Actor, done: members.Invited) -> dict[str, Any]:
    return _one(session, who, done.staff) | {"invitation": done.invitation}


def _told(staff: Staff, held: Any) -> dict[str, Any]:
    names = ("id", "login", "display_name", "made_at", "made_by", "invitation_ends_at")
    return {name: getattr(staff, name) for name in names} | {
        "blocked_at": staff.blocked_at,
        "enrolled": members.enrolled(staff),
        "grants": [_grant_told(each) for each in held],
    }


def _grant_told(grant: StaffGrant) -> dict[str, Any]:
    names = ("id", "role", "scope", "granted_at", "granted_by", "ended_at", "ended_by")
    return {name: getattr(grant, name) for name in names} | {"programme": grant.programme_code}
