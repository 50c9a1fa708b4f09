"""``tanhui settlements``: from the draft to the bank's reference, files, and a file of theirs."""

import csv
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from rewards.models import SettlementLine
from rewards.settling.drafting import Key
from rewards.settling.errors import SameApprover, SettlementNotReady, UnknownSettlement
from rewards.settling.settlements import confirm, listed
from service.cli import tanhui
from service.settling import as_workbook
from tests.makers import programme_holder
from tests.settlements import LATELY, a_drafted, lines_for, taken_back
from tests.shopping import a_merchant, an_offer
from tests.workbooks import sheets_of

DAYS = ("--from", LATELY.since, "--to", LATELY.to)
PROGRAMME = "demo-2016"


class Done(NamedTuple):
    said: str
    status: int


def command(database_url: str, redis_url: str, var: Path) -> Callable[..., Done]:
    """The command on this database; what it printed and how it ended."""
    environ = {
        "TANHUI_DATABASE_URL": database_url,
        "TANHUI_REDIS_URL": redis_url,
        "TANHUI_VAR_DIR": str(var),
    }

    def invoke(*words: object) -> Done:
        done = CliRunner().invoke(
            tanhui,
            ["settlements", *map(str, words)],
            env={name: None for name in os.environ if name.startswith("TANHUI_")} | environ,
            standalone_mode=False,
        )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.stdout, done.exit_code)

    return invoke


@pytest.fixture
def run(database_url, urls, tmp_path):
    return command(database_url, urls["redis"], tmp_path / "var")


@pytest.fixture
def merchant_id(database) -> UUID:
    return database.transact(lambda session: a_shop(session, [500, 700]))


@pytest.fixture
def key(database, merchant_id) -> Key:
    return database.transact(lambda session: a_drafted(session, merchant_id, LATELY))


def a_shop(session, amounts_fen: list[int]) -> UUID:
    programme = programme_holder(session)
    id_ = a_merchant(session, programme)
    offer_id = an_offer(session, programme, id_, title_zh="=咖啡")
    lines_for(session, id_, amounts_fen, at=LATELY.begins_at, offer_id=offer_id)
    return id_


def only(database, merchant_id: UUID):
    (found,) = database.transact(lambda session: listed(session, merchant_id, limit=10))
    return found


def theirs(database, merchant_id: UUID, file: Path, *, missing: int = 0) -> Path:
    """What the merchant took, as its own system writes it."""
    query = select(SettlementLine).where(SettlementLine.merchant_id == merchant_id)
    lines = database.transact(lambda s: s.scalars(query.order_by(SettlementLine.id)).all())
    rows = [
        f"{line.consumption_id},{line.occurred_at.isoformat()},{line.amount_fen}\n"
        for line in lines[missing:]
    ]
    file.write_text("consumption_id,consumed_at,amount_fen\n" + "".join(rows))
    return file


def test_a_merchants_days_from_the_draft_to_the_payment(run, database, merchant_id):
    said = run("draft", merchant_id, *DAYS, "--by", "anna").said
    one = only(database, merchant_id)
    assert said == f"{one.id} is draft: 2 lines, 12.00 yuan\n"
    with pytest.raises(SettlementNotReady):
        run("approve", one.id, "--by", "ben")
    key, now = Key(merchant_id, one.id), datetime.now(UTC)
    database.transact(lambda session: confirm(session, key, actor="mia", now=now))
    with pytest.raises(SameApprover):
        run("approve", one.id, "--by", "anna")
    assert "is approved" in run("approve", one.id, "--by", "ben").said
    assert "is paid" in run("pay", one.id, "--reference", "ICBC-1", "--by", "eva").said
    assert only(database, merchant_id).payment_reference == "ICBC-1"


