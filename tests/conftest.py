"""Real servers for the whole run, a migrated database for each worker, and the app on top.

The controller starts PostgreSQL and Redis (or takes those of TANHUI_TEST_DATABASE_URL and
TANHUI_TEST_REDIS_URL), migrates a template once, and each worker copies it. Tests of one worker
share a database: each makes its own residents and looks at them alone. A test that counts
everything asks for ``fresh_database``.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Cursor
from psycopg.abc import Query
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from activities.catalogue.loading import load
from service import embedded, migrating
from service.app import create_app
from service.db import Database, owner_engine
from service.identity.keyring import Keyring
from service.identity.tokens import Caller
from service.services import Services
from service.settings import Settings
from tests.memory import in_memory

# The same tree gives the same answer; `make soak` looks for what has not been thought of yet.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.register_profile("random", derandomize=False)
hypothesis.settings.load_profile("fixed")

MEMORY_BYTES = 8_000_000_000  # All workers' databases and their log take a tenth of it.
_SERVERS = pytest.StashKey[ExitStack]()
_URLS = pytest.StashKey[dict[str, str]]()
COPIES = {"copied_database", "copy_of", "fresh_database_url"}  # Who asks for one has its own.


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once, in the controller (or in the only process)."""
    if hasattr(config, "workerinput"):
        config.stash[_URLS] = config.workerinput["tanhui"]
        _keep_bytecode(config)
        return
    if config.option.collectonly:
        return
    stack = ExitStack()
    config.stash[_SERVERS] = stack
    try:
        config.stash[_URLS] = _start(stack)
    except BaseException:
        stack.close()
        raise
    _keep_bytecode(config)


