"""``tanhui webhooks``: where merchants' systems are told, and what was not taken."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import click
import msgspec
from sqlalchemy.orm import Session

from rewards.models import WebhookEndpoint, WebhookMessage
from rewards.webhooks import endpoints, messages
from rewards.webhooks.deliveries import DEAD
from service import printing, starting
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.identity.staff.members import check_by
from service.settings import Settings
from service.webhooks import acts

PAGE = 1_000
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_ENDPOINT = ("id", "url", "kinds", "made_by", "made_at", "ended_at")
_MESSAGE = ("id", "kind", "made_at", "tries", "last_answer", "ended_at", "body")
_merchant = click.argument("merchant_id", metavar="MERCHANT", type=click.UUID)
_endpoint = click.argument("endpoint_id", metavar="WEBHOOK", type=click.UUID)
_by = click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def webhooks() -> None:
    """Messages to merchants' systems. They are sent by the job send_webhooks."""


@webhooks.command("list", epilog="Example: tanhui webhooks list 4b1f…")
@_merchant
@_as_json
def list_(merchant_id: UUID, as_json: bool) -> None:
    """List a merchant's webhooks, those that have ended too; no secrets."""

    def told(session: Session) -> list[WebhookEndpoint]:
        found: list[WebhookEndpoint] = []
        while page := endpoints.listed(
            session, merchant_id, after=found[-1].id if found else None, limit=PAGE
        ):
            found += page
        return found

    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(told)
    click.echo(_shown(found, _ENDPOINT, _ENDPOINT, as_json=as_json))


@webhooks.command("dead", epilog="Example: tanhui webhooks dead 4b1f… 7c9e…")
@_merchant
@_endpoint
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, help="How many, at most.")
@_as_json
def dead(merchant_id: UUID, endpoint_id: UUID, limit: int, as_json: bool) -> None:
    """List messages that were given up, the newest first; with --json what they say, too."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda s: messages.listed(s, merchant_id, endpoint_id, state=DEAD, limit=limit)
        )
    click.echo(_shown(found, _MESSAGE[:-1], _MESSAGE, as_json=as_json))


@webhooks.command(
    "redeliver",
    epilog="Example: tanhui webhooks redeliver 4b1f… 7c9e… --since 2026-11-20T08:00:00+08:00"
    " --by li.na",
)
@_merchant
@_endpoint
@click.argument("message_id", metavar="[MESSAGE]", type=click.UUID, required=False)
@click.option("--since", metavar="INSTANT", help="All dead ones made since then, with offset.")
@click.option("--all", "every", is_flag=True, help="All dead ones.")
@_by
def redeliver(
    merchant_id: UUID,
    endpoint_id: UUID,
    message_id: UUID | None,
    since: str | None,
    every: bool,
    by: str,
) -> None:
    """Send one MESSAGE again, dead or delivered; or all dead ones."""
    if [message_id is not None, since is not None, every].count(True) != 1:
        raise click.UsageError("say one of MESSAGE, --since and --all")
    after, now = _instant(since) if since else LONG_AGO, datetime.now(UTC)

    def batch(session: Session) -> int:
        check_by(session, by)
        about = acts.dead_letters(session, merchant_id, endpoint_id, since=after)

        def work() -> int:
            return messages.redeliver_dead(session, merchant_id, endpoint_id, since=after, now=now)

        actor = from_command(by)
        return acting_on(session, actor, "webhook.redeliver_dead", about, work, now=now)

    def one(session: Session, message_id: UUID) -> WebhookMessage:
        check_by(session, by)
        about = acts.message(session, merchant_id, message_id)

        def work() -> WebhookMessage:
            return messages.redeliver(session, merchant_id, endpoint_id, message_id, now=now)

        return acting_on(session, from_command(by), "webhook.redeliver", about, work, now=now)

    with starting.connected(Settings.from_env()) as services:
        if message_id is not None:
            services.database.transact(lambda session: one(session, message_id))
            click.echo(f"message {message_id} is sent again within seconds")
            return
        count = 0
        while done := services.database.transact(batch):
            count += done
    click.echo(f"{count} messages are sent again, from now on")


@webhooks.command("ping", epilog="Example: tanhui webhooks ping 4b1f… 7c9e… --by li.na")
@_merchant
@_endpoint
@_by
def ping(merchant_id: UUID, endpoint_id: UUID, by: str) -> None:
    """Send a message that tells nothing, to try a webhook out."""
    message_id, now = uuid4(), datetime.now(UTC)

    def work(session: Session) -> WebhookMessage:
        check_by(session, by)
        about = acts.message(session, merchant_id, message_id)

        def send() -> WebhookMessage:
            return messages.ping(session, merchant_id, endpoint_id, message_id, now=now)

        return acting_on(session, from_command(by), "webhook.ping", about, send, now=now)

    with starting.connected(Settings.from_env()) as services:
        services.database.transact(work)
    click.echo(f"message {message_id} is sent within seconds")


def _instant(said: str) -> datetime:
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise click.BadParameter(f"{said!r} is no instant", param_hint="--since") from error
    if found.tzinfo is None:
        raise click.BadParameter(f"{said!r} has no offset", param_hint="--since")
    return found


def _shown(
    rows: Iterable[object], columns: tuple[str, ...], names: tuple[str, ...], *, as_json: bool
) -> str:
    if as_json:
        facts = [{name: getattr(row, name) for name in names} for row in rows]
        return msgspec.json.encode(facts).decode()
    cells = [tuple(_cell(getattr(row, name)) for name in columns) for row in rows]
    return printing.table(tuple(name.replace("_", " ") for name in columns), cells)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case list():
            return " ".join(value)
    return str(value)
