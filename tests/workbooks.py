"""Workbooks as a reader finds them, by the standard library alone."""

import io
import re
import zipfile
from decimal import Decimal
from typing import NamedTuple
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_GENERAL = {"0": ""}  # What every reader knows by number (ECMA-376, 18.8.30).


class Number(NamedTuple):
    """A number, and the format by which it is shown."""

    value: Decimal
    shown: str = ""


Cell = str | Number | None


def sheets_of(content: bytes) -> dict[str, list[list[Cell]]]:
    """By the sheet's name its rows; a cell that is missing is None. A formula fails."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        names = [
            sheet.attrib["name"] for sheet in _parsed(file, "xl/workbook.xml").iter(f"{_MAIN}sheet")
        ]
        shown = _formats(file)
        return {
            name: _rows(_parsed(file, f"xl/worksheets/sheet{number}.xml"), shown)
            for number, name in enumerate(names, 1)
        }


def _parsed(file: zipfile.ZipFile, path: str) -> ElementTree.Element:
    return ElementTree.fromstring(file.read(path))  # noqa: S314 - our own.


def _formats(file: zipfile.ZipFile) -> list[str]:
    """How each style shows numbers."""
    styles = _parsed(file, "xl/styles.xml")
    own = {
        one.attrib["numFmtId"]: one.attrib["formatCode"] for one in styles.iter(f"{_MAIN}numFmt")
    }
    used = styles.find(f"{_MAIN}cellXfs")
    assert used is not None
    return [(_GENERAL | own)[style.attrib["numFmtId"]] for style in used]


def _rows(sheet: ElementTree.Element, shown: list[str]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for row in sheet.iter(f"{_MAIN}row"):
        rows += [[] for _ in range(int(row.attrib["r"]) - len(rows))]
        for cell in row:
            _put(rows[-1], cell, shown)
    return rows


def _put(row: list[Cell], cell: ElementTree.Element, shown: list[str]) -> None:
    assert cell.find(f"{_MAIN}f") is None, "a formula"
    letters = re.sub("[0-9]", "", cell.attrib["r"])
    assert len(letters) == 1, "few columns"
    row += [None] * (ord(letters) - ord("A") - len(row))
    text = "".join(cell.itertext())
    if cell.attrib.get("t", "n") == "n":
        row.append(Number(Decimal(text), shown[int(cell.attrib.get("s", "0"))]))
    else:
        row.append(text)
