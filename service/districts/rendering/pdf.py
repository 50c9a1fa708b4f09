"""A report as a PDF of A4 pages: headings in an outline, tables whose header stands on every page.

Kept here: nothing depends on the clock. DejaVu Sans has the Latin letters, Droid Sans Fallback the
Chinese ones; only the glyphs in use are in the file, so its text is selected and searched.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from service.districts.rendering.lines import lines
from service.districts.rendering.model import Document, Section, Table

_FONTS = Path(__file__).resolve().parent / "fonts"
_LATIN, _HAN = "dejavu", "droid"
_MARGIN_MM, _BOTTOM_MM, _FOOT_MM = 15, 18, 12
_TITLE_PT, _HEADING_PT, _TEXT_PT, _TABLE_PT, _FOOT_PT = 17, 12, 9.5, 8, 7.5
_TITLE_MM, _HEADING_MM, _TEXT_MM, _TABLE_MM = 8.0, 6.5, 5.2, 4.4
_ACCENT, _BAND, _RULE, _SOFT = (11, 107, 58), (238, 244, 240), (201, 213, 205), (76, 93, 83)
_FACT_NAME_MM = 42
_PAD_MM = 1.2
_PROOF_MM = 75  # Hash and signature on one page, each on one line.
_NOTE_PT = 6.8
_KEPT_TOGETHER_MM = 32  # A heading, a caption, a header and a row or two.
_ABOVE_HEADING_MM = 6.0
_Widths = tuple[float, ...]


def pdf_of(document: Document) -> bytes:
    """The file."""
    page = _Pages(document)
    page.add_page()
    page.write(document.title, _TITLE_PT, _TITLE_MM, style="B", color=_ACCENT)
    page.write(document.subtitle, _TEXT_PT, _TEXT_MM, color=_SOFT)
    for section in document.sections:
        _section(page, section)
    return bytes(page.output())


class _Pages(FPDF):
    """Pages with a line at the foot: which report, and which page of how many."""

    def __init__(self, document: Document) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._foot = document.footer
        self._letters: dict[tuple[str, float], dict[str, float]] = {}
        self.c_margin = 0  # Cells are placed to the millimetre here.
        self.set_margins(_MARGIN_MM, _MARGIN_MM)
        self.set_auto_page_break(True, _BOTTOM_MM)
        self.add_font(_LATIN, "", _FONTS / "DejaVuSans.ttf")
        self.add_font(_LATIN, "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.add_font(_HAN, "", _FONTS / "DroidSansFallbackFull.ttf")
        self.set_fallback_fonts([_HAN], exact_match=False)
        self.set_lang(document.language)
        self.set_title(document.title)
        self.set_author("Tanhui")
        self.set_creator("Tanhui")
        self.set_creation_date(datetime.fromisoformat(document.issued_at))

    def _set_font_for_page(self, *args: Any, **kwargs: Any) -> str:
        """fpdf2 2.8 sets a page's font inside the first text, where the fallback font begins it,
        and takes it for set after that text: what follows would have no font. So: before it.
        """
        if self.current_font_is_set_on_page or kwargs.get("wrap_in_text_object", True):
            return super()._set_font_for_page(*args, **kwargs)
        kwargs["wrap_in_text_object"] = True
        self._out(super()._set_font_for_page(*args, **kwargs))
        return ""

    def footer(self) -> None:
        """At the foot of each page; called by fpdf2."""
        self.set_y(-_FOOT_MM)
        self.set_font(_LATIN, "", _FOOT_PT)
        self.set_text_color(*_SOFT)
        self.cell(0, 5, self._foot, align="L", new_x=XPos.LMARGIN)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")
        self.set_text_color(0)

    def wrapped(self, text: str, width: float) -> list[str]:
        """The lines of a text in the font that is set."""
        letters = self._letters.setdefault((self.font_style, self.font_size_pt), {})

        def width_of(part: str) -> float:
            total = 0.0
            for letter in part:
                if letter not in letters:
                    letters[letter] = self.get_string_width(letter)
                total += letters[letter]
            return total

        return lines(text, width, width_of)

    def write(  # type: ignore[override]
        self,
        text: str,
        size_pt: float,
        line_mm: float,
        *,
        style: Any = "",
        color: tuple[int, int, int] = (0, 0, 0),
        indent: float = 0,
        fill: bool = False,
    ) -> None:
        """A paragraph over the whole width, from ``indent`` on."""
        self.set_font(_LATIN, style, size_pt)
        self.set_text_color(*color)
        for line in self.wrapped(text, self.epw - indent):
            self.set_x(self.l_margin + indent)
            self.cell(0, line_mm, line, fill=fill, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_text_color(0)

    def room(self, height: float) -> None:
        """A new page, where ``height`` more would not fit on this one."""
        if self.will_page_break(height):
            self.add_page()


def _section(page: _Pages, section: Section) -> None:
    above_table_mm = _ABOVE_HEADING_MM + len(section.sentences[:2]) * 2 * _TEXT_MM
    page.room(_PROOF_MM if section.preformatted else _KEPT_TOGETHER_MM + above_table_mm)
    page.ln(_ABOVE_HEADING_MM)
    page.start_section(section.heading)
    page.write(section.heading, _HEADING_PT, _HEADING_MM, style="B", color=_ACCENT)
    page.ln(0.8)
    for sentence in section.sentences:
        page.write(sentence, _TEXT_PT, _TEXT_MM)
        page.ln(0.6)
    for name, value in section.facts:
        page.room(2 * _TEXT_MM)
        page.set_font(_LATIN, "", _TEXT_PT)
        page.set_text_color(*_SOFT)
        page.cell(_FACT_NAME_MM, _TEXT_MM, name)
        page.write(value, _TEXT_PT, _TEXT_MM, indent=_FACT_NAME_MM)
    for table in section.tables:
        _table(page, table)
    if section.preformatted:
        page.ln(2)
        page.set_fill_color(*_BAND)
        page.write(section.preformatted, _NOTE_PT, _TABLE_MM, fill=True)


def _table(page: _Pages, table: Table) -> None:
    page.room(_KEPT_TOGETHER_MM - _HEADING_MM)
    page.ln(1.5)
    page.write(table.caption, _TABLE_PT, _TEXT_MM, style="B")
    shares = sum(column.share for column in table.columns)
    widths = tuple(page.epw * column.share / shares for column in table.columns)
    numeric = [column.numeric for column in table.columns]
    names = [column.name for column in table.columns]
    _row(page, names, widths, numeric, bold=True)
    for line in table.lines:
        texts = [cell.text for cell in line.cells]
        if page.will_page_break(_height(_cells(page, texts, widths, bold=line.total))):
            page.add_page()
            _row(page, names, widths, numeric, bold=True)
        _row(page, texts, widths, numeric, bold=line.total)
    page.ln(1.5)


def _cells(page: _Pages, texts: Sequence[str], widths: _Widths, *, bold: bool) -> list[list[str]]:
    """The lines of each cell of a row; its font is set."""
    page.set_font(_LATIN, "B" if bold else "", _TABLE_PT)
    return [
        page.wrapped(text, width - 2 * _PAD_MM) for text, width in zip(texts, widths, strict=True)
    ]


def _height(cells: Sequence[Sequence[str]]) -> float:
    return max(map(len, cells)) * _TABLE_MM + _PAD_MM


def _row(
    page: _Pages, texts: Sequence[str], widths: _Widths, numeric: Sequence[bool], *, bold: bool
) -> None:
    """One row, as high as its highest cell; bold ones on a band."""
    cells = _cells(page, texts, widths, bold=bold)
    height = _height(cells)
    top = page.get_y()
    if bold:
        page.set_fill_color(*_BAND)
        page.rect(page.l_margin, top, page.epw, height, style="F")
    left = page.l_margin
    for cell, width, right in zip(cells, widths, numeric, strict=True):
        for place, text in enumerate(cell):
            page.set_xy(left + _PAD_MM, top + _PAD_MM / 2 + place * _TABLE_MM)
            page.cell(width - 2 * _PAD_MM, _TABLE_MM, text, align="R" if right else "L")
        left += width
    page.set_draw_color(*_RULE)
    page.line(page.l_margin, top + height, page.l_margin + page.epw, top + height)
    page.set_xy(page.l_margin, top + height)
