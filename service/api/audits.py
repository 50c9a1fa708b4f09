"""Audits: asking for one, and how it goes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.admin.objects import acting_on
from service.api.documentation import ProblemResponse
from service.api.examples import EXAMPLE_ID
from service.api.resources import Blueprint
from service.api.wire import Cursor
from service.audits import requests, running
from service.audits.models import AuditRun
from service.auth import actor, requires
from service.authorisation import EVERYWHERE
from service.services import services

bp = Blueprint("audits", __name__, url_prefix="/v1/audits", description="核对 · Audits")
_PLACE = ("at", "id")


class AuditsQuery(Schema):
    cursor = Cursor(_PLACE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class AuditDriftResponse(Schema):
    what = fields.String(
        attribute="check", metadata={"description": "the check", "example": "balance"}
    )
    subject = fields.String(
        metadata={"description": "about what, mostly an id", "example": EXAMPLE_ID}
    )
    expected = fields.String(metadata={"description": "as it recomputes", "example": "100"})
    found = fields.String(metadata={"description": "as it stands", "example": "107"})


class AuditAccountResponse(Schema):
    programme = fields.String()
    unit = fields.String()
    kind = fields.String(
        metadata={"description": "of the programme's own account", "example": "issued"}
    )
    balance = fields.Integer(metadata={"description": "in the unit, as recomputed"})


class AuditResponse(Schema):
    id = fields.UUID()
    state = fields.String(
        metadata={
            "description": "waiting, running; clean or drift at its end; or failed: `error` says",
            "example": "running",
        }
    )
    requested_by = fields.String(metadata={"example": "he.jing"})
    requested_at = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso", allow_none=True)
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    step = fields.String(
        allow_none=True,
        metadata={"description": "the check that runs, as drifts name it", "example": "balance"},
    )
    step_number = fields.Integer(
        allow_none=True, metadata={"description": "its place among the steps, from 1"}
    )
    steps = fields.Integer(metadata={"description": "how many checks there are"})
    done = fields.Integer(metadata={"description": "of the step, of total"})
    total = fields.Integer()
    drifts_found = fields.Integer(
        allow_none=True, metadata={"description": "null until it has ended"}
    )
    error = fields.String(allow_none=True, metadata={"example": "OperationalError: out of memory"})


class OneAuditResponse(AuditResponse):
    drifts = fields.List(
        fields.Nested(AuditDriftResponse),
        metadata={"description": "the first 1,000; `tanhui audit` prints all"},
    )
    system_accounts = fields.List(fields.Nested(AuditAccountResponse))


class AuditsResponse(Schema):
    audits = fields.List(fields.Nested(AuditResponse))
    next_cursor = Cursor(_PLACE, allow_none=True)


@bp.route("")
class Audits(MethodView):
    @requires("auditor", "operator", within=EVERYWHERE)
    @bp.arguments(AuditsQuery, location="query")
    @bp.response(200, AuditsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """The audits that were asked for, the last first."""
        limit, before = query["limit"], query.get("cursor")

        def page(session: Session) -> dict[str, Any]:
            rows = requests.listed(session, before=before, limit=limit + 1)
            more = rows[limit - 1] if len(rows) > limit else None
            return {
                "audits": [_told(run) for run in rows[:limit]],
                "next_cursor": (more.requested_at, more.id) if more else None,
            }

        return services().database.transact(page)


@bp.route("/<uuid:audit_id>")
class OneAudit(MethodView):
    @requires("auditor", "operator", within=EVERYWHERE)
    @bp.response(200, OneAuditResponse)
    def get(self, audit_id: UUID) -> dict[str, Any]:
        """How one audit goes, or what it found."""
        return services().database.transact(
            lambda session: _told(requests.get_run(session, audit_id))
        )

    @requires("auditor", "operator", within=EVERYWHERE)
    @bp.response(200, OneAuditResponse)
    @bp.alt_response(409, schema=ProblemResponse)
    def put(self, audit_id: UUID) -> dict[str, Any]:
        """Ask for an audit of everything, as `tanhui audit` does it; it begins within seconds.

        The client makes the id: the same again changes nothing. While one runs, this one waits for
        it; where one waits already, the refusal names it.
        """
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> dict[str, Any]:
            run = acting_on(
                session,
                who,
                "audit.request",
                requests.about(session, audit_id),
                lambda: requests.ask(session, audit_id, requested_by=who.name, now=now),
                now=now,
            )
            return _told(run)

        return services().database.transact(work)


def _told(run: AuditRun) -> dict[str, Any]:
    names = ("id", "state", "requested_by", "requested_at", "started_at", "ended_at", "step")
    totals = run.totals or {}
    number = running.STEPS.index(run.step) + 1 if run.step in running.STEPS else None
    return {name: getattr(run, name) for name in (*names, "done", "total", "error")} | {
        "step_number": number,
        "steps": len(running.STEPS),
        "drifts": run.drifts or [],
        "drifts_found": totals.get("drifts"),
        "system_accounts": totals.get("system_accounts", []),
    }
