"""Webhooks: where a merchant's systems are told, what is sent there, and what was not taken."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from rewards.models import WebhookEndpoint, WebhookMessage
from rewards.webhooks import endpoints, messages
from rewards.webhooks.deliveries import DEAD, STATES
from rewards.webhooks.endpoints import TOLD_AGAIN_FOR, URL_LENGTH_MAX, NewEndpoint, secret_of
from rewards.webhooks.outbox import KINDS
from service.admin.objects import acting_on
from service.api.paging import PageQuery, cut
from service.api.resources import Blueprint
from service.api.wire import IdCursor, Instant
from service.auth import actor, requires
from service.authorisation import MERCHANT
from service.feeds.signatures import written
from service.services import services
from service.webhooks import acts

bp = Blueprint(
    "webhooks",
    __name__,
    url_prefix="/v1/merchants/<uuid:merchant_id>/webhooks",
    description="消息推送 · Webhooks",
)
_WRITERS, _READERS = ("merchant_manager", "operator"), ("merchant_manager", "operator", "auditor")
_KEY = "webhooks"
_URL = rf"^https?://[\x21-\x7e]{{1,{URL_LENGTH_MAX - len('https://')}}}\Z"


class WebhookRequest(Schema):
    url = fields.String(
        required=True,
        validate=validate.Regexp(_URL, error="Not an https:// address."),
        metadata={"description": "`https://`, on the open internet, port 443 or from 1024 on"},
    )
    kinds = fields.List(
        fields.String(validate=validate.OneOf(KINDS)),
        required=True,
        validate=validate.Length(1, len(KINDS)),
        metadata={"description": "of what it is told"},
    )


class WebhookResponse(Schema):
    id = fields.UUID()
    merchant_id = fields.UUID()
    url = fields.String()
    kinds = fields.List(fields.String())
    made_at = fields.AwareDateTime(format="iso")
    made_by = fields.String()
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)


class MadeWebhookResponse(WebhookResponse):
    secret = fields.String(
        allow_none=True,
        metadata={"description": "by which messages are signed; null: made over ten minutes ago"},
    )


class WebhooksResponse(Schema):
    webhooks = fields.List(fields.Nested(WebhookResponse))
    next_cursor = IdCursor(allow_none=True)


class WebhookMessagesQuery(PageQuery):
    state = fields.String(load_default=DEAD, validate=validate.OneOf(STATES))


class WebhookMessageResponse(Schema):
    id = fields.UUID(metadata={"description": "its `webhook-id`, at every try"})
    kind = fields.String(metadata={"description": "one of the endpoint's kinds, or `ping`"})
    state = fields.String(metadata={"description": "waiting, delivered or dead"})
    made_at = fields.AwareDateTime(format="iso")
    tries = fields.Integer(metadata={"description": "how often it was tried since it last waited"})
    next_at = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "of one that waits: the next try"}
    )
    give_up_at = fields.AwareDateTime(format="iso")
    last_answer = fields.String(
        allow_none=True, metadata={"description": "a status, or why there was none"}
    )
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)
    body = fields.String(metadata={"description": "JSON, as it is sent"})


class WebhookMessagesResponse(Schema):
    messages = fields.List(fields.Nested(WebhookMessageResponse))
    next_cursor = IdCursor(allow_none=True)


class WebhookRedeliveriesRequest(Schema):
    since = Instant(required=True, metadata={"description": "only messages made since then"})


class WebhookRedeliveriesResponse(Schema):
    redelivered_messages = fields.Integer()
    dead_messages = fields.Integer(
        metadata={"description": "left of the same; where not 0, ask again"}
    )


@bp.route("")
class Webhooks(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.arguments(PageQuery, location="query")
    @bp.response(200, WebhooksResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID) -> dict[str, Any]:
        """A merchant's webhooks, those that have ended too; no secrets."""
        limit, after = query["limit"], query.get("cursor")
        rows = services().database.transact(
            lambda s: endpoints.listed(s, merchant_id, after=after, limit=limit + 1)
        )
        shown, more = cut(rows, limit)
        return {"webhooks": shown, "next_cursor": more}


