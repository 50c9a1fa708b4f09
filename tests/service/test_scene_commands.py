"""``tanhui scenes`` and the job that reminds of a scene's end."""

import json
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from activities.errors import (
    ExtensionNotLater,
    SceneChangeBackdated,
    SceneNeedsSecondPerson,
    SceneStepNotAllowed,
    UnknownProgramme,
    UnknownScene,
)
from ledgers.errors import DomainError
from service.admin.origin import from_command
from service.cli import tanhui
from service.jobs.execution import once
from service.jobs.schedule import named
from service.services import Services
from tests.scenes import ELSEWHERE, a_scene

TODAY = datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai")).date()
TWO = ("--by", "wang", "--approved-by", "li", "--reason", "复核通过")
ONE = ("--by", "wang", "--reason", "停运")


def days(number: int):
    return TODAY + timedelta(days=number)


@pytest.fixture
def environ(database_url, urls, tmp_path) -> dict[str, str]:
    return {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }


@pytest.fixture
def scenes(environ):
    """The command; what it printed."""

    def run(*words: object) -> str:
        done = CliRunner().invoke(
            tanhui,
            ["scenes", *map(str, words)],
            env={name: None for name in os.environ if name.startswith("TANHUI_")} | environ,
            standalone_mode=False,
            catch_exceptions=False,
        )
        return done.stdout

    return run


@pytest.fixture
def scene(database) -> str:
    made = database.transact(
        lambda s: a_scene(s, approved_from=days(-300), approved_to=days(200), consent_version=4)
    )
    return made.code


def line_of(code: str, printed: str) -> str:
    return next(line for line in printed.splitlines() if line.startswith(code + " "))


def test_list_says_how_scenes_stand_and_when_they_end(scenes, database, scene):
    soon = database.transact(lambda s: a_scene(s, approved_to=days(30)).code)
    last = database.transact(lambda s: a_scene(s, approved_to=days(1)).code)
    gone = database.transact(lambda s: a_scene(s, approved_to=days(0)).code)

    printed = scenes("list")

    assert "ends in" in printed.splitlines()[0]
    assert "200 days" in line_of(scene, printed)
    assert "30 days: ask for extension" in line_of(soon, printed)
    assert "1 day: ask for extension" in line_of(last, printed)
    assert "over" in line_of(gone, printed)
    assert printed.splitlines()[-1].endswith("scenes take acts now")
    assert scene not in scenes("list", "--programme", ELSEWHERE)


def test_list_as_json(scenes, scene):
    found = json.loads(scenes("list", "--json"))["scenes"]

    (mine,) = [each for each in found if each["code"] == scene]
    assert (mine["status"], mine["open"], mine["days_left"]) == ("approved", True, 200)
    assert (mine["ends_soon"], mine["consent_text_version"]) == (False, 4)


def test_a_scene_is_suspended_approved_extended_and_ended(scenes, scene):
    assert f"{scene} is suspended from 20" in scenes("suspend", scene, *ONE)
    assert "it takes no acts now" in scenes("show", scene)
    assert f"{scene} is approved from 20" in scenes("approve", scene, *TWO)
    printed = scenes("extend", scene, "--to", days(900), *TWO)
    assert f"{scene} is approved to {days(900)} from 20" in printed
    shown = scenes("show", scene)
    assert "it takes acts now" in shown
    assert "900 days" in shown
    scenes("end", scene, *ONE)

    shown = json.loads(scenes("show", scene, "--json"))

    assert (shown["status"], shown["open"]) == ("ended", False)
    changes = [(each["status"], each["approved_by"]) for each in shown["changes"]]
    assert changes == [
        ("suspended", None),
        ("approved", "li"),
        ("approved", "li"),
        ("ended", None),
    ]
    assert {each["actor"] for each in shown["changes"]} == {"wang"}


def test_a_change_may_be_recorded_for_later(scenes, scene):
    at = f"{days(10)}T00:00:00+08:00"

    assert f"{days(9)} 16:00:00Z" in scenes("end", scene, "--at", at, *ONE)
    assert scenes("end", scene, "--at", at, *ONE)  # Again: a retry.

    shown = json.loads(scenes("show", scene, "--json"))
    assert (shown["status"], len(shown["changes"])) == ("approved", 1)


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("show", "no.such.scene"), UnknownScene),
        (("list", "--programme", "none"), UnknownProgramme),
        (("approve", "SCENE", *TWO), SceneStepNotAllowed),
        (("suspend", "SCENE", "--at", "2020-01-01T00:00:00Z", *ONE), SceneChangeBackdated),
        (("extend", "SCENE", "--to", "2020-01-01", *TWO), ExtensionNotLater),
        (
            ("extend", "SCENE", "--to", "2099-01-01", *ONE, "--approved-by", "Wang"),
            SceneNeedsSecondPerson,
        ),
    ],
)
def test_refusals(scenes, scene, words, refusal: type[DomainError]):
    with pytest.raises(refusal):
        scenes(*(scene if word == "SCENE" else word for word in words))


@pytest.mark.parametrize(
    "words",
    [
        ("end", "x", "--by", " ", "--reason", "r"),
        ("end", "x", "--by", "a", "--reason", "two\nlines"),
        ("end", "x", "--by", "a", "--reason", "r" * 501),
        ("end", "x", "--by", "a"),
        ("approve", "x", *ONE),
        ("end", "x", "--at", "tomorrow", *ONE),
        ("end", "x", "--at", "2027-01-01T00:00:00", *ONE),
        ("end", "x", "--at", "9999-12-31T00:00:00Z", *ONE),
        ("extend", "x", "--to", "01/02/2027", *TWO),
    ],
)
def test_what_is_no_command(scenes, words):
    with pytest.raises(click.UsageError):
        scenes(*words)


def test_the_job_reminds_once_of_a_scene_that_ends_within_three_months(
    services, fresh_database, fresh_database_url, caplog
):
    parts = Services.connect(replace(services.settings, database_url=fresh_database_url))
    code = fresh_database.transact(lambda s: a_scene(s, approved_to=days(30)).code)
    caplog.set_level(logging.WARNING)
    try:
        _, first = once(parts, named("remind_scenes"), who=from_command("anna"))
        _, again = once(parts, named("remind_scenes"), who=from_command("anna"))
    finally:
        parts.database.dispose()

    assert (first.outcome, again.outcome, again.counts) == ("done", "done", {"reminders": 0})
    assert first.counts["reminders"] >= 1  # Bundled scenes end, too.
    told = [record.getMessage() for record in caplog.records if code in record.getMessage()]
    assert told == [f"scene {code} is approved to {days(30)}: ask for its extension"]
