"""``tanhui activities``: one activity with its whole why."""

import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from activities.changes.corrections import Cause, Told, change
from activities.errors import UnknownActivity
from service.cli import tanhui
from tests.makers import a_resident
from tests.service.test_activities_api import a_day, with_scenes


@pytest.fixture
def show(database_url, urls, tmp_path):
    """The command; what it printed."""
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }

    def run(*words: object) -> str:
        done = CliRunner().invoke(
            tanhui,
            ["activities", "show", *map(str, words)],
            env={name: None for name in os.environ if name.startswith("TANHUI_")} | environ,
            standalone_mode=False,
            catch_exceptions=False,
        )
        return done.stdout

    return run


@pytest.fixture
def walk(client, database, bearer) -> tuple[UUID, UUID, dict[str, Any]]:
    """A capped walk that the app sent: its holder, the app's id, and the answer."""
    with_scenes(database)
    holder_id, id_ = database.transact(a_resident), uuid4()
    headers = bearer("resident", holder_id)
    answer = client.put(f"/v1/activities/{id_}", json=a_day(steps=30_000), headers=headers)
    return holder_id, id_, answer.json


def test_an_activity_is_shown_with_rules_method_sources_and_figure(show, walk):
    holder_id, id_, put = walk

    shown = show(put["id"], "--holder", holder_id)

    assert show(id_) == show(id_, "--holder", holder_id) == shown
    assert "walking.cap" in shown
    assert "trimmed" in shown
    assert "30,000 step × (" in shown
    assert "sources: " in shown
    assert shown.splitlines()[-1].startswith(
        f"verified (daily_cap): {put['saved_mg_co2e']:,} mg CO2e, {put['points']:,} points"
    )


def test_json_is_what_the_api_answers_to_an_auditor(show, walk, client, bearer):
    _, id_, _ = walk
    by_api = client.get(f"/v1/activities/{id_}", headers=bearer("auditor", "a")).json

    assert json.loads(show(id_, "--json")) == by_api


def test_what_became_of_it_is_shown_with_both_persons(show, walk, database):
    holder_id, id_, put = walk
    cause = Cause(uuid4(), "operator-1", "told wrongly", "operator-2")
    told = [Told(holder_id, UUID(put["id"]), 5_000)]
    database.transact(lambda s: change(s, told, cause, now=datetime.now(UTC)))

    shown = show(id_)

    line = next(line for line in shown.splitlines() if "operator-1" in line)
    assert all(word in line for word in ("changed", "operator-2", "told wrongly"))
    assert shown.splitlines()[-1].startswith("verified (changed): ")


def test_one_that_is_not_there_is_refused(show, walk):
    _, _, put = walk

    for words in ([uuid4()], [put["id"]], [put["id"], "--holder", uuid4()]):
        with pytest.raises(UnknownActivity):
            show(*words)
