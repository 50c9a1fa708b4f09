"""Feeds: partners' signed batches and totals, and what differs between their count and ours."""

import re
from datetime import UTC, date, datetime
from typing import Any

from flask import Response, abort, request
from flask.views import MethodView
from marshmallow import Schema, fields, validate

from activities.explanations import explain
from activities.models import FeedTotal
from service.api.documentation import ProblemResponse
from service.api.resources import Blueprint
from service.api.wire import AMOUNT_MAX, Cursor
from service.auth import signed_by_partner
from service.authorisation import SCENE
from service.feeds import answers
from service.feeds.batches import VERSION_MAX, Receipt, Sent, get_feed, receive
from service.feeds.bodies import BODY_MAX_BYTES, FIRST, LAST, lines_of, unpacked
from service.feeds.errors import EncodingUnknown, InvalidBatchId
from service.feeds.reconciliation import (
    PAGE_MAX,
    Ours,
    Place,
    Reconciliation,
    reconcile,
    say_totals,
)
from service.language import language
from service.services import services

bp = Blueprint(
    "feeds", __name__, url_prefix="/v1/feeds", description="数据方 · Partners' signed batches"
)
_BATCH_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EVENTS = {
    "schema": {"type": "string"},
    "example": '{"event_id":"r-1","subject":"u-1","started_at":"2026-11-20T08:00:00+08:00",'
    '"ended_at":"2026-11-20T08:10:00+08:00","quantity":1}\n',
}
_ANSWERS = {
    "schema": {  # Of a line.
        "type": "object",
        "properties": {
            "line": {"type": "integer", "minimum": 1},
            "event_id": {"type": "string"},
            "activity_id": {"type": ["string", "null"], "format": "uuid"},
            "decision": {"type": "string", "description": "verified, held or rejected"},
            "code": {"type": "string", "description": "machine code of the decision"},
            "reason": {"type": "string", "description": "the sentence, by Accept-Language"},
            "saved_mg_co2e": {"type": "integer"},
            "points": {"type": "integer"},
            "trimmed_points": {"type": "integer", "description": "withheld by a cap"},
            "duplicate_of": {"type": "string", "format": "uuid"},
            "error": {"type": "string", "description": "why the line is no event; then no more"},
        },
    },
    "example": {
        "line": 1,
        "event_id": "r-1",
        "activity_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "decision": "verified",
        "code": "verified",
        "reason": "已核证",
        "saved_mg_co2e": 52_000,
        "points": 52,
        "trimmed_points": 0,
    },
}


_AMONG = ("at", "id", "number")


class BatchQuery(Schema):
    version = fields.Integer(
        load_default=1,
        validate=validate.Range(1, VERSION_MAX),
        metadata={"description": "a later one books only the difference"},
    )


class TotalsRequest(Schema):
    events = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, AMOUNT_MAX),
        metadata={"description": "how many events the day had"},
    )
    quantity = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, AMOUNT_MAX),
        metadata={"description": "their sum, in the behaviour's base unit"},
    )


class TotalsResponse(Schema):
    events = fields.Integer()
    quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    received_at = fields.AwareDateTime(format="iso")


class OursResponse(Schema):
    events = fields.Integer(metadata={"description": "all that we have, however decided"})
    verified = fields.Integer()
    held = fields.Integer(metadata={"description": "waiting for a person"})
    rejected = fields.Integer()
    by_code = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        metadata={"description": "events that are not verified, by the code that says why"},
    )
    quantity = fields.Integer(metadata={"description": "of all, in the behaviour's base unit"})
    verified_quantity = fields.Integer(metadata={"description": "in the behaviour's base unit"})
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()
    unreadable = fields.Integer(
        metadata={"description": "lines that are no events, of the batches with events of the day"}
    )


class DifferingResponse(Schema):
    event_id = fields.String()
    activity_id = fields.UUID(allow_none=True)
    batch_id = fields.String(metadata={"description": "or the file and line it came from"})
    decision = fields.String(metadata={"description": "held or rejected"})
    code = fields.String()
    reason = fields.Function(
        lambda each: explain(
            each.code, quantity=each.quantity, duration_s=each.duration_s, trimmed_points=0
        )[language()],
        metadata={"type": "string", "description": "the sentence, by Accept-Language"},
    )


class ReconciliationQuery(Schema):
    day = fields.Date(
        required=True,
        validate=validate.Range(FIRST.date(), LAST.date()),
        metadata={"description": "in the programme's zone"},
    )
    cursor = Cursor(_AMONG, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX))


