"""The courier: everything due is sent, by how many it may be, and nobody waits for the slow."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from rewards.webhooks import deliveries
from rewards.webhooks.endpoints import secret_of
from rewards.webhooks.outbox import TRIED_FOR
from service.db import Database
from service.jobs import work
from service.services import Services
from service.settings import Settings
from service.webhooks.courier import REST, Courier
from tests.emptying import empty
from tests.rewards.webhooks.telling import NOW, an_endpoint, message, told
from tests.service.webhooks.receivers import receiving

KEY = b"k" * 32
NOBODY_WAITS_S = 25.0  # So long that a test which waited for it would have failed before.


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def url(copied_database):
    with copied_database() as found:
        yield found


@pytest.fixture
def database(url):
    """Without messages of other tests: a courier takes whatever is due."""
    empty(url, "webhook_message", "webhook_endpoint")
    found = Database(url)
    yield found
    found.dispose()


@pytest.fixture
def settle(database, receiver):
    """An endpoint at this path, with so many messages; their ids."""

    def settled(path, count=1, *, key=KEY, at=NOW):
        def put(session):
            endpoint = an_endpoint(session, url=receiver.url + path)
            receiver.secrets[path] = secret_of(key, endpoint.id)
            return [str(id_) for id_ in told(session, endpoint, count, at=at)]

        return database.transact(put)

    return settled


def run(database, courier=None, *, now=NOW):
    courier = courier or Courier(private=True, timeout_s=NOBODY_WAITS_S)
    return courier.run(database, KEY, clock=lambda: now, budget_s=60)


def state_of(database, id_):
    found = database.transact(lambda s: message(s, id_))
    return found.state, found.tries, found.last_answer


def test_what_is_due_is_sent_signed_once(database, receiver, settle):
    ids = settle("/a", 30) + settle("/b", 3)

    assert run(database) == {"delivered": 33, "failed": 0}

    assert sorted(receiver.ids()) == sorted(ids)
    assert all(each.good for each in receiver.got)
    assert {state_of(database, id_) for id_ in ids} == {("delivered", 1, "204")}
    assert run(database) == {"delivered": 0, "failed": 0}


def test_a_receiver_that_is_away_for_two_days_misses_nothing(database, receiver, settle):
    (id_,) = settle("/a")
    receiver.reply = lambda _: "hang up"
    courier, now = Courier(private=True), NOW
    while now < NOW + timedelta(days=2):
        assert run(database, courier, now=now) == {"delivered": 0, "failed": 1}
        now = database.transact(lambda s: message(s, id_).next_at)
    receiver.reply = lambda _: 200

    assert run(database, courier, now=now) == {"delivered": 1, "failed": 0}
    assert set(receiver.ids()) == {id_}
    assert len(receiver.ids()) > 10


def test_one_that_is_away_for_three_days_has_a_dead_letter(database, receiver, settle):
    (id_,) = settle("/a")
    receiver.reply = lambda _: 503
    courier, now = Courier(private=True), NOW
    while state_of(database, id_)[0] == "waiting":
        now = database.transact(lambda s: message(s, id_).next_at)
        run(database, courier, now=now)

    assert now == NOW + TRIED_FOR
    assert state_of(database, id_)[::2] == ("dead", "503")
    before = len(receiver.ids())
    assert run(database, courier, now=now + timedelta(days=1))["failed"] == 0
    assert len(receiver.ids()) == before


def test_gone_is_the_end(database, receiver, settle):
    ids = settle("/a", 5)
    receiver.reply = lambda _: 410

    assert run(database) == {"delivered": 0, "failed": 1}

    assert len(receiver.got) == 1
    assert {state_of(database, id_)[0] for id_ in ids} == {"dead"}


def test_fifty_good_ones_do_not_wait_for_one_that_hangs(database, receiver, settle):
    settle("/slow", 40, at=NOW - timedelta(hours=1))
    for number in range(50):
        settle(f"/good/{number}", 2)
    receiver.reply = lambda got: "hang" if got.path == "/slow" else 204
    counts = []
    runner = Thread(target=lambda: counts.append(run(database)))
    runner.start()

    assert receiver.wait_for(100, "/good")
    assert receiver.wait_for(1, "/slow")
    assert len(receiver.ids("/slow")) <= 4

    receiver.released.set()
    runner.join()
    assert counts[0]["delivered"] == 100


def test_those_who_fail_wait_on_threads_of_their_own(database, receiver, settle):
    for number in range(12):
        settle(f"/slow/{number}", 5, at=NOW - timedelta(hours=1))
    courier, receiver.reply = Courier(private=True, timeout_s=NOBODY_WAITS_S), lambda _: 500
    run(database, courier)
    for number in range(20):
        settle(f"/good/{number}", 2)
    receiver.reply = lambda got: "hang" if got.path.startswith("/slow") else 204
    runner = Thread(target=lambda: run(database, courier, now=NOW + REST))
    runner.start()

    assert receiver.wait_for(40, "/good")

    receiver.released.set()
    runner.join()


def test_who_just_failed_is_left_to_rest(database, receiver, settle):
    settle("/a", 20)
    courier, receiver.reply = Courier(private=True), lambda _: 500

    assert run(database, courier) == {"delivered": 0, "failed": 1}
    assert run(database, courier) == {"delivered": 0, "failed": 0}
    receiver.reply = lambda _: 200
    assert run(database, courier, now=NOW + REST) == {"delivered": 19, "failed": 0}
    assert run(database, courier, now=NOW + timedelta(seconds=6)) == {"delivered": 1, "failed": 0}


def test_two_couriers_at_once_send_nothing_twice(url, receiver, settle):
    ids = [id_ for number in range(6) for id_ in settle(f"/{number}", 40)]
    barrier = Barrier(2)

    def one(_):
        database = Database(url)
        try:
            barrier.wait()
            return run(database)["delivered"]
        finally:
            database.dispose()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(one, range(2))) == len(ids)
    assert sorted(receiver.ids()) == sorted(ids)


def test_a_mistake_of_ours_with_one_message_keeps_no_other(database, receiver, settle, monkeypatch):
    (bad,), (good,) = settle("/bad"), settle("/good")
    courier = Courier(private=True)
    send = courier.sender.send

    def failing(claimed, *args, **kwargs):
        assert str(claimed.id) != bad
        return send(claimed, *args, **kwargs)

    monkeypatch.setattr(courier.sender, "send", failing)

    assert run(database, courier) == {"delivered": 1, "failed": 1}
    assert state_of(database, good)[0] == "delivered"
    assert state_of(database, bad) == ("waiting", 1, "not sent")


@pytest.fixture
def environ(url, urls, tmp_path):
    return {
        "TANHUI_DATABASE_URL": url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
        "TANHUI_WEBHOOK_PRIVATE": "on",
    }


def test_a_runner_killed_while_it_sends_has_the_message_come_again_under_its_id(
    environ, database, receiver, settle
):
    services = Services.connect(Settings.from_env(environ))
    key, now = services.keyring.derived("webhooks"), datetime.now(UTC)
    ids = settle("/a", 3, key=key, at=now)
    receiver.reply = lambda _: "hang"
    runner = subprocess.Popen(
        [sys.executable, "-c", "from service.cli import main; main()", "jobs", "once",
         "send_webhooks"],
        cwd=Path(__file__).parents[3], env=os.environ | environ,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert receiver.wait_for(1)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    (first,) = receiver.ids()
    receiver.reply = lambda _: 204

    later = datetime.now(UTC) + deliveries.LEASE
    assert work.send_webhooks(services, later) == {"delivered": 3, "failed": 0}

    assert sorted(receiver.ids()) == sorted([*ids, first])
    assert all(each.good for each in receiver.got)
    assert state_of(database, first) == ("delivered", 2, "204")
    services.database.dispose()
