"""``tanhui feeds``: data partners' keys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec

from activities.catalogue.models import FeedKey
from service import printing, starting
from service.feeds import keys, signatures
from service.settings import Settings


@click.group()
def feeds() -> None:
    """Data partners: the keys by which they sign."""


@feeds.group()
def key() -> None:
    """Partners' keys: several live at a time, so that a partner changes them without a pause."""


@key.command("new", epilog="Example: tanhui feeds key new qingpu-metro --by li.na")
@click.argument("partner")
@click.option("--by", required=True, metavar="NAME", help="Who makes it, for the record.")
def new(partner: str, by: str) -> None:
    """Make a key and print its secret, which is stored nowhere: hand it over safely."""
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:
        made = services.database.transact(
            lambda session: keys.make(session, partner, made_by=by, now=now)
        )
        secret = keys.secret_of(services.feed_key, made.id)
    click.echo(signatures.written(secret))
    click.echo(f"key {made.id} of {partner} is live from now on", err=True)


@key.command("list", epilog="Example: tanhui feeds key list qingpu-metro")
@click.argument("partner", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(partner: str | None, as_json: bool) -> None:
    """List keys, the retired ones too; no secrets."""
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(lambda session: keys.listed(session, partner))
    click.echo(_json(found) if as_json else _text(found))


@key.command("retire", epilog="Example: tanhui feeds key retire 4b1f… --at 2026-12-01T00:00:00Z")
@click.argument("key_id", type=click.UUID)
@click.option("--at", metavar="INSTANT", help="When it ends, with offset; default: now.")
def retire(key_id: UUID, at: str | None) -> None:
    """End a key, now or at an instant to come; an earlier end stays."""
    when = _instant(at)
    with starting.connected(Settings.from_env()) as services:
        key = services.database.transact(lambda session: keys.retire(session, key_id, at=when))
    click.echo(f"key {key.id} of {key.partner_code} ends at {_seconds(key.retired_at)}")


def _instant(written: str | None) -> datetime:
    now = datetime.now(UTC)
    if written is None:
        return now
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise click.BadParameter(f"{written!r} is no instant", param_hint="--at") from error
    if found.tzinfo is None:
        raise click.BadParameter(f"{written!r} has no offset", param_hint="--at")
    if found < now:
        raise click.BadParameter("a key ends now or later", param_hint="--at")
    return found


def _seconds(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(found: Sequence[FeedKey]) -> str:
    header = ("key", "partner", "made at", "by", "ends at")
    rows = [
        (str(k.id), k.partner_code, _seconds(k.made_at), k.made_by, _seconds(k.retired_at) or "–")
        for k in found
    ]
    return printing.table(header, rows)


def _json(found: Sequence[FeedKey]) -> str:
    return msgspec.json.encode(
        [
            {
                "id": k.id,
                "partner": k.partner_code,
                "made_at": k.made_at,
                "made_by": k.made_by,
                "retired_at": k.retired_at,
            }
            for k in found
        ]
    ).decode()
