"""The receiver of docs/merchants.md, run as it stands there."""

import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rewards.webhooks.endpoints import secret_of
from service.feeds.signatures import written
from service.webhooks.courier import Courier
from tests.rewards.webhooks.telling import an_endpoint, message, told

GUIDE = Path(__file__).parents[3] / "docs" / "merchants.md"
PROGRAM = re.compile(r"^```python\n(# receive.py\n.*?)^```", re.MULTILINE | re.DOTALL)
KEY = b"k" * 32


@pytest.fixture
def hosts():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def starting(tmp_path, hosts):
    """Runs the guide's program with these secrets until the test ends."""
    (program,) = re.findall(
        r"^```python\n(# receive.py\n.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S
    )
    (tmp_path / "receive.py").write_text(program, "utf-8")
    running = []

    def start(*secrets):
        process = subprocess.Popen(
            [sys.executable, "receive.py", hosts.partition(":")[2]],
            cwd=tmp_path, env={"SECRET": " ".join(secrets)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        assert process.stdout.readline() == "listening\n"

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_it_keeps_what_is_signed_by_its_secrets_and_nothing_else(
    fresh_database, starting, tmp_path, hosts
):
    now, url = datetime.now(UTC), f"http://{hosts}/tanhui"

    def put(session):
        return [an_endpoint(session, url=url) for _ in range(3)]

    first, second, stranger = endpoints = fresh_database.transact(put)
    ids = [
        id_ for e in endpoints for id_ in fresh_database.transact(lambda s, e=e: told(s, e, at=now))
    ]
    starting(*(written(secret_of(KEY, each.id)) for each in (first, second)))

    sent = Courier(private=True).run(fresh_database, KEY, clock=lambda: now, budget_s=30)

    assert sent == {"delivered": 2, "failed": 1}
    found = fresh_database.transact(lambda s: [message(s, id_) for id_ in ids])
    kept = {each.name: each.read_text("utf-8") for each in (tmp_path / "inbox").iterdir()}
    assert kept == {f"{each.id}.json": each.body for each in found if each.state == "delivered"}
    (refused,) = [each for each in found if each.state == "waiting"]
    assert (refused.endpoint_id, refused.last_answer) == (stranger.id, "401")
