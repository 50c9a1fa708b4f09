"""The ``tanhui`` command: views without a request. Each says what it did in one line."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError

from activities.audit import audit as audit_activities
from activities.catalogue.loading import BUNDLED, load
from activities.models import Programme
from ledgers.accounts import system_balances
from ledgers.audit import audit as audit_ledger
from ledgers.errors import DomainError
from rewards.audit import audit as audit_rewards
from service import printing, starting
from service.demo import run_demo
from service.districts.reporting import report
from service.embedded import EmbeddedError
from service.feeds.importing import UnreadableFile, import_file
from service.identity.tokens import ROLES, Caller
from service.keys import KeyFileError
from service.services import Services, tokens
from service.settings import Settings, SettingsError

LACKS_PRIVILEGE = "42501"
REFUSALS = (
    DomainError,
    EmbeddedError,
    KeyFileError,
    SettingsError,
    UnreadableFile,
    starting.NotReady,
)


def main() -> None:
    """Run a command; a refusal is one line on standard error and exit status 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Leave the servers properly.
    gc.freeze()  # What is loaded by now stays; measured: a tenth less time a batch of events.
    try:
        tanhui.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except REFUSALS as error:
        _fail(str(error))
    except DBAPIError as error:
        why = str(error.orig).splitlines()[0]
        if isinstance(error, OperationalError):
            _fail(f"the database does not answer: {why}")
        if getattr(error.orig, "sqlstate", None) == LACKS_PRIVILEGE:
            _fail(f"the database's user lacks a privilege (see docs/operators.md): {why}")
        raise


def _fail(why: str) -> None:
    click.echo(f"tanhui: {why}", err=True)
    sys.exit(1)


def _example(line: str) -> Callable[[Any], Any]:
    """Show an example in --help."""
    return lambda command: _with_epilog(command, f"Example: {line}")


def _with_epilog(command: click.Command, epilog: str) -> click.Command:
    command.epilog = epilog
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tanhui")
def tanhui() -> None:
    """碳惠 Tanhui: the backend of a citizen carbon-credit programme."""


@_example("TANHUI_PORT=8080 tanhui serve")
@tanhui.command()
def serve() -> None:
    """Migrate, then run the API and the pages until Ctrl-C."""
    settings = Settings.from_env()
    starting.check_port(settings.host, settings.port)
    with starting.connected(settings, migrate=True) as services:
        _serve(services)


def _serve(services: Services) -> None:
    from granian import Granian  # Only this command needs it, and importing it is not free.
    from granian.constants import Interfaces

    settings = services.settings
    assert settings.database_url
    assert settings.redis_url
    os.environ["TANHUI_DATABASE_URL"] = settings.database_url  # Workers read their settings anew.
    os.environ["TANHUI_REDIS_URL"] = settings.redis_url
    os.environ["TANHUI_VAR_DIR"] = str(settings.var_dir)
    services.database.dispose()
    click.echo(f"serving at http://{settings.host}:{settings.port} (Ctrl-C stops)")
    Granian(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=8,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_access=False,
        websockets=False,
    ).serve()


