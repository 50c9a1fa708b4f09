"""``tanhui keys``: the keys by which access tokens are signed and checked."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from service import printing, starting
from service.admin.log import Act, plain, record
from service.admin.origin import from_command
from service.identity import key_rotation
from service.identity.tokens import SigningKey
from service.services import token_key_path
from service.settings import Settings


@click.group()
def keys() -> None:
    """Token keys: add one, promote it, retire the one before; no restart and no pause."""


@keys.command("list", epilog="Example: tanhui keys list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the keys of access tokens by their ids; no secrets."""
    found = key_rotation.token_key_list(token_key_path(Settings.from_env()))
    states = ["signs", *("checks",) * (len(found) - 1)]
    rows = [(key.id, state) for key, state in zip(found, states, strict=True)]
    if as_json:
        click.echo(msgspec.json.encode([{"id": id_, "state": state} for id_, state in rows]))
    else:
        click.echo(printing.table(("key", "state"), rows))


@keys.command("add", epilog="Example: tanhui keys add --by li.na")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def add(by: str) -> None:
    """Add a key that checks and does not sign yet."""
    made = _changed("token_key.add", by, key_rotation.add)
    click.echo(made.id)
    click.echo(f"key added; from {_later()} on: tanhui keys promote {made.id} --by {by}", err=True)


# An id may begin with a hyphen, and is none the less no option.
_BY_ID = {"ignore_unknown_options": True, "help_option_names": ["--help"]}


@keys.command(
    "promote", context_settings=_BY_ID, epilog="Example: tanhui keys promote 3fKq --by li.na"
)
@click.argument("key_id")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def promote(key_id: str, by: str) -> None:
    """Let a key sign from now on, ten minutes or more after it was added.

    KEY_ID may be the beginning of an id.
    """
    found = _changed("token_key.promote", by, lambda path: key_rotation.promote(path, key_id))
    click.echo(
        f"{found.id} signs; retire the key before at {_later()} or later, when its last token has"
        " ended: tanhui keys list"
    )


@keys.command(
    "retire", context_settings=_BY_ID, epilog="Example: tanhui keys retire 8sPz --by li.na"
)
@click.argument("key_id")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def retire(key_id: str, by: str) -> None:
    """Take a key out, ten minutes or more after another one began to sign.

    Sooner only when it was stolen: whoever is signed in asks for a new token then. KEY_ID may be
    the beginning of an id.
    """
    found = _changed("token_key.retire", by, lambda path: key_rotation.retire(path, key_id))
    click.echo(f"{found.id} is retired: what it signed opens nothing any more")


def _changed(what: str, by: str, change: Callable[[Path], SigningKey]) -> SigningKey:
    """Change the file, then write it down: in an emergency the file comes first."""
    settings, now = Settings.from_env(), datetime.now(UTC)
    path = token_key_path(settings)
    before = _state(path)
    found = change(path)
    after = _state(path)
    if before == after:
        return found
    act, actor = Act(what, "token_key", found.id), from_command(by, role="administrator")
    with starting.connected(settings) as services:
        services.database.transact(
            lambda session: record(
                session, actor, act, before=plain(before), after=plain(after), now=now
            )
        )
    return found


def _state(path: Path) -> dict[str, list[str]]:
    return {"keys": [key.id for key in key_rotation.token_key_list(path)]}


def _later() -> str:
    return f"{datetime.now(UTC) + key_rotation.WAIT:%Y-%m-%dT%H:%M:%SZ}"
