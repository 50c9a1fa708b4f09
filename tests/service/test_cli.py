"""The command line as people use it: one clear line when it cannot, also of real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, text

from service.cli import tanhui
from service.identity.tokens import ROLES
from service.services import tokens
from service.settings import Settings
from tests.makers import a_resident, an_offer
from tests.service.commanding import in_process

pytestmark = pytest.mark.once

TANHUI = Path(sys.executable).with_name("tanhui")


@pytest.fixture
def environ(database_url, urls, tmp_path) -> dict[str, str]:
    clean = {name: v for name, v in os.environ.items() if not name.startswith("TANHUI_")}
    return clean | {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }


@pytest.fixture
def run(environ):
    return in_process(environ)


@pytest.fixture
def started(environ):
    """The same as a process of its own."""

    def run(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TANHUI, *words],
            env=environ | more, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on standard error."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tanhui: ")
    return lines[0]


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(context := click.Context(group)):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


@pytest.mark.parametrize("words", list(commands(tanhui)), ids=" ".join)
def test_every_command_has_help_with_an_example(words):
    told = CliRunner().invoke(tanhui, [*words, "--help"])

    assert told.exit_code == 0
    assert f"tanhui {' '.join(words)}" in told.output.split("Example: ")[1]


def test_a_missing_column_is_exit_1_with_its_name(started, tmp_path):
    file = tmp_path / "trips.csv"
    file.write_text("Rental.Id,Duration\n1,2\n", encoding="utf-8")

    assert "column Start.Date is missing" in refused(
        started("import", file, "--scene", "demo.bike")
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("import", "no-such.csv", "--scene", "demo.bike"), "no such file"),
        (("import", __file__, "--scene", "no.scene"), "no scene 'no.scene'"),
        (("report", "999999", "--month", "2016-04"), "no division '999999'"),
        (("report", "310118", "--month", "2199-01"), "is not over"),
        (("catalogue", "load", "/nonexistent", "--by", "wang"), "holds none of"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_1(run, words, why):
    assert why in refused(run(*words))


def test_wrong_settings_are_all_named_at_once(started):
    line = refused(started("db", "status", TANHUI_PORT="x", TANHUI_TYPO="1"))

    assert "TANHUI_PORT" in line
    assert "TANHUI_TYPO is not a setting" in line


def test_an_absent_database_is_one_line(started):
    url = "postgresql://nobody:secret@127.0.0.1:1/none"

    line = refused(started("audit", TANHUI_DATABASE_URL=url))

    assert "the database does not answer" in line
    assert "secret" not in line


def test_a_schema_that_is_not_ours_is_said(run, owner, fresh_database_url):
    from service import migrating

    migrating.downgrade(owner, "0002_activities")

    line = refused(run("audit", TANHUI_DATABASE_URL=fresh_database_url))

    assert "tanhui db upgrade" in line
    upgraded = run("db", "upgrade", TANHUI_DATABASE_URL=fresh_database_url)
    assert upgraded.stdout.startswith(f"schema at {migrating.head()}, partitions until 20")


@pytest.fixture
def weak_user(owner, fresh_database_url) -> Iterator[str]:
    """The URL of a user who may connect, and no more."""
    name = f"weak_{uuid4().hex[:8]}"
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'weak'"))
    url = make_url(fresh_database_url).set(username=name, password="weak")
    yield url.render_as_string(hide_password=False)
    with owner.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


def test_a_user_without_the_privileges_is_one_line(run, weak_user):
    for words in (("db", "upgrade"), ("audit",)):
        line = refused(run(*words, TANHUI_DATABASE_URL=weak_user))
        assert "docs/operators.md" in line
        assert "permission denied" in line


def test_a_port_in_use_is_one_line(started):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        for command in ("serve", "demo"):
            assert f"cannot listen on 127.0.0.1:{port}" in refused(
                started(command, TANHUI_PORT=str(port))
            )


def test_a_data_folder_that_is_not_ours_is_one_line_and_untouched(started, tmp_path):
    folder = tmp_path / "var" / "postgres"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("mine", encoding="utf-8")

    line = refused(started("db", "status", TANHUI_DATABASE_URL=""))

    assert str(folder) in line
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("role", ROLES)
def test_a_token_is_believed_by_the_service(run, environ, role):
    subject = str(uuid4())
    done = run("token", role, "--subject", subject, "--scope", "310118")

    caller = tokens(Settings.from_env(environ)).check(done.stdout.strip())

    assert (caller.role, caller.subject, caller.scope) == (role, subject, "310118")


def test_no_development_token_where_a_production_key_is_set(started, tmp_path):
    from service.keys import token_keys

    token_keys(tmp_path / "production.pem")

    done = started("token", "operator", TANHUI_TOKEN_KEY_FILE=str(tmp_path / "production.pem"))

    assert "a production key is set" in refused(done)
    assert done.stdout == ""


def test_a_month_that_is_not_issued_says_so(run):
    assert "is not issued" in refused(run("report", "310118", "--month", "1999-01"))


def test_the_catalogue_lists_its_sources(run):
    told = run("catalogue", "list").stdout

    assert "WALK_STEP.WH 0.02 g/step" in told
    assert "北京绿色生活季平台" in told


class Served:
    """A running ``tanhui serve``."""

    def __init__(self, environ: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [TANHUI, "serve"],
            env=environ | {"TANHUI_PORT": str(self.port), "TANHUI_WORKERS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def wait(self) -> None:
        deadline = time.monotonic() + 40
        while True:
            try:
                self.get("/healthz")
                return
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, self.process.communicate()[0]
                assert time.monotonic() < deadline
                select_nothing()

    def get(self, path: str, **headers: str) -> bytes:
        return self.send("GET", path, None, headers)

    def send(self, method: str, path: str, body: object, headers: dict[str, str]) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return self.process.returncode


def select_nothing() -> None:
    """Give the server a moment: returns when a tenth of a second has passed."""
    import select

    select.select([], [], [], 0.1)


def test_serve_answers_over_http_and_stops_at_ctrl_c(environ, database, run):
    holder_id = database.transact(lambda s: a_resident(s, points=300))
    offer_id = database.transact(lambda s: an_offer(s).id)
    token = run("token", "resident", "--subject", str(holder_id)).stdout.strip()
    served = Served(environ)
    try:
        served.wait()
        ready = json.loads(served.get("/readyz"))
        assert ready == {
            "status": "ok", "database": "ok", "migrations": "ok", "redis": "ok",
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answers = [
            json.loads(served.send("PUT", f"/v1/redemptions/{holder_id}",
                                   {"offer_id": str(offer_id)}, headers))
            for _ in range(2)
        ]  # fmt: skip
        assert answers[0] == answers[1]
        accounts = json.loads(served.get("/v1/accounts", **headers))["accounts"]
        assert {a["unit"]: a["balance"] for a in accounts}["point"] == 180
        assert b"<html" in served.get("/")
    finally:
        code = served.interrupt()
    assert code == 0
