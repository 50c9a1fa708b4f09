"""``tanhui catalogue check``: what it says, and that it needs no server."""

import pytest
from click.testing import CliRunner

from activities.catalogue.loading import BUNDLED
from service.commands.catalogue import catalogue


@pytest.fixture
def check(monkeypatch):
    """Run the command where no server is to be had."""
    monkeypatch.setenv("TANHUI_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    return lambda *words: CliRunner().invoke(catalogue, ["check", *words])


def test_the_bundled_files_are_fine(check):
    told = check()

    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.startswith("14 files, 46,")
    assert told.stdout.endswith(" rows: fine\n")


def test_every_problem_is_a_line_and_the_exit_status_is_1(check, tmp_path):
    lines = (BUNDLED / "tariffs.csv").read_text(encoding="utf-8").splitlines()[:2]
    wrong = lines[1].replace("demo-2016", "none").replace(",1000,", ",0,")
    (tmp_path / "tariffs.csv").write_text("\n".join([lines[0], wrong]) + "\n", encoding="utf-8")

    told = check(str(tmp_path))

    assert told.exit_code == 1
    assert told.stdout.splitlines() == [
        "tariffs.csv line 2: mg_co2e_per_point is 0, not from 1 to 1000000000",
        "tariffs.csv line 2: programme_code: none is unknown in programmes.csv",
    ]
    assert told.stderr == "tanhui: 2 problems; this would not load\n"


def test_a_scene_of_unknown_files_is_a_problem(check, tmp_path):
    text = (BUNDLED / "scenes.csv").read_text(encoding="utf-8")
    (tmp_path / "scenes.csv").write_text(text.replace(",tfl_rentals,", ",foreign,"), "utf-8")

    told = check(str(tmp_path))

    assert told.stdout == "scenes.csv line 3: feed_format 'foreign' is unknown\n"
