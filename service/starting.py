"""How commands come to running servers: those that settings name, or the default set-up's."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from service import embedded, migrating
from service.db import owner_engine
from service.errors import CommandRefused
from service.services import Services
from service.settings import Settings


class NotReady(CommandRefused):
    """The command cannot run as things stand; one line says what to do."""


@contextmanager
def servers(settings: Settings) -> Iterator[Settings]:
    """Settings with both URLs; servers of the default set-up run until the last user leaves."""
    with ExitStack() as stack:
        database_url, redis_url = settings.database_url, settings.redis_url
        if database_url is None:
            database_url = stack.enter_context(embedded.postgres(settings.var_dir))
        if redis_url is None:
            redis_url = stack.enter_context(embedded.redis(settings.var_dir))
        yield replace(settings, database_url=database_url, redis_url=redis_url)


@contextmanager
def connected(settings: Settings, *, migrate: bool = False) -> Iterator[Services]:
    """The parts, on running servers and a current schema.

    Migrates when asked to, and always in the default set-up, whose database is nobody else's.
    Raises NotReady where a given database needs ``tanhui db upgrade`` first.
    """
    with servers(settings) as running:
        upgrade_or_check(running, migrate=migrate or settings.database_url is None)
        services = Services.connect(running)
        try:
            yield services
        finally:
            services.database.dispose()


def upgrade_or_check(running: Settings, *, migrate: bool) -> migrating.SchemaStatus:
    """Bring the schema to this program's head, or refuse to go on without it."""
    assert running.database_url
    engine = owner_engine(running.database_url)
    try:
        if migrate:
            return migrating.upgrade(engine, now=datetime.now(UTC))
        with engine.connect() as connection:
            found = migrating.status(connection)
    finally:
        engine.dispose()
    if not found.current:
        raise NotReady(f"the schema is at {found.revision}, not {found.head}: tanhui db upgrade")
    return found


def check_port(host: str, port: int) -> None:
    """Raises NotReady when something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotReady(
                f"cannot listen on {host}:{port}: {error.strerror}; set TANHUI_PORT"
            ) from error
