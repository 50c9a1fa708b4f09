"""``tanhui admin-log``: what staff did, for who watches them. Reading it leaves nothing behind."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import click
import msgspec

from service import starting
from service.admin.models import AdminAct
from service.admin.reading import COLUMNS, PAGE_MAX, Which, page, told, walk
from service.commands.scenes import instant
from service.printing import table
from service.settings import Settings

_HEADER = ("acted at", "who", "role", "programme", "what", "object", "from")


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.option("--actor", metavar="NAME", help="Only this person's."),
            click.option("--what", metavar="ACT", help="Only such: correction.approve, …"),
            click.option("--kind", metavar="KIND", help="Only about this kind of object."),
            click.option("--object", "object_id", metavar="ID", help="Only about it; with --kind."),
            click.option("--holder", type=click.UUID, help="Only about this resident."),
            click.option("--programme", metavar="CODE", help="Only of this programme's objects."),
            click.option("--since", callback=instant, metavar="INSTANT", help="With its offset."),
            click.option("--until", callback=instant, metavar="INSTANT", help="Exclusive."),
        )
    ):
        command = option(command)
    return command


@click.group("admin-log")
def admin_log() -> None:
    """What staff did: who, what, before and after, from where."""


@admin_log.command(
    "list", epilog="Example: tanhui admin-log list --actor li.na --since 2026-11-01T00:00:00+08:00"
)
@_filters
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=50, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with before and after.")
def list_(limit: int, as_json: bool, **asked: Any) -> None:
    """List acts, the newest first."""
    which = _which(asked)
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(lambda session: page(session, which, limit=limit))
    if as_json:
        acts = [told(act) for act in found.acts]
        click.echo(msgspec.json.format(msgspec.json.encode({"acts": acts}), indent=2).decode())
        return
    more = ", and more" if found.next_before else ""
    click.echo(f"{table(_HEADER, map(_row, found.acts))}\n{len(found.acts)} acts{more}")


@admin_log.command(
    "export", epilog="Example: tanhui admin-log export --format csv --output admin-log.csv"
)
@_filters
@click.option("--format", "shape", type=click.Choice(["ndjson", "csv"]), default="ndjson")
@click.option("--output", type=click.Path(path_type=Path), help="Write here; default: print.")
def export(shape: str, output: Path | None, **asked: Any) -> None:
    """Write all of it, an act a line, the oldest first.

    Who fetches it piece by piece lets the pieces overlap by some minutes: an act stands under the
    instant at which it began, and is there when it was committed.
    """
    which, write = _which(asked), _csv if shape == "csv" else _ndjson
    with starting.connected(Settings.from_env()) as services, _opened(output) as file:
        count = write(walk(services.database, which), file)
    click.echo(f"{count:,} acts" + (f" in {output}" if output else ""), err=True)


def _which(asked: dict[str, Any]) -> Which:
    if asked["object_id"] is not None and asked["kind"] is None:
        raise click.UsageError("--object goes with --kind")
    holder_id: UUID | None = asked.pop("holder")
    kind, until = asked.pop("kind"), asked.pop("until") or datetime.now(UTC)
    return Which(object_kind=kind, holder_id=holder_id, until=until, **asked)


def _row(act: AdminAct) -> tuple[str, ...]:
    at = f"{act.acted_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
    about = f"{act.object_kind} {act.object_id}"
    return at, act.actor, act.role, act.programme_code, act.what, about, act.from_address


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise click.UsageError(f"{output}: {error.strerror}") from error


def _ndjson(acts: Iterator[AdminAct], file: TextIO) -> int:
    count = 0
    for act in acts:
        file.write(msgspec.json.encode(told(act)).decode() + "\n")
        count += 1
    return count


def _csv(acts: Iterator[AdminAct], file: TextIO) -> int:
    """``before`` and ``after`` are JSON within their cells."""
    writer, count = csv.writer(file), 0
    writer.writerow("programme" if name == "programme_code" else name for name in COLUMNS)
    for act in acts:
        writer.writerow(_cell(getattr(act, name)) for name in COLUMNS)
        count += 1
    return count


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value
