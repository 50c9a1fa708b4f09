"""``tanhui review`` and ``tanhui appeals`` as operators use them."""

import json
from uuid import uuid4

import pytest
from click.testing import CliRunner

from activities.reviewing.appeals import open_appeal
from activities.reviewing.errors import (
    CaseClosed,
    OwnRefusal,
    SecondReviewerNeeded,
    UnknownAppeal,
    UnknownCase,
)
from service.cli import tanhui
from tests.catalogues import NOW
from tests.makers import balance
from tests.reviewing import LIMIT, Key, a_place

RANGE = {"kind": "quantity_range", "min": 1, "max": 100}


@pytest.fixture
def cli(database_url, urls, tmp_path):
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": urls["redis"],
        "TANHUI_VAR_DIR": str(tmp_path / "var"),
    }

    def run(*words: object, **more: str) -> str:
        done = CliRunner().invoke(
            tanhui, [*map(str, words)], env=environ | more, standalone_mode=False,
            catch_exceptions=False,
        )  # fmt: skip
        assert done.exit_code == 0
        return done.stdout

    return run


@pytest.fixture
def held(database):
    """Commits a programme and a held act of it: programme's code, and the act's key."""

    def make(quantity: int = 52) -> tuple[str, Key]:
        def work(session):
            place = a_place(session)
            return place.trial.code, place.held(quantity=quantity, object_id="bin-7")

        return database.transact(work)

    return make


@pytest.fixture
def appealed(database):
    """Commits an appeal against a refusal, likewise."""

    def work(session):
        place = a_place(session, RANGE, held=False)
        key = place.act(place.trial.resident(), quantity=520)
        open_appeal(session, *key, words="那天骑的是\n双人车。", now=NOW)
        return place.trial.code, key

    return lambda: database.transact(work)


BY = ("--by", "anna", "--reason", "照片相符")


def test_what_waits_is_a_table_and_json(cli, held):
    programme, key = held()

    table = cli("review", "list", "--programme", programme)

    assert str(key[1]) in table
    assert "sampled" in table
    assert table.endswith("1 cases\n")
    (one,) = json.loads(cli("review", "list", "--programme", programme, "--json"))["reviews"]
    assert (one["state"], one["potential_points"], one["details"]) == (
        "open", 52, {"object_id": "bin-7"},
    )  # fmt: skip
    assert set(one["reasons"]) == {"zh-CN", "en"}
    for narrow in (("--state", "asked"), ("--code", "velocity"), ("--older-than", 9_999)):
        narrowed = cli("review", "list", "--programme", programme, *narrow)
        assert narrowed.endswith("0 cases\n")


def test_one_is_shown_with_its_reason_in_both_languages(cli, held):
    _, key = held()
    cli("review", "ask", key[1], "--by", "anna", "--reason", "是哪个回收箱？")

    shown = cli("review", "show", key[1])

    for text in ("抽中", "Drawn by lot", "bin-7", "review: asked", "是哪个回收箱？", "1 held"):
        assert text in shown
    facts = json.loads(cli("review", "show", key[1], "--json"))
    assert [one["action"] for one in facts["steps"]] == ["ask"]
    assert facts["review"]["state"] == "asked"


def test_approve_and_reject(cli, database, held):
    (_, first), (_, second), (_, third) = held(), held(), held()

    assert cli("review", "approve", first[1], second[1], *BY) == "approved 2\n"
    assert cli("review", "reject", third[1], *BY) == "rejected 1\n"

    balances = database.transact(lambda s: [balance(s, k[0]) for k in (first, second, third)])
    assert balances == [52, 52, 0]
    with pytest.raises(CaseClosed):
        cli("review", "approve", third[1], *BY)
    with pytest.raises(UnknownCase):
        cli("review", "approve", uuid4(), *BY)


def test_large_ones_take_two_persons(cli, database, held):
    _, key = held(LIMIT + 1)

    said = cli("review", "approve", key[1], *BY)

    assert said == "approved 1, of which 1 wait for a second person\n"
    with pytest.raises(SecondReviewerNeeded):
        cli("review", "approve", key[1], *BY)
    assert cli("review", "approve", key[1], "--by", "ben", "--reason", "相符") == "approved 1\n"
    assert database.transact(lambda s: balance(s, key[0])) == LIMIT + 1


def test_the_limit_is_a_setting(cli, held):
    _, key = held(52)

    said = cli("review", "approve", key[1], *BY, TANHUI_REVIEW_TWO_PERSONS_POINTS="51")

    assert "wait for a second person" in said


def test_an_appeal_is_listed_shown_and_answered(cli, database, appealed):
    programme, key = appealed()
    table = cli("appeals", "list", "--programme", programme)
    assert "那天骑的是…" in table
    assert table.endswith("1 appeals\n")
    assert "appeal" in cli("review", "show", key[1])

    said = cli("appeals", "answer", key[1], "overturn", "--by", "olga", "--text", "核实无误。")

    assert said == f"appeal about {key[1]} is overturned\n"
    assert database.transact(lambda s: balance(s, key[0])) == 520
    listed = json.loads(cli("appeals", "list", "--programme", programme, "--answered", "--json"))
    (one,) = listed["appeals"]
    assert (one["answer"], one["answered_by"]) == ("核实无误。", "olga")


def test_who_rejected_does_not_answer(cli, database, held):
    _, key = held()
    cli("review", "reject", key[1], *BY)
    with pytest.raises(UnknownAppeal):
        cli("appeals", "answer", key[1], "uphold", "--by", "anna", "--text", "x")
    database.transact(lambda s: open_appeal(s, *key, words="?", now=NOW))

    with pytest.raises(OwnRefusal):
        cli("appeals", "answer", key[1], "uphold", "--by", "anna", "--text", "x")

    said = cli("appeals", "answer", key[1], "uphold", "--by", "olga", "--text", "维持。")
    assert said.endswith("is upheld\n")
