"""``tanhui feeds``: data partners' keys."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
import msgspec
from sqlalchemy.orm import Session

from activities.catalogue.models import FeedKey
from service import printing, starting
from service.admin import objects
from service.admin.log import record
from service.admin.objects import acting_on
from service.admin.origin import from_command
from service.api_keys.uses import last_uses
from service.feeds import keys, signatures
from service.identity.staff.members import check_by
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
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(keys.SCOPES), default=keys.SCOPES,
    help="What it is for; may be given again. Default: all.",
)  # fmt: skip
@click.option("--days", type=click.IntRange(1, 731), default=365, help="How long it is good.")
def new(partner: str, by: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a key and print its secret, which is stored nowhere: hand it over safely."""
    now = datetime.now(UTC)

    def work(session: Session) -> FeedKey:
        check_by(session, by)
        made = keys.make(
            session, partner, made_by=by, now=now, scopes=scopes, good_for=timedelta(days=days)
        )
        about, facts = objects.feed_key(session, made.id), objects.feed_key_facts(made)
        record(
            session, from_command(by), about.act("feed_key.make"), before=None, after=facts, now=now
        )
        return made

    with starting.connected(Settings.from_env()) as services:
        made = services.database.transact(work)
        secret = keys.secret_of(services.feed_key, made.id)
    click.echo(signatures.written(secret))
    ends = _seconds(made.expires_at)
    click.echo(f"key {made.id} of {partner} is live from now on, until {ends}", err=True)


@key.command("list", epilog="Example: tanhui feeds key list qingpu-metro")
@click.argument("partner", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(partner: str | None, as_json: bool) -> None:
    """List keys, the retired ones too; no secrets."""

    def told(session: Session) -> str:
        found = keys.listed(session, partner)
        used = last_uses(session, [each.id for each in found])
        return _json(found, used) if as_json else _text(found, used)

    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(told)
    click.echo(found)


@key.command("retire", epilog="Example: tanhui feeds key retire 4b1f… --at 2026-12-01T00:00:00Z")
@click.argument("key_id", type=click.UUID)
@click.option("--at", metavar="INSTANT", help="When it ends, with offset; default: now.")
@click.option("--by", metavar="NAME", help="Who ends it; default: the machine's user.")
def retire(key_id: UUID, at: str | None, by: str | None) -> None:
    """End a key, now or at an instant to come; an earlier end stays."""
    when, now = _instant(at), datetime.now(UTC)

    def work(session: Session) -> FeedKey:
        check_by(session, by)
        about = objects.feed_key(session, key_id)
        return acting_on(
            session,
            from_command(by),
            "feed_key.retire",
            about,
            lambda: keys.retire(session, key_id, at=when),
            now=now,
        )

    with starting.connected(Settings.from_env()) as services:
        key = services.database.transact(work)
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


def _text(found: Sequence[FeedKey], used: Mapping[UUID, datetime]) -> str:
    header = ("key", "partner", "for", "made at", "by", "ends at", "last used")
    rows = [
        (
            str(k.id),
            k.partner_code,
            " ".join(k.scopes),
            _seconds(k.made_at),
            k.made_by,
            _seconds(keys.ends_at(k)) or "–",
            _seconds(used.get(k.id)) or "–",
        )
        for k in found
    ]
    return printing.table(header, rows)


def _json(found: Sequence[FeedKey], used: Mapping[UUID, datetime]) -> str:
    return msgspec.json.encode(
        [
            {
                "id": k.id,
                "partner": k.partner_code,
                "made_at": k.made_at,
                "made_by": k.made_by,
                "retired_at": k.retired_at,
                "scopes": k.scopes,
                "expires_at": k.expires_at,
                "last_used_at": used.get(k.id),
            }
            for k in found
        ]
    ).decode()