def _keep_bytecode(config: pytest.Config) -> None:
    """Else each program that the tests start compiles ours again: half a second."""
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = config.stash[_URLS]["bytecode"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """TANHUI_TEST_SERVERS_ONLY: only those that reach the servers, where all have run already.

    Of the service's tests only those on the worker's own database, and those of districts: to copy
    one takes such a server a second, and the others' statements are those of the packages below.
    """
    if os.environ.get("TANHUI_TEST_SERVERS_ONLY"):
        service = config.rootpath / "tests" / "service"
        others = [
            item
            for item in items
            if "urls" not in getattr(item, "fixturenames", ())
            or item.get_closest_marker("once")
            or (
                item.path.is_relative_to(service)
                and not item.path.is_relative_to(service / "districts")
                and COPIES & set(item.fixturenames)
            )
        ]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


def pytest_configure_node(node: object) -> None:
    """Tell each xdist worker where the servers are."""
    node.workerinput["tanhui"] = node.config.stash[_URLS]  # type: ignore[attr-defined]


def pytest_unconfigure(config: pytest.Config) -> None:
    if (stack := config.stash.get(_SERVERS, None)) is not None:
        stack.close()


def _start(stack: ExitStack) -> dict[str, str]:
    folder = Path(tempfile.mkdtemp(prefix="tanhui-test-", dir=in_memory(MEMORY_BYTES)))
    folder.chmod(0o711)  # The server's user must pass through, when we are root.
    for made in (folder, embedded.fallback(folder)):
        stack.callback(shutil.rmtree, made, ignore_errors=True)
    server = os.environ.get("TANHUI_TEST_DATABASE_URL")
    if server is None:
        server = stack.enter_context(embedded.postgres(folder))
    redis = os.environ.get("TANHUI_TEST_REDIS_URL")
    if redis is None:
        redis = stack.enter_context(embedded.redis(folder))
    server = "postgresql+psycopg://" + server.partition("://")[2]
    template = f"tanhui_test_{uuid4().hex[:12]}"
    _execute(server, f'CREATE DATABASE "{template}"')
    stack.callback(_drop_all, server, template)
    url = _named(server, template)
    engine = owner_engine(url)
    migrating.upgrade(engine, now=datetime.now(UTC))
    engine.dispose()
    database = Database(url)
    database.transact(lambda session: load(session, now=datetime.now(UTC)))
    database.dispose()
    bytecode = str(folder / "bytecode")
    return {"server": server, "template": template, "redis": redis, "bytecode": bytecode}


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _execute(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _drop_all(server: str, template: str) -> None:
    """Drop the template and what was copied from it, also by a worker that died."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        names = connection.scalars(
            text("SELECT datname FROM pg_database WHERE starts_with(datname, :template)"),
            {"template": template},
        ).all()
        for name in names:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    engine.dispose()


@pytest.fixture(scope="session")
def urls(pytestconfig: pytest.Config) -> dict[str, str]:
    return pytestconfig.stash[_URLS]


@contextmanager
def _copied(urls: dict[str, str], template: str | None = None) -> Iterator[str]:
    name = f"{urls['template']}_{uuid4().hex[:8]}"
    # file_copy: a handful of large files rather than every page through the log.
    _execute(
        urls["server"],
        f'CREATE DATABASE "{name}" TEMPLATE "{template or urls["template"]}" STRATEGY file_copy',
    )
    try:
        yield _named(urls["server"], name)
    finally:
        _execute(urls["server"], f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def copied_database(urls: dict[str, str]) -> Callable[[], AbstractContextManager[str]]:
    """Further databases of a test's own, by URL."""
    return lambda: _copied(urls)


@pytest.fixture(scope="session")
def copy_of(urls: dict[str, str]) -> Callable[[str], AbstractContextManager[str]]:
    """A copy of a database that a module filled, by URL; nobody may be connected to that."""
    return lambda url: _copied(urls, make_url(url).database)


@pytest.fixture(scope="session")
def database_url(urls: dict[str, str]) -> Iterator[str]:
    """This worker's database: migrated, catalogue loaded."""
    with _copied(urls) as url:
        yield url


@pytest.fixture
def fresh_database_url(urls: dict[str, str]) -> Iterator[str]:
    """A database of the test's own."""
    with _copied(urls) as url:
        yield url


@pytest.fixture(scope="session")
def database(database_url: str) -> Iterator[Database]:
    """As the service sees it: in its role, with real commits."""
    found = Database(database_url)
    yield found
    found.dispose()


@pytest.fixture
def fresh_database(fresh_database_url: str) -> Iterator[Database]:
    found = Database(fresh_database_url)
    yield found
    found.dispose()


@pytest.fixture
def owner(fresh_database_url: str) -> Iterator[Engine]:
    """The owner of the fresh database's tables: may do what the service may not."""
    engine = owner_engine(fresh_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """A session whose work is rolled back: a commit in the code under test ends a savepoint."""
    with database.engine.connect() as connection, connection.begin() as outermost:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outermost.rollback()


@pytest.fixture(scope="session")
def settings(
    database_url: str, urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path_factory.mktemp("var")),
        "TANHUI_RATE_LIMITS": "off",  # The tests of the limits make an app of their own.
    }
    return Settings.from_env(environ)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    made.extensions["tanhui"].database.dispose()


@pytest.fixture
def services(app: Flask) -> Services:
    found: Services = app.extensions["tanhui"]
    return found


@pytest.fixture
def keyring(services: Services) -> Keyring:
    return services.keyring


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def bearer(services: Services) -> Bearer:
    """Headers of a caller: ``bearer("resident", subject)``. Staff have every programme."""

    def headers(
        role: str, subject: object = "tester", scope: object = "", **more: str
    ) -> dict[str, str]:
        programme = "" if role == "resident" else more.pop("programme", "*")
        caller = Caller(str(subject), role, str(scope), programme, **more)
        return {"Authorization": f"Bearer {services.tokens.issue(caller, now=datetime.now(UTC))}"}

    return headers


@pytest.fixture
def statements() -> Callable[[], AbstractContextManager[list[str]]]:
    """The SQL statements sent meanwhile to any database, COPY among them."""

    @contextmanager
    def listening() -> Iterator[list[str]]:
        seen: list[str] = []
        execute, copy = Cursor.execute, Cursor.copy

        def heard(method: Any) -> Any:
            def listen(cursor: Cursor, statement: Query, *args: Any, **kwargs: Any) -> Any:
                # Sent along at no one's cost, and the pool's question whether a connection lives.
                if not str(statement).startswith("SET LOCAL") and statement != ";":
                    seen.append(str(statement))
                return method(cursor, statement, *args, **kwargs)

            return listen

        Cursor.execute = heard(execute)  # type: ignore[method-assign]
        Cursor.copy = heard(copy)  # type: ignore[method-assign]
        try:
            yield seen
        finally:
            Cursor.execute = execute  # type: ignore[method-assign]
            Cursor.copy = copy  # type: ignore[method-assign]

    return listening


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: some tests wait for processes that they started."""
    return (os.cpu_count() or 1) + 1
