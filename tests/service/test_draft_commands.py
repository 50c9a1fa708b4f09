"""``tanhui catalogue load``, ``drafts``, ``impact`` and ``approve``: a version from draft on."""

import json

import click
import pytest
from click.testing import CliRunner

from activities.errors import DraftNeedsSecondPerson, UnknownDraft
from service.cli import tanhui
from tests.makers import a_resident, a_walk, recorded

HEADER = "code,version,programme_code,behaviour_code,parameters,valid_from,valid_to,document"
CAP = '"{""kind"": ""daily_cap"", ""max"": 8000}",2016-01-01,2017-01-01,a test'
PERIOD = ("--from", "2016-04-01", "--to", "2016-04-30")
DRAFT = "rule:walking.cap@2"


@pytest.fixture
def run(fresh_database_url, urls, tmp_path):
    return runner(fresh_database_url, urls, tmp_path)


def runner(database_url, urls, tmp_path):
    environ = {
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
    }

    def say(*words: object) -> str:
        done = CliRunner().invoke(
            tanhui,
            ["catalogue", *map(str, words)],
            env=environ,
            standalone_mode=False,
            catch_exceptions=False,
        )
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return say


@pytest.fixture
def folder(tmp_path):
    """A lower cap on the demo's walking."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "rules.csv").write_text(f"{HEADER}\nwalking.cap,2,demo-2016,walking,{CAP}\n")
    return made


def test_a_folder_of_ones_own_needs_a_name_and_the_bundled_one_takes_none(run, folder):
    with pytest.raises(click.UsageError, match="--by"):
        run("load", folder)
    with pytest.raises(click.UsageError, match="--by"):
        run("load", "--by", "wang")
    assert run("load").startswith("loaded 0 of divisions.csv.gz")
    assert "0 drafts" in run("drafts")


def test_a_draft_from_loading_to_deciding(run, folder, fresh_database):
    holder_id = fresh_database.transact(a_resident)
    fresh_database.transact(lambda s: recorded(s, a_walk(holder_id, 9_000)))
    assert run("load", folder, "--by", "wang") == (
        "loaded 1 of rules.csv; 1 drafts wait for approval\n"
    )

    told = run("drafts")
    assert told.startswith(f"{DRAFT}  demo-2016 walking\n  drafted by wang on 20")
    assert "in place of rule:walking.cap@1:\n    max: 10000 → 8000\n" in told
    assert told.endswith("1 draft for a second person to approve\n")
    (draft,) = json.loads(run("drafts", "--json"))["drafts"]
    assert (draft["name"], draft["drafted_by"], draft["approved_by"]) == (DRAFT, "wang", None)

    shown = run("impact", DRAFT, *PERIOD)
    assert shown.splitlines()[-1] == (
        "1 act from 2016-04-01 to 2016-04-30 replayed: 0 newly verified, 0 newly refused,"
        " 1 granted otherwise; 0.000 g CO2e, -20 points; nothing was written"
    )
    facts = json.loads(run("impact", DRAFT, *PERIOD, "--programme", "demo-2016", "--json"))
    assert (facts["acts"], facts["total"]["regranted"]) == (1, 1)
    assert facts["total"]["before"]["points"] == 180
    assert facts["by_division"]["310118"]["after"] == {
        "grants": 1, "saved_mg_co2e": 180_000, "points": 160, "trimmed_points": 20
    }  # fmt: skip

    with pytest.raises(DraftNeedsSecondPerson):
        run("approve", DRAFT, "--by", "wang")
    first = run("approve", DRAFT, "--by", "li")
    assert first.startswith(f"{DRAFT} is approved by li since 20")
    assert run("approve", DRAFT, "--by", "zhao") == first
    (answer,) = fresh_database.transact(lambda s: recorded(s, a_walk(holder_id, 9_000, day=1)))
    assert (answer.points, answer.trimmed_points) == (160, 20)


@pytest.mark.parametrize(
    "words",
    [
        ("impact", DRAFT, "--from", "2016-05-01", "--to", "2016-04-30"),
        ("impact", DRAFT, "--from", "1999-05-01", "--to", "2016-04-30"),
        ("impact", DRAFT, "--from", "today", "--to", "2016-04-30"),
        ("impact", *PERIOD),
        ("approve", "--by", "li"),
        ("approve", DRAFT, "--by", " "),
        ("approve", DRAFT),
        ("approve", "rule:\0@1", "--by", "li"),
    ],
)
def test_words_that_do_not_fit_are_refused(database_url, urls, tmp_path, words):
    run = runner(database_url, urls, tmp_path)

    with pytest.raises(click.UsageError):
        run(*words)


def test_an_unknown_draft_is_refused(run):
    for words in (("approve", "rule:none@1", "--by", "li"), ("impact", "rule:none@1", *PERIOD)):
        with pytest.raises(UnknownDraft):
            run(*words)
