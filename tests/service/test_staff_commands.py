"""``tanhui staff`` and ``tanhui api-keys``: how the first administrator comes to be."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from service.admin.models import AdminAct
from service.cli import tanhui
from service.demo_shops import DEMO_PROGRAMME
from service.identity.staff import invitations
from service.identity.staff.errors import LoginTaken, NotForOneself, UnknownMember
from service.identity.staff.passwords import Passwords
from service.services import Services
from service.settings import Settings
from tests.service.staffing import PASSWORD, a_clerk, a_merchant, cheap_app, client_elsewhere


@pytest.fixture(scope="module")
def app(settings, copied_database):
    yield from cheap_app(settings, copied_database)


@pytest.fixture
def run(settings, services, urls) -> Callable[..., Result]:
    return _runner(services.settings.database_url, settings, urls)


@pytest.fixture
def own(settings, fresh_database_url, urls) -> Callable[..., Result]:
    """Commands on a database where nobody is of the staff yet."""
    return _runner(fresh_database_url, settings, urls)


def _runner(
    database_url: str | None, settings: Settings, urls: dict[str, str]
) -> Callable[..., Result]:
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(settings.var_dir),
    }

    def run(*words: object) -> Result:
        return CliRunner().invoke(
            tanhui,
            [str(word) for word in words],
            env={name: None for name in os.environ if name.startswith("TANHUI_")} | environ,
            standalone_mode=False,
        )

    return run


def test_the_first_administrator_comes_by_commands(own, fresh_database):
    added = own("staff", "add", "li.na", "--name", "李娜", "--by", "root")
    granted = own("staff", "grant", "li.na", "administrator", "--by", "root")

    assert (added.exit_code, granted.exit_code) == (0, 0), (added.output, granted.exception)
    assert len(_invitation(added)) == 43
    assert granted.stdout.strip().endswith("li.na is administrator of every programme")
    (one,) = json.loads(own("staff", "list", "--json").stdout)
    assert (one["login"], one["state"]) == ("li.na", "invited")
    assert [each["role"] for each in one["grants"]] == ["administrator"]
    assert "1 staff" in own("staff", "list").stdout
    acts = fresh_database.transact(
        lambda s: s.scalars(select(AdminAct).order_by(AdminAct.id)).all()
    )
    assert [(act.what, act.actor, act.channel) for act in acts] == [
        ("staff.add", "root", "command"),
        ("staff.grant", "root", "command"),
    ]
    assert all("@" in act.from_address for act in acts)


def test_a_printed_invitation_lets_in(run, services: Services):
    login = f"li-{uuid4().hex[:8]}"
    by = _somebody(services)
    printed = _invitation(run("staff", "add", login, "--name", "李娜", "--by", by))

    begun = invitations.begin(services, printed, PASSWORD, now=datetime.now(UTC))

    assert login in begun.otpauth_uri


def _invitation(printed: Result) -> str:
    page, _, invitation = printed.stdout.strip().rpartition("/")
    assert re.fullmatch(r"https?://.+/staff/invitation", page)
    return invitation


def _somebody(services: Services) -> str:
    return a_clerk(services, None).login


def test_block_unblock_reset_and_end_say_what_they_did(run, app, services):
    by = _somebody(services)
    clerk = a_clerk(services, client_elsewhere(app), "operator")

    assert (
        f"{clerk.login} is blocked since" in run("staff", "block", clerk.login, "--by", by).stdout
    )
    assert (
        run("staff", "unblock", clerk.login, "--by", by).stdout == f"{clerk.login} is not blocked\n"
    )
    words = ("staff", "grant", clerk.login, "auditor", "--programme", DEMO_PROGRAMME, "--by", by)
    said = run(*words).stdout
    grant_id = said.split()[1].rstrip(":")
    ended = run("staff", "end-grant", clerk.login, grant_id, "--by", by).stdout
    assert ended.startswith(f"grant {grant_id} of {clerk.login} ended at 20")
    reset = run("staff", "reset", clerk.login, "--by", by)
    assert f"{clerk.login} is invited until 20" in reset.stderr
    assert len(_invitation(reset)) == 43


def test_the_only_administrator_gets_in_again_by_the_machine(run, services, app):
    login = _somebody(services)

    assert len(_invitation(run("staff", "reset", login, "--by", login))) == 43


def test_a_refusal_is_one_line(run, services):
    by, clerk = _somebody(services), _somebody(services)

    for words, refusal in (
        (("staff", "add", clerk, "--name", "x", "--by", by), LoginTaken),
        (("staff", "block", "nobody-at-all", "--by", by), UnknownMember),
        (("staff", "block", clerk, "--by", "nobody-at-all"), UnknownMember),
        (("staff", "grant", by, "operator", "--by", by), NotForOneself),
    ):
        done = run(*words)
        assert isinstance(done.exception, refusal), (words, done.output)
        assert "\n" not in str(done.exception)
    assert run("staff", "add", "Li Na", "--name", "x", "--by", by).exit_code != 0


def test_other_commands_names_are_checked_once_there_are_staff(run, services):
    by = _somebody(services)
    for words in (
        ("scenes", "suspend", "demo.bike", "--reason", "x"),
        ("review", "approve", uuid4(), "--reason", "x"),
        ("appeals", "answer", uuid4(), "uphold", "--text", "x"),
        ("catalogue", "approve", "factor:METRO.SH"),
        ("feeds", "key", "new", "tfl-sample"),
        ("feeds", "key", "retire", uuid4()),
        ("corrections", "recompute", "--programme", DEMO_PROGRAMME, "--from", "2016-04-01", "--to",
         "2016-04-02", "--approved-by", by, "--reason", "x"),
        ("scenes", "approve", "demo.bike", "--approved-by", by, "--reason", "x"),
    ):  # fmt: skip
        done = run(*words, "--by", "nobody-at-all")
        assert isinstance(done.exception, UnknownMember), (words, done.exception)
    done = run("scenes", "approve", "demo.bike", "--by", by, "--approved-by", "nobody-at-all",
               "--reason", "x")  # fmt: skip
    assert isinstance(done.exception, UnknownMember)


def test_a_key_of_a_system_by_commands(run, services):
    by, merchant_id = _somebody(services), a_merchant(services)

    words = ("api-keys", "new", "merchant", merchant_id, "--name", "till", "--by", by)
    made = run(*words, "--scope", "consumptions")

    assert made.exit_code == 0, made.exception
    written = made.stdout.strip()
    assert written.startswith("tk_")
    listed = run("api-keys", "list", "--owner", merchant_id, "--json")
    (key,) = json.loads(listed.stdout)
    assert (key["scopes"], key["made_by"]) == (["consumptions"], by)
    assert written[36:] not in listed.stdout
    assert run(*words, "--scope", "everything").exit_code != 0
    assert run(*words).exit_code == 0
    (whole,) = (
        each["scopes"]
        for each in json.loads(run("api-keys", "list", "--owner", merchant_id, "--json").stdout)
        if each["id"] != key["id"]
    )
    assert whole == ["consumptions", "offers", "scans", "settlements", "webhooks"]
    retired = run("api-keys", "retire", key["id"], "--by", by)
    assert f"key {key['id']} of {merchant_id} ended at 20" in retired.stdout
    assert written[:10] not in run("api-keys", "list").stdout


def test_each_command_has_an_example():
    for group in ("staff", "api-keys"):
        for command in tanhui.get_command(click.Context(tanhui), group).commands.values():
            assert command.epilog.startswith(f"Example: tanhui {group} {command.name}")


def test_nothing_is_hashed_to_put_the_parts_together(monkeypatch):
    """Each process starts with a dummy; hashing one would cost every command its 20 ms."""
    monkeypatch.setattr("argon2.PasswordHasher.hash", None)
    assert Passwords.of().dummy
