"""``tanhui db``: the schema, and where its tables stand on a cluster."""

import click

from service import distribution, starting
from service.db import owner_engine
from service.settings import Settings


@click.group()
def db() -> None:
    """The database's schema."""


@db.command(epilog="Example: tanhui db upgrade")
def upgrade() -> None:
    """Run the migrations that are missing and make the months' partitions."""
    with starting.servers(Settings.from_env()) as running:
        found = starting.upgrade_or_check(running, migrate=True)
    click.echo(f"schema at {found.revision}, partitions until {found.partitions_until}")


@db.command(epilog="Example: tanhui db status")
def status() -> None:
    """Say where the schema stands; exit 1 when it is not this program's."""
    with starting.servers(Settings.from_env()) as running:
        found = starting.upgrade_or_check(running, migrate=False)
    click.echo(f"schema at {found.revision}, partitions until {found.partitions_until}")


@db.command(epilog="Example: tanhui db distribute --dry-run")
@click.option("--dry-run", is_flag=True, help="Print the statements and change nothing.")
def distribute(dry_run: bool) -> None:
    """Spread the tables over the nodes of a Citus cluster; safe to repeat.

    Run it again after each upgrade. --dry-run works on plain PostgreSQL too.
    """
    with starting.servers(Settings.from_env()) as running:
        assert running.database_url
        engine = owner_engine(running.database_url)
        try:
            if dry_run:
                click.echo("\n".join(f"{line};" for line in distribution.planned(engine)))
                return
            put = distribution.distribute(engine, say=click.echo)
        finally:
            engine.dispose()
    click.echo(f"{put} tables were put in place, {distribution.TABLES - put} were there before")
