"""PostgreSQL or redis away: a clear 503 and recovery by itself, or no difference at all."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from flask import Flask

from activities.catalogue.loading import load
from service import embedded, migrating
from service.app import create_app
from service.db import owner_engine
from service.identity.tokens import Caller
from service.settings import Settings
from tests.makers import a_resident, an_offer
from tests.service.answers import refused


class Outage:
    """An app on a PostgreSQL and a redis of its own, which can be stopped and started."""

    def __init__(self, settings: Settings, var: Path, stack: ExitStack) -> None:
        self.var, self.stack = var, stack
        self.url = stack.enter_context(embedded.postgres(var))
        redis_url = stack.enter_context(embedded.redis(var))
        engine = owner_engine(self.url)
        migrating.upgrade(engine, now=datetime.now(UTC))
        engine.dispose()
        self.app: Flask = create_app(replace(settings, database_url=self.url, redis_url=redis_url))
        self.services = self.app.extensions["tanhui"]
        stack.callback(self.services.database.dispose)
        self.services.database.transact(lambda s: load(s, now=datetime.now(UTC)))

    def stop(self, server: str, how: signal.Signals) -> None:
        pid = int((self.var / f".{server}.pid").read_text())
        os.kill(pid, how)
        wait_until(lambda: server != "postgres" or not self._answers())
        wait_until(lambda: server != "redis" or not self.services.cache.ping())

    def _answers(self) -> bool:
        info = self.url.replace("postgresql+psycopg", "postgresql")
        try:
            psycopg.connect(info, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        self.stack.enter_context(embedded.postgres(self.var))


def wait_until(true) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def outage(settings) -> Iterator[Outage]:
    folder = Path(tempfile.mkdtemp(prefix="tanhui-outage-"))
    folder.chmod(0o711)  # The server's user must pass through, when we are root.
    with ExitStack() as stack:
        for made in (folder, embedded.fallback(folder / "var")):
            stack.callback(shutil.rmtree, made, ignore_errors=True)
        yield Outage(settings, folder / "var", stack)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
def test_postgres_away_is_a_503_and_its_return_is_noticed(outage, how):
    database, client = outage.services.database, outage.app.test_client()
    holder_id = database.transact(lambda s: a_resident(s, points=300))
    offer_id = database.transact(lambda s: an_offer(s).id)
    token = outage.services.tokens.issue(
        Caller(str(holder_id), "resident", ""), now=datetime.now(UTC)
    )
    headers = {"Authorization": f"Bearer {token}"}

    def redeem(id_):
        return client.put(
            f"/v1/redemptions/{id_}", json={"offer_id": str(offer_id)}, headers=headers
        )

    before, during = uuid4(), uuid4()
    assert redeem(before).status_code == 201

    outage.stop("postgres", how)
    for _ in range(2):
        answer = redeem(during)
        refused(answer, 503, "database-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/readyz").json["database"] == "unreachable"
    assert client.get("/healthz").status_code == 200

    outage.start()
    again, first = redeem(during), redeem(before)
    assert (again.status_code, first.status_code) == (201, 201)
    assert again.json == redeem(during).json
    accounts = client.get("/v1/accounts", headers=headers).json["accounts"]
    assert {a["unit"]: a["balance"] for a in accounts}["point"] == 300 - 2 * 120
    assert client.get("/readyz").status_code == 200


def test_redis_away_makes_no_difference_but_to_readiness(outage):
    client = outage.app.test_client()
    with_redis = client.get("/").status_code

    outage.stop("redis", signal.SIGKILL)

    assert (with_redis, client.get("/").status_code) == (200, 200)
    assert client.get("/readyz").json["redis"] == "unreachable"
    assert client.get("/healthz").status_code == 200
