"""Workbooks: what is written is what a reader finds."""

from contextlib import closing
from decimal import Decimal
from uuid import uuid4

import pytest

from rewards.settling.drafting import Key
from rewards.settling.errors import SettlementNotReady
from rewards.settling.settlements import void
from service.db import Database
from service.settling import as_csv, as_workbook, drafts, exporting
from tests.makers import programme_holder
from tests.settlements import LATELY, NOW, a_drafted, lines_for
from tests.shopping import a_merchant, an_offer
from tests.workbooks import Cell, Number, sheets_of

AMOUNTS_FEN = (100, 0, 12_345, 5, 1)
FORMULA = '=HYPERLINK("http://example.cn")'


@pytest.fixture
def key(database: Database) -> Key:
    def work(session) -> Key:
        programme = programme_holder(session)
        merchant_id = a_merchant(session, programme)
        titles = {"title_zh": "咖啡\uffff<1>&\x07", "title_en": FORMULA}
        offer_id = an_offer(session, programme, merchant_id, **titles)
        lines_for(session, merchant_id, AMOUNTS_FEN, at=LATELY.begins_at, offer_id=offer_id)
        return a_drafted(session, merchant_id, LATELY, id_=uuid4())

    return database.transact(work)


def written(database: Database, key: Key, *, english: bool = True) -> dict[str, list[list[Cell]]]:
    about = database.transact(lambda session: exporting.read(session, key))
    with closing(as_workbook.workbook_of(database, about, english=english)) as file:
        return sheets_of(file.read())


def test_what_a_merchant_wrote_is_text(database: Database, key: Key) -> None:
    rows = written(database, key)["Lines"]
    assert {row[3] for row in rows[1:]} == {FORMULA}
    assert written(database, key, english=False)["明细"][1][3] == "咖啡<1>&_x0007_"


@pytest.mark.parametrize(("room", "expected"), [(6, [6]), (5, [6]), (4, [5, 2]), (2, [3, 3, 2])])
def test_lines_beyond_a_sheets_room_go_on_in_another(
    database: Database, key: Key, monkeypatch: pytest.MonkeyPatch, room: int, expected: list[int]
) -> None:
    monkeypatch.setattr(as_workbook, "SHEET_LINES_MAX", room)
    sheets = written(database, key)
    del sheets["Sums"]
    assert list(sheets) == ["Lines", "Lines 2", "Lines 3"][: len(expected)]
    assert [len(rows) for rows in sheets.values()] == expected
    assert {rows[0][0] for rows in sheets.values()} == {"Kind"}
    amounts = [row[2] for rows in sheets.values() for row in rows[1:]]
    assert amounts == [Number(Decimal(fen)) for fen in AMOUNTS_FEN]
    yuan = [row[1] for rows in sheets.values() for row in rows[1:]]
    assert yuan == [Number(Decimal(fen) / 100, "0.00") for fen in AMOUNTS_FEN]


def test_files_of_what_was_voided_meanwhile_say_so_at_the_end(
    database: Database, key: Key, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    about = database.transact(lambda session: exporting.read(session, key))
    database.transact(lambda session: void(session, key))
    drafts.go_on(database, key, now=NOW)
    with pytest.raises(SettlementNotReady) as refusal:
        list(as_csv.csv_of(database, about))
    assert refusal.value.state == "void"
    with pytest.raises(SettlementNotReady):
        as_workbook.workbook_of(database, about)
    assert list(tmp_path.iterdir()) == []
