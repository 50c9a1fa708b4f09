"""The ``tanhui`` command: views without a request. Each says what it did in one line."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError

from activities.audit import audit as audit_activities
from activities.catalogue.models import Programme
from ledgers.audit import audit as audit_ledger
from ledgers.errors import DomainError
from ledgers.folding import system_balances
from ledgers.log.errors import LogError
from rewards.audit import audit as audit_rewards
from service import distribution, garbage, printing, starting
from service.admin.imports import import_logged
from service.admin.origin import from_command
from service.commands import (
    activities,
    admin_log,
    api_keys,
    catalogue,
    corrections,
    feeds,
    identity,
    keys,
    log,
    review,
    routes,
    scenes,
    simulate,
    staff,
)
from service.db import owner_engine
from service.demo import run_demo
from service.districts.reporting import report
from service.embedded import EmbeddedError
from service.feeds.files import UnreadableFile
from service.feeds.mapping import read_mapping
from service.identity.staff.models import ALL
from service.identity.tokens import ROLES, Caller
from service.jobs import beside, printed
from service.jobs.execution import once
from service.jobs.listing import overview
from service.jobs.runner import Runner, Stop
from service.jobs.schedule import SCHEDULE, named
from service.keys import KeyFileError
from service.services import Services, tokens
from service.settings import Settings, SettingsError

LACKS_PRIVILEGE = "42501"
HEADERS_WITHIN_MS = 10_000  # Who is slower holds a connection for nothing.
HEADERS_MAX_BYTES = 64 * 1024  # A message signed in twenty ways has four.
REFUSALS = (
    distribution.CannotDistribute,
    DomainError,
    EmbeddedError,
    KeyFileError,
    LogError,
    *simulate.REFUSALS,
    SettingsError,
    UnreadableFile,
    starting.NotReady,
)


def main() -> None:
    """Run a command; a refusal is one line on standard error and exit status 1."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Leave the servers properly.
    garbage.settle()
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
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    settings = services.settings
    job_runner: AbstractContextManager[None] = nullcontext()
    if Settings.from_env().database_url is None:  # Else the operator has runners where they want.
        job_runner = beside.runner(dict(os.environ), say=lambda line: click.echo(line, err=True))
    assert settings.database_url
    assert settings.redis_url
    os.environ["TANHUI_DATABASE_URL"] = settings.database_url  # Workers read their settings anew.
    os.environ["TANHUI_REDIS_URL"] = settings.redis_url
    os.environ["TANHUI_VAR_DIR"] = str(settings.var_dir)
    services.database.dispose()
    click.echo(f"serving at http://{settings.host}:{settings.port} (Ctrl-C stops)")
    server = Granian(
        "wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=8,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADERS_WITHIN_MS, max_buffer_size=HEADERS_MAX_BYTES
        ),
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_access=False,
        websockets=False,
    )
    with job_runner:
        server.serve()


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


tanhui.add_command(admin_log.admin_log)
tanhui.add_command(log.log)
tanhui.add_command(identity.identity)
tanhui.add_command(feeds.feeds)
tanhui.add_command(keys.keys)
tanhui.add_command(corrections.corrections)
tanhui.add_command(activities.activities)
tanhui.add_command(review.review)
tanhui.add_command(review.appeals)
tanhui.add_command(scenes.scenes)
tanhui.add_command(routes.command, "routes")
tanhui.add_command(simulate.command)
tanhui.add_command(staff.staff)
tanhui.add_command(api_keys.api_keys)


@_example("tanhui db distribute --dry-run")
@db.command()
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


@tanhui.group()
def jobs() -> None:
    """Background work: the schedule's jobs, their runner, one job by hand."""


@_example("tanhui jobs list")
@jobs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def jobs_list(as_json: bool) -> None:
    """Each job: when it runs, how it last ended; and which runner works."""
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:
        shape = printed.overview_json if as_json else printed.overview_text
        click.echo(
            services.database.transact(lambda session: shape(overview(session, SCHEDULE, now=now)))
        )


@_example("tanhui jobs run")
@jobs.command("run")
def jobs_run() -> None:
    """Run the jobs until Ctrl-C; of several runners one works, the others stand by."""
    with starting.connected(Settings.from_env()) as services:
        stop = Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Runner(services, say=click.echo).run(stop)


@_example("tanhui jobs once make_partitions")
@jobs.command("once")
@click.argument("name", type=click.Choice([job.name for job in SCHEDULE]), metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def jobs_once(name: str, as_json: bool) -> None:
    """Run one job now, whichever runner works; exit 1 with the reason when it fails."""
    with starting.connected(Settings.from_env()) as services:
        run, ended = once(services, named(name), who=from_command())
    if as_json:
        click.echo(printed.run_json(run, ended))
    elif ended.error is None:
        click.echo(printed.run_text(run, ended))
    if ended.error is not None:
        _fail(f"{name} failed: {ended.error}")


tanhui.add_command(catalogue.catalogue)


@_example("tanhui import trips.csv --scene demo.bike --dry-run")
@tanhui.command("import")
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

    Balances, lots, holds, snapshots, the programmes' own accounts, activities, redemptions, and
    the published log leaf by leaf. Shows what each programme issued, redeemed and so on.
    """
    with (
        starting.connected(Settings.from_env()) as services,
        services.database.snapshot(unhurried=True) as session,
        printing.audit_progress() as progress,
    ):
        drifts = [
            *audit_ledger(session, services.log.folder, progress=progress),
            *audit_activities(session, progress=progress),
            *audit_rewards(session, progress=progress),
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
@click.option("--programme", default=ALL, help="Staff's programme; every one when not said.")
def token(role: str, subject: str, scope: str, programme: str) -> None:
    """Print a token of ten minutes for development; refuses when a production key is set."""
    settings = Settings.from_env()
    if settings.token_key_file is not None:
        raise starting.NotReady("a production key is set (TANHUI_TOKEN_KEY_FILE): no tokens here")
    caller = Caller(subject, role, scope, "" if role == "resident" else programme)
    click.echo(tokens(settings).issue(caller, now=datetime.now(UTC)))
