"""A report as a workbook for Excel: the first sheet says whose figures they are, then a sheet a
table.

Kept here: text is text, so no name is a formula or a link; figures are numbers, what is withheld is
a word. The file says it was made when the report was issued.
"""

import io
import re
from datetime import UTC, datetime

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from service.districts.rendering.cells import LACKS
from service.districts.rendering.model import Cell, Document, Section, Table, Words

_TEXT_IS_TEXT = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_NOT_IN_XML = dict.fromkeys((0xFFFE, 0xFFFF))
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")
_NAME_MAX = 31
_WIDTH = 3  # Characters a share of a column.
_FIRST_WIDTHS = (28, 90)


def workbook_of(document: Document) -> bytes:
    """The file."""
    buffer = io.BytesIO()
    with Workbook(buffer, _TEXT_IS_TEXT) as book:
        issued = datetime.fromisoformat(document.issued_at).astimezone(UTC)
        created = issued.replace(tzinfo=None, microsecond=0)
        book.set_properties({"title": document.title, "created": created, "author": "Tanhui"})
        formats = _Formats(book)
        words = Words(document.language)
        _write_texts(book.add_worksheet(words("说明", "About")), document, formats)
        taken: set[str] = set()
        for section in document.sections:
            for number, table in enumerate(section.tables):
                sheet = book.add_worksheet(_name(section, number, taken))
                _write_table(sheet, table, formats)
    return buffer.getvalue()


class _Formats:
    """Bold and plain, of whole numbers and of decimals."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._made: dict[tuple[object, ...], Format] = {}
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.heading = book.add_format(
            {"bold": True, "bg_color": "#EEF4F0", "bottom": 1, "text_wrap": True, "valign": "top"}
        )
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})

    def of(self, cell: Cell, *, total: bool) -> Format:
        lacks = cell.text.endswith(LACKS)
        key = (cell.number is not None, cell.decimals, cell.withheld, lacks, total)
        if key not in self._made:
            said: dict[str, object] = {"valign": "top"}
            if cell.number is not None:
                places = f".{'0' * cell.decimals}" if cell.decimals else ""
                said["num_format"] = f"#,##0{places}" + (f'"{LACKS}"' if lacks else "")
            if cell.withheld:
                said |= {"align": "right", "italic": True, "font_color": "#4C5D53"}
            if total:
                said |= {"bold": True, "bg_color": "#EEF4F0"}
            self._made[key] = self._book.add_format(said)
        return self._made[key]


def _write_texts(sheet: Worksheet, document: Document, formats: _Formats) -> None:
    """What is no table: facts, how to read the figures, and the proof."""
    for place, width in enumerate(_FIRST_WIDTHS):
        sheet.set_column(place, place, width)
    sheet.write_string(0, 0, _in_xml(document.title), formats.title)
    sheet.write_string(1, 0, _in_xml(document.subtitle))
    number = 3
    for section in document.sections:
        if not (section.sentences or section.facts or section.preformatted):
            continue
        sheet.write_string(number, 0, _in_xml(section.heading), formats.heading)
        number += 1
        for name, value in section.facts:
            sheet.write_string(number, 0, _in_xml(name), formats.wrapped)
            sheet.write_string(number, 1, _in_xml(value), formats.wrapped)
            number += 1
        for said in (*section.sentences, *section.preformatted.splitlines()):
            sheet.write_string(number, 1, _in_xml(said), formats.wrapped)
            number += 1
        number += 1


def _write_table(sheet: Worksheet, table: Table, formats: _Formats) -> None:
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, max(12, column.share * _WIDTH))
        sheet.write_string(0, place, _in_xml(column.name), formats.heading)
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4.
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_header(f"&L{_in_xml(table.caption).replace('&', '&&')}&R&P / &N")
    for number, line in enumerate(table.lines, 1):
        for place, cell in enumerate(line.cells):
            style = formats.of(cell, total=line.total)
            if cell.number is None:
                sheet.write_string(number, place, _in_xml(cell.text), style)
            else:
                sheet.write_number(number, place, cell.number, style)


def _name(section: Section, number: int, taken: set[str]) -> str:
    """A sheet's name: 31 characters, some signs excepted, each once."""
    wanted = _NOT_IN_NAMES.sub("", section.heading)[: _NAME_MAX - 3].strip()
    name = wanted if not number else f"{wanted} {number + 1}"
    while name.lower() in taken:
        number += 1
        name = f"{wanted} {number + 1}"
    taken.add(name.lower())
    return name


def _in_xml(value: str) -> str:
    """Without the two characters that XML has no way to say; XlsxWriter takes care of the rest."""
    return value.translate(_NOT_IN_XML)
