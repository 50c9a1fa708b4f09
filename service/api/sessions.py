"""Sessions: carrying one on, ending it, and seeing which there are."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.api.documentation import ProblemResponse
from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.signed_in import TokensResponse, tokens_answer
from service.api.wire import IdCursor
from service.auth import IN_PERSON, caller, own_holder_id, public, requires
from service.identity.errors import SessionEnded
from service.identity.logins.models import LoginSession
from service.identity.logins.refreshing import Refreshing, log_out, refresh
from service.identity.logins.sessions import end, events, live, record_event
from service.identity.staff.models import Staff
from service.identity.tokens import ROLES, Caller
from service.limits import limited
from service.services import services

TOKEN_CHARACTERS_MAX = 200

bp = Blueprint("sessions", __name__, url_prefix="/v1", description="登录状态 · Sessions")


class RefreshRequest(Schema):
    refresh_token = fields.String(required=True, validate=validate.Length(1, TOKEN_CHARACTERS_MAX))
    request_id = fields.UUID(
        required=True,
        metadata={"description": "made anew for each refresh; a retry of a lost answer repeats it"},
    )
    grant_id = fields.UUID(
        metadata={"description": "staff: go on with another of one's own grants"}
    )


class LogoutRequest(Schema):
    refresh_token = fields.String(required=True, validate=validate.Length(1, TOKEN_CHARACTERS_MAX))


class SessionResponse(Schema):
    id = fields.UUID()
    device_name = fields.String()
    method = fields.String(metadata={"description": "how it was signed in"})
    began_at = fields.AwareDateTime(format="iso")
    used_at = fields.AwareDateTime(format="iso", metadata={"description": "last refreshed"})
    ends_at = fields.AwareDateTime(format="iso", metadata={"description": "at the latest"})
    current = fields.Boolean(metadata={"description": "the one that asks"})


class SessionsResponse(Schema):
    sessions = fields.List(fields.Nested(SessionResponse))


class SecurityEventResponse(Schema):
    id = fields.UUID()
    happened_at = fields.AwareDateTime(format="iso")
    kind = fields.String(
        metadata={"description": "`login`, `logout`, `refresh_reused`, `sessions_revoked` and more"}
    )
    session_id = fields.UUID(allow_none=True)
    from_network = fields.String(
        metadata={"description": "the address without its last part; empty where unknown"}
    )


class SecurityEventsResponse(Schema):
    events = fields.List(fields.Nested(SecurityEventResponse))
    next_cursor = IdCursor(allow_none=True)


@bp.route("/auth/refresh")
class Refresh(MethodView):
    @limited("refresh")
    @public
    @bp.arguments(RefreshRequest)
    @bp.response(200, TokensResponse)
    @bp.alt_response(401, schema=ProblemResponse)
    @bp.alt_response(404, schema=ProblemResponse)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Use a refresh token, once, for a new access token and the next refresh token.

        The same request again answers the same refresh token, until that one is used. A used token
        in another request ends the session: somebody has a copy.
        """
        now, address = datetime.now(UTC), request.remote_addr or ""
        key = services().keyring.derived("refresh")
        wanted = Refreshing(body["request_id"], body["refresh_token"], body.get("grant_id"))
        done = services().database.transact(
            lambda session: refresh(session, key, wanted, from_address=address, now=now)
        )
        if isinstance(done, SessionEnded):  # What it ended is written by now.
            raise done
        return tokens_answer(done.caller, done.begun, now=now)


@bp.route("/auth/logout")
class Logout(MethodView):
    @public
    @bp.arguments(LogoutRequest)
    @bp.response(204)
    def post(self, body: dict[str, Any]) -> None:
        """End the session of a refresh token; an unknown token is answered alike."""
        now, address = datetime.now(UTC), request.remote_addr or ""
        services().database.transact(
            lambda session: log_out(session, body["refresh_token"], from_address=address, now=now)
        )


@bp.route("/me/sessions")
class Sessions(MethodView):
    @requires(*ROLES, acting=IN_PERSON)
    @bp.response(200, SessionsResponse)
    def get(self) -> dict[str, Any]:
        """Where I am signed in, the newest first."""
        now, found = datetime.now(UTC), caller()

        def listed(session: Session) -> dict[str, Any]:
            person_id = _person_id(session, found)
            rows = [] if person_id is None else live(session, person_id, now=now)
            return {"sessions": [_shown(row, found) for row in rows]}

        return services().database.transact(listed)

    @requires(*ROLES, acting=IN_PERSON)
    @bp.response(204)
    def delete(self) -> None:
        """Sign out everywhere but here; access tokens given out before end within 10 minutes."""
        _revoke(but=_session_id(caller()))


@bp.route("/me/sessions/<uuid:session_id>")
class OneSession(MethodView):
    @requires(*ROLES, acting=IN_PERSON)
    @bp.response(204)
    def delete(self, session_id: UUID) -> None:
        """Sign one device out; again, or an id that is none of mine, changes nothing."""
        _revoke(only=session_id)


@bp.route("/me/security-events")
class SecurityEvents(MethodView):
    @requires(*ROLES, acting=IN_PERSON)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, SecurityEventsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What happened to my logins, the newest first."""
        found, limit, before = caller(), query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            if (person_id := _person_id(session, found)) is None:
                return {"events": [], "next_cursor": None}
            rows = events(session, person_id, before=before, limit=limit + 1)
            more = len(rows) > limit
            return {
                "events": rows[:limit],
                "next_cursor": rows[limit - 1].id if more else None,
            }

        return services().database.transact(page)


def _revoke(*, only: UUID | None = None, but: UUID | None = None) -> None:
    now, found, address = datetime.now(UTC), caller(), request.remote_addr or ""

    def work(session: Session) -> None:
        if (person_id := _person_id(session, found)) is None:
            return
        if end(session, person_id, "revoked", now=now, only=only, but=but):
            kind = "sessions_revoked" if only is None else "session_revoked"
            record_event(session, person_id, kind, session_id=only, from_address=address, now=now)

    services().database.transact(work)


def _person_id(session: Session, found: Caller) -> UUID | None:
    """Whose sessions they are; None for staff who have no login here (a development token)."""
    if (holder_id := own_holder_id()) is not None:
        return holder_id
    return session.scalar(select(Staff.id).where(Staff.login == found.subject))


def _session_id(found: Caller) -> UUID | None:
    return UUID(found.session_id) if found.session_id else None


def _shown(row: LoginSession, found: Caller) -> dict[str, Any]:
    names = ("id", "device_name", "method", "began_at", "used_at", "ends_at")
    shown = {name: getattr(row, name) for name in names}
    return shown | {"current": str(row.id) == found.session_id}