@_example("tanhui demo --no-serve --json")
@tanhui.command()
@click.option("--no-serve", is_flag=True, help="Stop after printing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def demo(no_serve: bool, as_json: bool) -> None:
    """A programme from the bundled real data: import, decide, post, redeem, report, serve."""
    settings = Settings.from_env()
    if not no_serve:
        starting.check_port(settings.host, settings.port)
    with starting.connected(settings, migrate=True) as services:
        done = run_demo(services)
        click.echo(printing.demo_json(done) if as_json else printing.demo_text(done))
        if not no_serve:
            _serve(services)


@tanhui.group()
def db() -> None:
    """The database's schema."""


@_example("tanhui db upgrade")
@db.command()
def upgrade() -> None:
    """Run the migrations that are missing and make the months' partitions."""
    with starting.servers(Settings.from_env()) as running:
        found = starting.upgrade_or_check(running, migrate=True)
    click.echo(f"schema at {found.revision}, partitions until {found.partitions_until}")


@_example("tanhui db status")
@db.command()
def status() -> None:
    """Say where the schema stands; exit 1 when it is not this program's."""
    with starting.servers(Settings.from_env()) as running:
        found = starting.upgrade_or_check(running, migrate=False)
    click.echo(f"schema at {found.revision}, partitions until {found.partitions_until}")


@tanhui.group()
def catalogue() -> None:
    """Behaviours, methods, factors, rules, scenes, divisions."""


@_example("tanhui catalogue load my-city/")
@catalogue.command("load")
@click.argument("path", type=click.Path(path_type=Path), default=BUNDLED)
def load_(path: Path) -> None:
    """Load the CSV files of a folder (default: the bundled ones); all of it or nothing."""
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:
        written = services.database.transact(lambda session: load(session, path, now=now))
    click.echo("loaded " + ", ".join(f"{n} of {name}" for name, n in written.items()))


@_example("tanhui catalogue list")
@catalogue.command("list")
def list_() -> None:
    """List scenes with their method, factor and source."""
    with starting.connected(Settings.from_env()) as services:
        click.echo(services.database.transact(printing.catalogue_text))


@_example("tanhui import trips.csv --scene demo.bike --dry-run")
@tanhui.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--scene", required=True, help="Code of the scene the file belongs to.")
@click.option("--dry-run", is_flag=True, help="Decide everything, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_(file: Path, scene: str, dry_run: bool, as_json: bool) -> None:
    """Import a CSV or NDJSON file of events; safe to repeat."""
    if not file.is_file():
        raise UnreadableFile(f"{file}: no such file")
    with (
        starting.connected(Settings.from_env()) as services,
        click.progressbar(
            length=file.stat().st_size,
            label=file.name,
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar,
    ):
        summary = import_file(
            services.database,
            file,
            scene,
            dry_run=dry_run,
            progress=lambda at: bar.update(at - bar.pos),
        )
    click.echo(printing.summary_json(summary) if as_json else printing.summary_text(summary))


@_example("tanhui report 310118 --month 2016-04 --format csv")
@tanhui.command("report")
@click.argument("division")
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), metavar="YYYY-MM")
@click.option("--format", "shape", type=click.Choice(["table", "json", "csv"]), default="table")
def report_(division: str, month: datetime, shape: str) -> None:
    """A district's month by town and behaviour; cells that could show a resident are withheld."""
    now = datetime.now(UTC)
    first = date(month.year, month.month, 1)
    with starting.connected(Settings.from_env()) as services:
        found = services.database.transact(
            lambda session: report(session, division, first, now=now)
        )
    click.echo(printing.REPORT_SHAPES[shape](found), nl=shape != "csv")


@_example("tanhui audit --json")
@tanhui.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(as_json: bool) -> None:
    """Recompute everything from transfers; exit 1 on any drift, each named.

    Shows what each programme issued, redeemed and so on, summed from the transfers.
    """
    with (
        starting.connected(Settings.from_env()) as services,
        services.database.snapshot() as session,
    ):
        drifts = [
            drift
            for check in (audit_ledger, audit_activities, audit_rewards)
            for drift in check(session)
        ]
        totals = {
            programme.code: system_balances(session, programme.holder_id)
            for programme in session.scalars(select(Programme).order_by(Programme.code))
        }
    click.echo(printing.AUDIT_SHAPES["json" if as_json else "text"](drifts, totals))
    if drifts:
        sys.exit(1)


@_example("tanhui token district_officer --scope 310118")
@tanhui.command()
@click.argument("role", type=click.Choice(ROLES))
@click.option("--subject", default="development", help="Holder id of a resident, or a staff id.")
@click.option("--scope", default="", help="Merchant id, partner code or division of the role.")
def token(role: str, subject: str, scope: str) -> None:
    """Print a token of ten minutes for development; refuses when a production key is set."""
    settings = Settings.from_env()
    if settings.token_key_file is not None:
        raise starting.NotReady("a production key is set (TANHUI_TOKEN_KEY_FILE): no tokens here")
    click.echo(tokens(settings).issue(Caller(subject, role, scope), now=datetime.now(UTC)))
