"""``tanhui catalogue``: load, check and list what decides. ``check`` needs no database."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from activities.catalogue.checking import Checked, check_folder
from activities.catalogue.loading import BUNDLED, SHIPPED, Origin, load
from service import printing, starting
from service.admin.log import Act, record
from service.admin.origin import from_command
from service.commands.drafts import approve_, drafts, impact_, person
from service.districts.plans import targets
from service.feeds.formats import FORMATS
from service.identity.staff.members import check_by
from service.settings import Settings

DRAFTED_FILES = ("factors.csv", "methods.csv", "tariffs.csv", "rules.csv")
_path = click.argument("path", type=click.Path(path_type=Path), default=BUNDLED)


@click.group()
def catalogue() -> None:
    """Behaviours, methods, factors, rules, scenes, divisions, plan targets."""


catalogue.add_command(drafts)
catalogue.add_command(approve_)
catalogue.add_command(impact_)


@catalogue.command("load", epilog="Example: tanhui catalogue load my-city/ --by wang")
@_path
@click.option("--by", callback=person, help="Who drafts what is in a folder of yours.")
def load_(path: Path, by: str | None) -> None:
    """Load the CSV files of a folder (default: the bundled ones); all of it or nothing.

    Factors, methods, tariffs and rules of your own folder are drafts until somebody else approves
    them; the bundled ones are approved with the release. Plan targets (plan_targets.csv) hold at
    once: a row loaded again in other words takes the place of the one before.
    """
    shipped = path.resolve() == BUNDLED
    if shipped == (by is not None):
        raise click.UsageError("--by NAME belongs to a folder of your own, and is needed there")
    now, origin = datetime.now(UTC), SHIPPED if by is None else Origin(by, None)

    def work(session: Session) -> dict[str, int]:
        check_by(session, by)
        alone = targets.is_alone(path)
        written = {} if alone else load(session, path, now=now, origin=origin)
        written |= targets.load_folder(session, path)
        new = {name: rows for name, rows in written.items() if rows}
        if new:
            about = Act(
                "catalogue.load", "catalogue", "shipped" if shipped else path.resolve().name
            )
            after = {"new_rows": new, "approved": shipped}
            record(session, from_command(by), about, before=None, after=after, now=now)
        return written

    with starting.connected(Settings.from_env()) as services:
        written = services.database.transact(work)
    told = "loaded " + ", ".join(f"{n} of {name}" for name, n in written.items())
    drafted = sum(written.get(name, 0) for name in DRAFTED_FILES)
    click.echo(told + (f"; {drafted} drafts wait for approval" if by and drafted else ""))


@catalogue.command("check", epilog="Example: tanhui catalogue check my-city/")
@_path
def check_(path: Path) -> None:
    """Check the CSV files of a folder (default: the bundled ones) without a database.

    What they refer to may stand in the bundled files. Every problem is a line with file and line
    number, and exit status 1; what may be a slip is a warning.
    """
    alone = targets.is_alone(path)
    found = Checked(0, 0, [], []) if alone else check_folder(path, feed_formats=FORMATS)
    plans = targets.check_folder(path)
    problems = [*found.problems, *plans.problems]
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    for problem in problems:
        click.echo(problem)
    if problems:
        click.echo(f"tanhui: {len(problems)} problems; this would not load", err=True)
        sys.exit(1)
    click.echo(f"{found.files + plans.files} files, {found.rows + plans.rows:,} rows: fine")


@catalogue.command("list", epilog="Example: tanhui catalogue list")
def list_() -> None:
    """List scenes with their method, factor and source."""
    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(printing.catalogue_text))
