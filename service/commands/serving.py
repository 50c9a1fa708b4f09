"""``tanhui serve`` and ``tanhui demo``: the API and the pages, until Ctrl-C."""

import os
from contextlib import AbstractContextManager, nullcontext

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from service import printing, starting
from service.demo import run_demo
from service.jobs import beside
from service.services import Services
from service.settings import Settings

HEADERS_WITHIN_MS = 10_000  # Who is slower holds a connection for nothing.
HEADERS_MAX_BYTES = 64 * 1024  # A message signed in twenty ways has four.


@click.command(epilog="Example: TANHUI_PORT=8080 tanhui serve")
def serve() -> None:
    """Migrate, then run the API and the pages until Ctrl-C."""
    settings = Settings.from_env()
    starting.check_port(settings.host, settings.port)
    with starting.connected(settings, migrate=True) as services:
        _serve(services)


def _serve(services: Services) -> None:
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


@click.command(epilog="Example: tanhui demo --no-serve --json")
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
