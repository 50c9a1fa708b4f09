"""``tanhui corrections``: a period recomputed, said in one line, and safe to repeat."""

import json
import os
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from activities.errors import UnknownBehaviour, UnknownProgramme
from ledgers.errors import SecondPersonNeeded
from service.cli import tanhui
from tests.catalogues import found_wrong
from tests.makers import a_resident, a_walk, balance, recorded
from tests.service.answers import nothing_written

OF_APRIL = ("--programme", "demo-2016", "--from", "2016-04-01", "--to", "2016-04-30")
TWO = ("--by", "anna", "--approved-by", "ben", "--reason", "因子有误")


@pytest.fixture
def recompute(fresh_database_url, urls, tmp_path):
    """The command; what it printed."""
    environ = {
        "TANHUI_DATABASE_URL": fresh_database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }

    def run(*words: str) -> str:
        done = CliRunner().invoke(
            tanhui,
            ["corrections", "recompute", *words],
            env={name: None for name in os.environ if name.startswith("TANHUI_")} | environ,
            standalone_mode=False,
            catch_exceptions=False,
        )
        if done.exception is not None:
            raise done.exception
        return done.stdout

    return run


@pytest.fixture
def holder_id(fresh_database) -> UUID:
    """A resident who walked on two days, before a step was found to save half as much."""

    def work(session) -> UUID:
        found = a_resident(session)
        recorded(session, a_walk(found, 5_000), a_walk(found, 12_001, day=1))
        found_wrong(session, 10_000)
        return found

    return fresh_database.transact(work)


def test_it_says_what_it_did_and_again_there_is_nothing_to_do(fresh_database, recompute, holder_id):
    assert recompute(*OF_APRIL, *TWO) == (
        "looked at 2 activities, changed 2: -170.010 g CO2e, -150 points\n"
    )
    assert fresh_database.transact(lambda s: balance(s, holder_id)) == 150
    with nothing_written(fresh_database):
        assert recompute(*OF_APRIL, *TWO, "--behaviour", "walking") == (
            "looked at 2 activities, changed 0: +0.000 g CO2e, +0 points\n"
        )


def test_a_dry_run_says_it_and_writes_nothing(fresh_database, recompute, holder_id):
    with nothing_written(fresh_database):
        found = json.loads(recompute(*OF_APRIL, *TWO, "--dry-run", "--json"))

    assert found == {
        "dry_run": True,
        "activities": 2,
        "changed": 2,
        "saved_mg_co2e": -170_010,
        "points": -150,
        "without_method": 0,
    }
    assert recompute(*OF_APRIL, *TWO, "--dry-run").startswith(
        "looked at 2 activities, would change"
    )


def test_what_is_refused(fresh_database, recompute, holder_id):
    with nothing_written(fresh_database):
        with pytest.raises(SecondPersonNeeded):
            recompute(*OF_APRIL, "--by", "anna", "--approved-by", "anna", "--reason", "x")
        with pytest.raises(UnknownBehaviour):
            recompute(*OF_APRIL, *TWO, "--behaviour", "flying")
        with pytest.raises(UnknownProgramme):
            recompute(*OF_APRIL, *TWO, "--programme", "nowhere")
        for words in (
            (*OF_APRIL, *TWO, "--to", "2016-03-31"),
            (*OF_APRIL, *TWO, "--reason", " "),
            (*OF_APRIL, *TWO, "--from", "yesterday"),
            OF_APRIL,
        ):
            with pytest.raises(click.UsageError):
                recompute(*words)
