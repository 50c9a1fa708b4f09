"""/healthz is the process; /readyz names each part that is missing."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from service import migrating
from service.app import create_app
from service.settings import Settings

HEAD = migrating.head()


@contextmanager
def app_on(settings: Settings, **changes: str) -> Iterator[FlaskClient]:
    app = create_app(replace(settings, **changes))
    yield app.test_client()
    app.extensions["tanhui"].database.dispose()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Taken by us and not listened on, so that nobody else does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_all_is_there(client):
    assert client.get("/healthz").json == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "database": "ok", "migrations": "ok", "redis": "ok"}


def test_without_redis_it_is_not_ready_and_says_so(settings, closed_port):
    with app_on(settings, redis_url=f"redis://127.0.0.1:{closed_port}/0") as client:
        answer = client.get("/readyz")
        assert client.get("/healthz").status_code == 200

    assert answer.status_code == 503
    assert answer.json == {
        "status": "unavailable", "database": "ok", "migrations": "ok", "redis": "unreachable"
    }  # fmt: skip


def test_without_a_database_it_is_not_ready_and_says_so(settings, closed_port):
    url = f"postgresql+psycopg://tanhui:secret@127.0.0.1:{closed_port}/tanhui"
    with app_on(settings, database_url=url) as client:
        answer = client.get("/readyz")
        assert client.get("/healthz").status_code == 200

    assert answer.status_code == 503
    assert answer.json == {
        "status": "unavailable",
        "database": "unreachable",
        "migrations": "unknown",
        "redis": "ok",
    }


def test_with_nothing_there_each_part_is_named(settings, closed_port):
    gone = f"127.0.0.1:{closed_port}"
    with app_on(
        settings, database_url=f"postgresql+psycopg://{gone}/x", redis_url=f"redis://{gone}/0"
    ) as client:
        answer = client.get("/readyz")

    assert answer.status_code == 503
    assert (answer.json["database"], answer.json["redis"]) == ("unreachable",) * 2


@pytest.mark.parametrize("revision", ["0003_rewards", "0001_ledger", "base"])
def test_on_a_schema_that_is_behind_it_is_not_ready_until_upgraded(
    settings, fresh_database_url, owner, revision
):
    migrating.downgrade(owner, revision)
    with app_on(settings, database_url=fresh_database_url) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        stands = None if revision == "base" else revision
        assert answer.json["migrations"] == f"at {stands}, not {HEAD}"
        assert answer.json["database"] == "ok"
        migrating.upgrade(owner, now=datetime.now(UTC))
        assert client.get("/readyz").status_code == 200