@bp.route("/<uuid:endpoint_id>")
class OneWebhook(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.response(200, WebhookResponse)
    def get(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
        """One webhook."""
        return services().database.transact(lambda s: endpoints.get(s, merchant_id, endpoint_id))

    @requires(*_WRITERS, within=MERCHANT)
    @bp.arguments(WebhookRequest)
    @bp.response(200, MadeWebhookResponse)
    def put(self, body: dict[str, Any], merchant_id: UUID, endpoint_id: UUID) -> dict[str, Any]:
        """Make a webhook. The same again changes nothing, and tells its secret for ten minutes.

        For a new secret make a second one with the same address, and then end the first.
        """
        who, now, private = actor(), datetime.now(UTC), services().settings.webhook_private
        new = NewEndpoint(endpoint_id, merchant_id, body["url"], tuple(body["kinds"]))

        def work(session: Session) -> WebhookEndpoint:
            return acting_on(
                session,
                who,
                "webhook.make",
                acts.webhook(session, merchant_id, endpoint_id),
                lambda: endpoints.make(session, new, made_by=who.name, private=private, now=now),
                now=now,
            )

        made = services().database.transact(work)
        secret = None
        if now - made.made_at < TOLD_AGAIN_FOR:
            secret = written(secret_of(services().keyring.derived("webhooks"), endpoint_id))
        names = WebhookResponse().fields
        return {name: getattr(made, name) for name in names} | {"secret": secret}

    @requires(*_WRITERS, within=MERCHANT)
    @bp.response(200, WebhookResponse)
    def delete(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
        """End a webhook now; what waits for it is not sent. Ended before, it stays as it was."""
        who, now = actor(), datetime.now(UTC)

        def work(session: Session) -> WebhookEndpoint:
            acting_on(
                session,
                who,
                "webhook.end",
                acts.webhook(session, merchant_id, endpoint_id),
                lambda: endpoints.end(session, merchant_id, endpoint_id, now=now),
                now=now,
            )
            return endpoints.get(session, merchant_id, endpoint_id)

        return services().database.transact(work)


@bp.route("/<uuid:endpoint_id>/messages")
class WebhookMessages(MethodView):
    @requires(*_READERS, within=MERCHANT, key_scope=_KEY)
    @bp.arguments(WebhookMessagesQuery, location="query")
    @bp.response(200, WebhookMessagesResponse)
    def get(self, query: dict[str, Any], merchant_id: UUID, endpoint_id: UUID) -> dict[str, Any]:
        """Messages in a state, the newest first: without one, those that were given up (dead)."""
        limit, before = query["limit"], query.get("cursor")
        rows = services().database.transact(
            lambda s: messages.listed(
                s, merchant_id, endpoint_id, state=query["state"], before=before, limit=limit + 1
            )
        )
        shown, more = cut(rows, limit)
        return {"messages": shown, "next_cursor": more}


@bp.route("/<uuid:endpoint_id>/messages/<uuid:message_id>/redelivery")
class WebhookRedelivery(MethodView):
    @requires(*_WRITERS, within=MERCHANT, key_scope=_KEY)
    @bp.response(200, WebhookMessageResponse)
    def put(self, merchant_id: UUID, endpoint_id: UUID, message_id: UUID) -> WebhookMessage:
        """Send a message again, dead or delivered, under its id; one that waits is left alone."""
        who, now = actor(), datetime.now(UTC)
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "webhook.redeliver",
                acts.message(session, merchant_id, message_id),
                lambda: messages.redeliver(session, merchant_id, endpoint_id, message_id, now=now),
                now=now,
            )
        )


@bp.route("/<uuid:endpoint_id>/redeliveries")
class WebhookRedeliveries(MethodView):
    @requires(*_WRITERS, within=MERCHANT, key_scope=_KEY)
    @bp.arguments(WebhookRedeliveriesRequest)
    @bp.response(200, WebhookRedeliveriesResponse)
    def post(self, body: dict[str, Any], merchant_id: UUID, endpoint_id: UUID) -> dict[str, Any]:
        """Send all dead messages again, the oldest first, at most 10,000 at a time."""
        who, now, since = actor(), datetime.now(UTC), body["since"]

        def work(session: Session) -> dict[str, Any]:
            about = acts.dead_letters(session, merchant_id, endpoint_id, since=since)
            count = acting_on(
                session,
                who,
                "webhook.redeliver_dead",
                about,
                lambda: messages.redeliver_dead(
                    session, merchant_id, endpoint_id, since=since, now=now
                ),
                now=now,
            )
            left = messages.dead_count(session, merchant_id, endpoint_id, since=since)
            return {"redelivered_messages": count, "dead_messages": left}

        return services().database.transact(work)


@bp.route("/<uuid:endpoint_id>/pings/<uuid:message_id>")
class WebhookPing(MethodView):
    @requires(*_WRITERS, within=MERCHANT, key_scope=_KEY)
    @bp.response(200, WebhookMessageResponse)
    def put(self, merchant_id: UUID, endpoint_id: UUID, message_id: UUID) -> WebhookMessage:
        """Send a message of kind `ping` that tells nothing. The same id again is the same one."""
        who, now = actor(), datetime.now(UTC)
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                "webhook.ping",
                acts.message(session, merchant_id, message_id),
                lambda: messages.ping(session, merchant_id, endpoint_id, message_id, now=now),
                now=now,
            )
        )
