"""``tanhui import``: a file of events."""

import sys
from pathlib import Path

import click

from service import printing, starting
from service.admin.imports import import_logged
from service.admin.origin import from_command
from service.feeds.files import UnreadableFile
from service.feeds.mapping import read_mapping
from service.settings import Settings


@click.command("import", epilog="Example: tanhui import trips.csv --scene demo.bike --dry-run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--scene", required=True, help="Code of the scene the file belongs to.")
@click.option("--mapping", type=click.Path(path_type=Path), help="TOML: how a foreign file reads.")
@click.option("--dry-run", is_flag=True, help="Decide everything, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(file: Path, scene: str, mapping: Path | None, dry_run: bool, as_json: bool) -> None:
    """Import a CSV or NDJSON file of events, also packed (.gz, .zip); safe to repeat.

    docs/partners.md says how a mapping file is written.
    """
    if not file.is_file():
        raise UnreadableFile(f"{file}: no such file")
    read = None if mapping is None else read_mapping(mapping)
    with (
        starting.connected(Settings.from_env()) as services,
        click.progressbar(
            length=file.stat().st_size,
            label=file.name,
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar,
    ):
        summary = import_logged(
            services,
            from_command(),
            file,
            scene,
            mapping=read,
            dry_run=dry_run,
            progress=lambda at: bar.update(at - bar.pos),
        )
    click.echo(printing.summary_json(summary) if as_json else printing.summary_text(summary))
