"""Background work, for the operator: how the jobs stand, and their runs."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from service.api.paging import PageQuery
from service.api.resources import Blueprint
from service.api.wire import IdCursor
from service.auth import requires
from service.authorisation import EVERYWHERE
from service.jobs.listing import Overview, Standing, overview, page_of_runs
from service.jobs.schedule import SCHEDULE, named
from service.language import chosen
from service.services import services

bp = Blueprint("jobs", __name__, url_prefix="/v1/jobs", description="后台任务 · Background work")


def _counts(attribute: str | None = None) -> fields.Dict:
    return fields.Dict(
        attribute=attribute,
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "what it did, by name; all zero: there was nothing to do"},
    )


class LeaseResponse(Schema):
    runner = fields.String(metadata={"description": "host, process id and a random part"})
    acquired_at = fields.AwareDateTime(format="iso")
    expires_at = fields.AwareDateTime(format="iso")


class LastRunResponse(Schema):
    started_at = fields.AwareDateTime(format="iso", attribute="last_started_at")
    ended_at = fields.AwareDateTime(format="iso", attribute="last_ended_at")
    outcome = fields.String(
        attribute="last_outcome", metadata={"description": "done, failed or abandoned"}
    )
    counts = _counts("last_counts")
    error = fields.String(allow_none=True, attribute="last_error")


class JobResponse(Schema):
    name = fields.String()
    title = fields.String()
    trigger = fields.String(metadata={"description": "in words"})
    zone = fields.String(metadata={"description": "of the trigger's time of day"})
    grace_s = fields.Integer(
        metadata={"description": "a run missed for longer waits for its next time"}
    )
    timeout_s = fields.Integer()
    next_run_at = fields.AwareDateTime(
        format="iso", metadata={"description": "the present instant where it is due"}
    )
    running_since = fields.AwareDateTime(format="iso", allow_none=True)
    last = fields.Nested(LastRunResponse, allow_none=True)


class JobsResponse(Schema):
    lease = fields.Nested(
        LeaseResponse, allow_none=True, metadata={"description": "null: no runner works"}
    )
    jobs = fields.List(fields.Nested(JobResponse))


class JobRunResponse(Schema):
    id = fields.UUID()
    runner = fields.String()
    by_hand = fields.Boolean(metadata={"description": "by `tanhui jobs once`"})
    started_at = fields.AwareDateTime(format="iso")
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    outcome = fields.String(metadata={"description": "running, done, failed or abandoned"})
    counts = _counts()
    error = fields.String(allow_none=True)


class JobRunsResponse(Schema):
    runs = fields.List(fields.Nested(JobRunResponse))
    next_cursor = IdCursor(allow_none=True, attribute="next_before")


@bp.route("")
class Jobs(MethodView):
    @requires("operator", within=EVERYWHERE)
    @bp.response(200, JobsResponse)
    def get(self) -> dict[str, Any]:
        """How each job stands, and which runner works."""
        now = datetime.now(UTC)
        return _told(services().database.transact(lambda s: overview(s, SCHEDULE, now=now)))


@bp.route("/<string:job_name>/runs")
class JobRuns(MethodView):
    @requires("operator", within=EVERYWHERE)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, JobRunsResponse)
    def get(self, query: dict[str, Any], job_name: str) -> Any:
        """Runs of a job, newest first; those that found nothing to do are not kept."""
        job = named(job_name)
        return services().database.transact(
            lambda s: page_of_runs(s, job, before=query.get("cursor"), limit=query["limit"])
        )


def _told(found: Overview) -> dict[str, Any]:
    return {"lease": found.lease, "jobs": [_job(standing) for standing in found.standings]}


def _job(standing: Standing) -> dict[str, Any]:
    job = standing.job
    return {
        "name": job.name,
        "title": chosen(job.title),
        "trigger": chosen(job.when.words),
        "zone": job.zone,
        "grace_s": job.grace_s,
        "timeout_s": job.timeout_s,
        "next_run_at": standing.next_run_at,
        "running_since": standing.running_since,
        "last": standing.state,
    }