class ReconciliationResponse(Schema):
    scene = fields.String()
    day = fields.Date()
    partner = fields.Nested(
        TotalsResponse, allow_none=True, metadata={"description": "null: nothing was said yet"}
    )
    ours = fields.Nested(
        OursResponse, allow_none=True, metadata={"description": "null but on the first page"}
    )
    differing = fields.List(fields.Nested(DifferingResponse))
    next_cursor = Cursor(_AMONG, allow_none=True)


@bp.route("/<string:scene_code>/batches/<string:batch_id>")
class OneBatch(MethodView):
    @signed_by_partner(scope="events", body_max_bytes=BODY_MAX_BYTES)
    @bp.arguments(BatchQuery, location="query")
    @bp.doc(
        requestBody={
            "description": "NDJSON, an event a line, up to 10,000 and 5 MiB; gzip is accepted",
            "required": True,
            "content": {answers.CONTENT_TYPE: _EVENTS},
        },
        responses={
            "200": {
                "description": "NDJSON, an answer a line, in order; sums in headers Tanhui-…",
                "content": {answers.CONTENT_TYPE: _ANSWERS},
            }
        },
    )
    @bp.alt_response(409, schema=ProblemResponse)
    def post(self, query: dict[str, Any], scene_code: str, batch_id: str) -> Response:
        """Send a batch of events. The same again is answered the same and books nothing."""
        if not _BATCH_ID.fullmatch(batch_id):
            raise InvalidBatchId
        body = _unpacked_body()
        sent = Sent(batch_id, query["version"], body, lines_of(body), datetime.now(UTC))
        keyring = services().keyring

        def work(session: Any) -> Receipt:
            return receive(session, get_feed(session, keyring, scene_code), sent)

        receipt = services().database.transact(work)
        answer = Response(answers.body_of(receipt, language()), content_type=answers.CONTENT_TYPE)
        answer.headers.update(answers.headers_of(receipt))
        return answer


def _unpacked_body() -> bytes:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return request.get_data()
    if encoding == "gzip":
        return unpacked(request.get_data())
    raise EncodingUnknown(encoding)


@bp.route("/<string:scene_code>/totals/<string:day>")
class Totals(MethodView):
    @signed_by_partner(scope="totals")
    @bp.arguments(TotalsRequest)
    @bp.response(200, TotalsResponse)
    def put(self, body: dict[str, int], scene_code: str, day: str) -> FeedTotal:
        """Say what a day came to by the partner's count. Said again, the last word counts."""
        on, now, keyring = _day(day), datetime.now(UTC), services().keyring

        def work(session: Any) -> FeedTotal:
            feed = get_feed(session, keyring, scene_code)
            return say_totals(session, feed, on, **body, now=now)

        return services().database.transact(work)


@bp.route("/<string:scene_code>/reconciliation")
class OneReconciliation(MethodView):
    @signed_by_partner("operator", "auditor", scope="reconciliation", within=SCENE)
    @bp.arguments(ReconciliationQuery, location="query")
    @bp.response(200, ReconciliationResponse)
    def get(self, query: dict[str, Any], scene_code: str) -> dict[str, Any]:
        """The partner's count of a day beside ours, and the events that are not verified."""
        after = Place(*query["cursor"]) if "cursor" in query else None

        keyring = services().keyring

        def work(session: Any) -> Reconciliation:
            feed = get_feed(session, keyring, scene_code)
            return reconcile(session, feed, query["day"], after=after, limit=query["limit"])

        found = services().database.transact(work)
        return {
            "scene": scene_code,
            "day": query["day"],
            "partner": found.partner,
            "ours": None if found.ours is None else _told(found.ours),
            "differing": found.differing,
            "next_cursor": found.next_after,
        }


def _day(written: str) -> date:
    try:
        found = date.fromisoformat(written)
    except ValueError:
        abort(404)
    if str(found) != written or not FIRST.date() <= found < LAST.date():
        abort(404)
    return found


def _told(ours: Ours) -> dict[str, Any]:
    return {
        "events": ours.events,
        **{each: ours.by_decision[each] for each in ("verified", "held", "rejected")},
        "by_code": {code: n for code, n in sorted(ours.by_code.items()) if n},
        "quantity": ours.quantity,
        "verified_quantity": ours.verified_quantity,
        "saved_mg_co2e": ours.saved_mg_co2e,
        "points": ours.points,
        "unreadable": ours.unreadable_lines,
    }
