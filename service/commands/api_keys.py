"""``tanhui api-keys``: keys of merchants' systems and of verifiers."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import click
import msgspec
from sqlalchemy.orm import Session

from service import printing, starting
from service.admin.origin import from_command
from service.api_keys import keys
from service.api_keys.models import ApiKey
from service.api_keys.uses import last_uses
from service.identity.staff.members import check_by
from service.settings import Settings

PAGE = 1_000
_HEADER = ("key", "owner", "name", "scopes", "made by", "expires at", "ended at", "last used")
_by = click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")


@click.group("api-keys")
def api_keys() -> None:
    """Keys of systems: two in force an owner, so that a system changes them without a pause."""


@api_keys.command(
    "new", epilog="Example: tanhui api-keys new merchant 4b1f… --name 收银系统 --by li.na"
)
@click.argument("owner_kind", type=click.Choice(sorted(keys.SCOPES)))
@click.argument("owner")
@click.option("--name", required=True, help="What it is for.")
@click.option("--days", type=click.IntRange(1, 731), default=365, help="How long it is good.")
@click.option("--scope", multiple=True, help="What it may; none: all that its kind may.")
@_by
def new(owner_kind: str, owner: str, name: str, days: int, scope: tuple[str, ...], by: str) -> None:
    """Make a key and print it; it is stored nowhere. OWNER: a merchant's id, a verifier's name."""
    for value in (owner, name):
        if not value.strip() or not value.isprintable() or len(value) > 100:
            raise click.BadParameter("one line of text, at most 100 characters")
    now, scopes = datetime.now(UTC), tuple(sorted(set(scope) or keys.SCOPES[owner_kind]))
    asked = keys.NewKey(
        uuid4(), owner_kind, owner.strip(), name.strip(), scopes, now + timedelta(days=days)
    )
    with starting.connected(Settings.from_env()) as services:

        def work(session: Session) -> keys.Made:
            check_by(session, by)
            actor = from_command(by, role="administrator")
            return keys.make(session, services.keyring, asked, actor=actor, now=now)

        made = services.database.transact(work)
    click.echo(made.written)
    click.echo(f"key {made.key.id} is good until {_seconds(made.key.expires_at)}", err=True)


@api_keys.command("list", epilog="Example: tanhui api-keys list")
@click.option("--owner", help="Only this owner's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(owner: str | None, as_json: bool) -> None:
    """List keys, those retired or over too; no secrets."""

    def told(session: Session) -> str:
        found: list[ApiKey] = []
        while page := keys.listed(
            session, after=found[-1].id if found else None, limit=PAGE, owner=owner
        ):
            found += page
        used = last_uses(session, [each.id for each in found])
        shape = _json if as_json else _text
        return shape([(each, used.get(each.id)) for each in found])

    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(told))


@api_keys.command("retire", epilog="Example: tanhui api-keys retire 4b1f… --by li.na")
@click.argument("key_id", type=click.UUID)
@_by
def retire(key_id: UUID, by: str) -> None:
    """End a key now; an earlier end stays."""
    now = datetime.now(UTC)

    def work(session: Session) -> ApiKey:
        check_by(session, by)
        actor = from_command(by, role="administrator")
        return keys.retire(session, key_id, actor=actor, now=now)

    with starting.connected(Settings.from_env()) as services:
        key = services.database.transact(work)
    click.echo(f"key {key.id} of {key.owner} ended at {_seconds(key.retired_at)}")


def _text(found: list[tuple[ApiKey, datetime | None]]) -> str:
    rows = [
        (
            str(key.id),
            f"{key.owner_kind} {key.owner}",
            key.name,
            " ".join(key.scopes),
            key.made_by,
            _seconds(key.expires_at),
            _seconds(key.retired_at),
            _seconds(used_at),
        )
        for key, used_at in found
    ]
    return printing.table(_HEADER, rows)


def _json(found: list[tuple[ApiKey, datetime | None]]) -> str:
    facts = [
        {
            "id": key.id,
            "owner_kind": key.owner_kind,
            "owner": key.owner,
            "name": key.name,
            "scopes": key.scopes,
            "made_at": key.made_at,
            "made_by": key.made_by,
            "expires_at": key.expires_at,
            "retired_at": key.retired_at,
            "last_used_at": used_at,
        }
        for key, used_at in found
    ]
    return msgspec.json.encode(facts).decode()


def _seconds(at: datetime | None) -> str:
    return "–" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
