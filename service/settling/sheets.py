"""Workbooks (XLSX, ECMA-376) written as a stream: nothing is kept but the row at hand.

Kept here: text is text, so nothing that a merchant wrote is a formula; numbers are numbers; a sheet
has ROWS_MAX rows at most, the rest goes on in another.

Of 2026's writers, the usual one in Python needs a minute and a temporary file of the same size for
a million rows of twelve columns; this begins to answer at once and takes a fifth of it.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import escape
from io import RawIOBase
from itertools import chain, islice
from typing import IO, NamedTuple, cast

ROWS_MAX = 1_000_000  # Excel has 1,048,576.
Cell = str | int | Decimal | None  # A Decimal is shown with two places.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CHUNK_ROWS = 500
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
MEDIA_TYPE = f"{_TYPE}.sheet"
_STYLES = (  # 0: as it is; 1: two decimals; 2: bold.
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/><name'
    ' val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill'
    ' patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/>'
    '<bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0"'
    ' fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0" fontId="0"'
    ' fillId="0" borderId="0" xfId="0"/><xf numFmtId="2" fontId="0" fillId="0" borderId="0"'
    ' xfId="0" applyNumberFormat="1"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0"'
    ' xfId="0" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0"'
    ' builtinId="0"/></cellStyles></styleSheet>'
)


class Sheet(NamedTuple):
    """``heading`` is repeated on each sheet that the rows need; none where it is empty."""

    name: str
    heading: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    widths: Sequence[int] = ()


def workbook(sheets: Iterable[Sheet]) -> Iterator[bytes]:
    """The file, in pieces."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        names: list[str] = []
        for name, part in _parts(sheets):
            names.append(name)
            path = f"xl/worksheets/sheet{len(names)}.xml"
            with file.open(path, "w", force_zip64=True) as entry:
                for piece in _sheet(part):
                    entry.write(piece.encode())
                    yield sink.taken()
        for path, text in _frame(names):
            file.writestr(path, text)
    yield sink.taken()


def _parts(sheets: Iterable[Sheet]) -> Iterator[tuple[str, Sheet]]:
    """Sheets of ROWS_MAX rows at most, each with its name."""
    for sheet in sheets:
        rows, number = iter(sheet.rows), 1
        room = ROWS_MAX - bool(sheet.heading)
        yield sheet.name, sheet._replace(rows=islice(rows, room))
        while (first := next(rows, None)) is not None:
            number += 1
            more = islice(chain([first], rows), room)
            yield f"{sheet.name} {number}", sheet._replace(rows=more)


def _sheet(sheet: Sheet) -> Iterator[str]:
    yield _opening(sheet)
    rows = iter(sheet.rows)
    while some := "".join(map(_row, islice(rows, _CHUNK_ROWS))):
        yield some
    yield "</sheetData></worksheet>"


def _opening(sheet: Sheet) -> str:
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
        for n, width in enumerate(sheet.widths, 1)
    )
    heading = "".join(_text(cell, ' s="2"') for cell in sheet.heading)
    return (
        f'{_HEAD}<worksheet xmlns="{_MAIN}">'
        + (f"<cols>{columns}</cols>" if columns else "")
        + "<sheetData>"
        + (f"<row>{heading}</row>" if heading else "")
    )


def _row(cells: Sequence[Cell]) -> str:
    return "<row>" + "".join(map(_cell, cells)) + "</row>"


def _cell(cell: Cell) -> str:
    match cell:
        case str():
            return _text(cell) if cell else "<c/>"
        case Decimal():
            return f'<c s="1"><v>{cell}</v></c>'
        case int():
            return f"<c><v>{cell}</v></c>"
        case None:
            return "<c/>"


def _text(value: str, style: str = "") -> str:
    safe = escape(_NOT_IN_XML.sub("", value), quote=False)
    space = ' xml:space="preserve"' if safe != safe.strip() or "\n" in safe else ""
    return f'<c t="inlineStr"{style}><is><t{space}>{safe}</t></is></c>'


def _frame(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What says that the sheets are a workbook."""
    numbers = range(1, len(names) + 1)
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for n in numbers
    )
    yield (
        "[Content_Types].xml",
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        f"{overrides}</Types>",
    )
    yield (
        "_rels/.rels",
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    )
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in zip(numbers, names, strict=True)
    )
    yield (
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets>'
        "</workbook>",
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet"'
        f' Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    yield (
        "xl/_rels/workbook.xml.rels",
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{targets}<Relationship'
        f' Id="rId{len(names) + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
        "</Relationships>",
    )
    yield "xl/styles.xml", _STYLES


class _Sink(RawIOBase):
    """What was written and not taken yet; cannot be read or sought, so sizes follow the data."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        found, self._parts = b"".join(self._parts), []
        return found
