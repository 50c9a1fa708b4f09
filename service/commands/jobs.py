"""``tanhui jobs``: background work."""

import signal
from datetime import UTC, datetime

import click

from service import starting
from service.admin.origin import from_command
from service.commands.failing import fail
from service.jobs import printed
from service.jobs.execution import once
from service.jobs.listing import overview
from service.jobs.runner import Runner, Stop
from service.jobs.schedule import SCHEDULE, named
from service.settings import Settings


@click.group()
def jobs() -> None:
    """Background work: the schedule's jobs, their runner, one job by hand."""


@jobs.command("list", epilog="Example: tanhui jobs list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def jobs_list(as_json: bool) -> None:
    """Each job: when it runs, how it last ended; and which runner works."""
    now = datetime.now(UTC)
    with starting.connected(Settings.from_env()) as services:
        shape = printed.overview_json if as_json else printed.overview_text
        click.echo(
            services.database.transact(lambda session: shape(overview(session, SCHEDULE, now=now)))
        )


@jobs.command("run", epilog="Example: tanhui jobs run")
def jobs_run() -> None:
    """Run the jobs until Ctrl-C; of several runners one works, the others stand by."""
    with starting.connected(Settings.from_env()) as services:
        stop = Stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Runner(services, say=click.echo).run(stop)


@jobs.command("once", epilog="Example: tanhui jobs once make_partitions")
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
        fail(f"{name} failed: {ended.error}")
