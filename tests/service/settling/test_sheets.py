"""Workbooks: what is written is what a reader finds."""

import io
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from service.settling import sheets
from service.settling.exporting import harmless
from service.settling.sheets import Cell, Sheet, workbook

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read(sheets_: Sequence[Sheet]) -> dict[str, list[list[tuple[str, str]]]]:
    """By the sheet's name, its rows of (type, text)."""
    with zipfile.ZipFile(io.BytesIO(b"".join(workbook(sheets_)))) as file:
        assert file.testzip() is None
        names = [
            sheet.attrib["name"]
            for sheet in _parsed(file.read("xl/workbook.xml")).iter(f"{MAIN}sheet")
        ]
        return {
            name: _rows(file.read(f"xl/worksheets/sheet{number}.xml"))
            for number, name in enumerate(names, 1)
        }


def _parsed(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)  # noqa: S314 - our own.


def _rows(content: bytes) -> list[list[tuple[str, str]]]:
    return [
        [(cell.attrib.get("t", "n"), "".join(cell.itertext())) for cell in row]
        for row in _parsed(content).iter(f"{MAIN}row")
    ]


def test_text_is_text_and_numbers_are_numbers() -> None:
    row: Sequence[Cell] = ("=1+1", Decimal("-12.50"), 7, None, "a<b>&\x00 ")
    assert read([Sheet("S", ("h",), [row])]) == {
        "S": [
            [("inlineStr", "h")],
            [
                ("inlineStr", "=1+1"),
                ("n", "-12.50"),
                ("n", "7"),
                ("n", ""),
                ("inlineStr", "a<b>& "),
            ],
        ]
    }


@pytest.mark.parametrize(("rows", "expected"), [(0, [1]), (2, [3]), (3, [3, 2]), (5, [3, 3, 2])])
def test_rows_beyond_a_sheets_room_go_on_in_another(
    monkeypatch: pytest.MonkeyPatch, rows: int, expected: list[int]
) -> None:
    monkeypatch.setattr(sheets, "ROWS_MAX", 3)
    found = read([Sheet("S", ("h",), [(n,) for n in range(rows)])])
    assert [len(each) for each in found.values()] == expected
    assert list(found) == ["S", "S 2", "S 3"][: len(expected)]
    assert all(each[0] == [("inlineStr", "h")] for each in found.values())


def test_a_workbook_is_written_piece_by_piece() -> None:
    taken = 0

    def rows():
        nonlocal taken
        for taken in range(1, 10_001):
            yield (taken,)

    pieces = workbook([Sheet("S", (), rows())])
    for _ in range(3):
        next(pieces)
    assert taken < 2_000


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "  =1", "\n=1"])
def test_what_a_spreadsheet_takes_for_a_formula_is_marked_as_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "咖啡", "a=1", "'=1"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text