def test_all_merchants_of_a_programme_are_drafted_and_what_cannot_be_is_counted(
    fresh_database, fresh_database_url, urls, tmp_path
):
    """On a database of its own: other tests' merchants keep their lines open."""
    database = fresh_database
    run = command(fresh_database_url, urls["redis"], tmp_path / "var")

    def made(session):
        found = [a_shop(session, [100]), a_shop(session, [250]), a_shop(session, [])]
        owing = a_shop(session, [900])
        query = select(SettlementLine).where(SettlementLine.merchant_id == owing)
        line = session.scalars(query).one()
        line.settlement_id = uuid4()
        taken_back(session, owing, line.id, at=LATELY.begins_at)
        return found

    first, second, nothing = database.transact(made)
    said = run("draft", "--all", "--programme", PROGRAMME, *DAYS, "--by", "anna").said
    assert said == (
        "drafted 2 settlements, 3.50 yuan; 1 below zero, left for the next;"
        " 1 had nothing to settle\n"
    )
    assert [only(database, id_).owed_fen for id_ in (first, second)] == [100, 250]
    assert database.transact(lambda session: listed(session, nothing, limit=1)) == []

    again = run("draft", "--all", "--programme", PROGRAMME, *DAYS, "--by", "anna").said
    assert again == (
        "drafted 0 settlements, 0.00 yuan; 1 below zero, left for the next;"
        " 1 had nothing to settle; 2 settled already\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("draft", "--by", "anna", *DAYS),
        ("draft", uuid4(), "--all", "--programme", PROGRAMME, "--by", "anna", *DAYS),
        ("draft", "--all", "--by", "anna", *DAYS),
        ("draft", uuid4(), "--by", "anna"),
        ("draft", uuid4(), "--by", "anna", "--month", "2026-10", *DAYS),
        ("draft", uuid4(), "--by", "anna", "--from", LATELY.to, "--to", LATELY.since),
        ("export", uuid4(), "--output", "lines.pdf"),
        ("pay", uuid4(), "--by", "eva", "--reference", " "),
    ],
)
def test_words_that_say_nothing_are_refused(run, words):
    with pytest.raises(click.UsageError):
        run(*words)


def test_settlements_are_listed_and_shown(run, key):
    listed_ = run("list", "--programme", PROGRAMME, "--state", "draft", "--limit", 10_000).said
    (row,) = (line for line in listed_.splitlines() if str(key.id) in line)
    assert "12.00" in row
    assert str(key.id) not in run("list", "--state", "paid", "--limit", 10_000).said
    found = json.loads(run("list", "--limit", 10_000, "--json").said)
    (one,) = (each for each in found if each["id"] == str(key.id))
    shown = json.loads(run("show", key.id, "--json").said)
    assert shown == one
    assert (shown["payable_fen"], shown["lines"], shown["state"]) == (1200, 2, "draft")
    assert "payable_fen: 1200" in run("show", key.id).said.splitlines()
    with pytest.raises(UnknownSettlement):
        run("show", uuid4())


def test_every_line_is_exported_as_csv_and_as_a_workbook(run, key, tmp_path, monkeypatch):
    monkeypatch.setattr(as_workbook, "ASKED_LINES_MAX", 1)  # Of requests, not of commands.
    table, book = tmp_path / "lines.csv", tmp_path / "lines.XLSX"
    assert run("export", key.id, "--output", table).said == f"wrote 2 lines to {table}\n"
    rows = list(csv.reader(table.read_text("utf-8-sig").splitlines()))
    lines = rows[rows.index([]) + 2 :]
    assert [(line[1], line[2], line[6]) for line in lines] == [
        ("consumption", "500", "'=咖啡"),
        ("consumption", "700", "'=咖啡"),
    ]
    run("export", key.id, "--output", book)
    assert len(sheets_of(book.read_bytes())["明细"]) == 3
    run("export", key.id, "--output", book, "--english")
    assert len(sheets_of(book.read_bytes())["Lines"]) == 3
    assert {file.name for file in tmp_path.iterdir()} == {"lines.csv", "lines.XLSX", "var"}


def test_a_file_that_cannot_be_written_is_refused(run, key, tmp_path):
    assert run("export", key.id, "--output", tmp_path / "nowhere" / "lines.csv") == Done("", 1)


def test_a_merchants_file_is_held_against_a_settlement(run, database, key, tmp_path):
    alike = theirs(database, key.merchant_id, tmp_path / "alike.csv")
    assert run("reconcile", key.id, alike) == Done("2 lines, 2 alike\n", 0)

    less = theirs(database, key.merchant_id, tmp_path / "less.csv", missing=1)
    differences = tmp_path / "differences.csv"
    done = run("reconcile", key.id, less, "--output", differences)
    assert done == Done("1 lines, 1 alike; 1 only_ours\n", 1)
    (row,) = csv.DictReader(differences.read_text("utf-8-sig").splitlines())
    assert (row["kind"], row["ours_fen"]) == ("only_ours", "500")
    done = run("reconcile", key.id, less, "--json")
    facts = json.loads(done.said)
    assert (facts["theirs_fen"], facts["ours_fen"], facts["differing"]["only_ours"]) == (
        700,
        1200,
        1,
    )
    assert done.status == 1
