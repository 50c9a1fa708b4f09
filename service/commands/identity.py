"""``tanhui identity``: the master keys of personal data, how long records are kept, the move of
what the release before kept in plain text.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from service import printing, starting
from service.admin.log import Act, record
from service.admin.origin import from_command
from service.identity import identity_keys, rewrapping
from service.identity.keyring import Keyring
from service.identity.outside_ids import move_subjects
from service.identity.retention import KINDS
from service.services import Services, identity_key_path
from service.settings import Settings

HEADER = ("records", "tables", "kept", "why", "then")


@click.group()
def identity() -> None:
    """Personal data: their master keys, how long they are kept."""


@identity.command("keys", epilog="Example: tanhui identity keys")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keys(as_json: bool) -> None:
    """List the master keys by id, and how many persons and second factors each wraps."""
    with starting.connected(Settings.from_env()) as services:
        keyring = services.keyring
        wraps = services.database.transact(rewrapping.wrapped_by)
    missing = sorted(wraps.keys() - keyring.master_keys.keys())
    states = dict.fromkeys(keyring.master_keys, "opens") | {keyring.current_id: "wraps"}
    rows = [(id_, states.get(id_, "missing"), wraps[id_]) for id_ in (*states, *missing)]
    if as_json:
        listed = [{"id": id_, "state": state, "wraps": count} for id_, state, count in rows]
        click.echo(msgspec.json.encode(listed).decode())
    else:
        click.echo(printing.table(("key", "state", "wraps"), rows))


@identity.command("new-key", epilog="Example: tanhui identity new-key --by li.na")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def new_key(by: str) -> None:
    """Add a fresh master key that opens and does not wrap yet; no restart is needed."""
    path = _file(Settings.from_env())
    key_id = identity_keys.add(path)
    _recorded("identity_key.add", key_id, by)
    later = datetime.now(UTC) + identity_keys.WAIT
    click.echo(key_id)
    click.echo(
        f"key added: back {path} up, copy it to every machine, and from {_seconds(later)} on:"
        f" tanhui identity promote-key {key_id} --by {by}",
        err=True,
    )


@identity.command("promote-key", epilog="Example: tanhui identity promote-key k2 --by li.na")
@click.argument("key_id")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def promote_key(key_id: str, by: str) -> None:
    """Let a master key wrap from now on; a job then wraps anew what the others wrapped."""
    path, now = _file(Settings.from_env()), datetime.now(UTC)
    if Keyring.from_file(path).current_id != key_id:
        identity_keys.promote(path, key_id, now=now)
        _recorded("identity_key.promote", key_id, by)
    click.echo(f"{key_id} wraps; the rest hourly, or now: tanhui jobs once rewrap_keys")


@identity.command("retire-key", epilog="Example: tanhui identity retire-key k1 --by li.na")
@click.argument("key_id")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def retire_key(key_id: str, by: str) -> None:
    """Take a master key out of the file that wraps nothing any more.

    Ten minutes or more after another one began to wrap. Backups of the database from before still
    need it: keep it apart for as long as those.
    """
    settings = Settings.from_env()
    path, now = _file(settings), datetime.now(UTC)
    with starting.connected(settings) as services:
        identity_keys.retire(
            path,
            key_id,
            still_wraps=lambda: services.database.transact(rewrapping.wrapped_by)[key_id],
            now=now,
        )
        _record(
            services, "identity_key.retire", key_id, by, {"current": services.keyring.current_id}
        )
    click.echo(f"{key_id} is retired; keep it apart as long as backups from before are kept")


@identity.command("retention", epilog="Example: tanhui identity retention --markdown")
@click.option("--markdown", "as_markdown", is_flag=True, help="As docs/retention.md has it.")
def retention(as_markdown: bool) -> None:
    """Print how long each kind of record is kept, why, and what happens then."""
    click.echo(markdown() if as_markdown else paragraphs())


@identity.command("move-subjects", epilog="Example: tanhui identity move-subjects --by li.na")
@click.option("--by", required=True, metavar="NAME", help="Who does it, for the record.")
def move(by: str) -> None:
    """Seal the outside ids that the release before kept in plain text, and delete those.

    Run it once no server of that release runs any more; safe to repeat and to kill, beside running
    servers.
    """
    moved = others = closed = 0
    with starting.connected(Settings.from_env()) as services:
        keyring, now = services.keyring, datetime.now(UTC)
        while step := services.database.transact(lambda s: move_subjects(s, keyring, now=now)):
            moved, others, closed = moved + step.moved, others + step.others, closed + step.closed
        after = {"moved": moved, "others": others, "closed": closed}
        if any(after.values()):
            _record(services, "subjects.move", "subject", by, after)
    click.echo(
        f"{moved} ids were moved and sealed; {others} were another resident's by now and"
        f" {closed} of closed accounts: deleted"
    )


def _file(settings: Settings) -> Path:
    if settings.identity_keys is not None:
        raise starting.NotReady(
            "the keys are in TANHUI_IDENTITY_KEYS: change them there, one line at a time, with a"
            " restart after each (docs/operators.md)"
        )
    return identity_key_path(settings)


def _recorded(what: str, key_id: str, by: str) -> None:
    """In an emergency the file comes first, and is written down after."""
    with starting.connected(Settings.from_env()) as services:
        _record(services, what, key_id, by, {"current": services.keyring.current_id})


def _record(services: Services, what: str, id_: str, by: str, after: Mapping[str, object]) -> None:
    act = Act(what, what.partition(".")[0], id_)
    who, now = from_command(by, role="administrator"), datetime.now(UTC)
    services.database.transact(
        lambda session: record(session, who, act, before=None, after=after, now=now)
    )


def _seconds(at: datetime) -> str:
    return f"{at + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"


def paragraphs() -> str:
    """How long each kind of record is kept, for a terminal."""
    return "\n\n".join("\n".join(_paragraph(*row)) for row in _rows())


def _paragraph(kind: str, *cells: str) -> Iterator[str]:
    yield kind
    for name, cell in zip(HEADER[1:], cells, strict=True):
        if cell:
            yield f"  {name}: {cell}"


def markdown() -> str:
    """The same as a table: all of docs/retention.md below its introduction."""
    lines = [HEADER, tuple("---" for _ in HEADER), *_rows()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _rows() -> list[tuple[str, ...]]:
    return [
        (kind.name, ", ".join(kind.tables), kind.how_long, kind.why, kind.then) for kind in KINDS
    ]
