"""A report as a document for people: sections with sentences, facts and tables.

HTML, PDF and workbook are made from one document, so that they say the same. A cell has its text
and, where it is a number, the number too.
"""

from dataclasses import dataclass, field
from typing import Literal

from service.language import Text

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")


@dataclass(frozen=True, slots=True)
class Cell:
    """``number`` is what a spreadsheet gets, with ``decimals`` places; None for text."""

    text: str
    number: int | float | None = None
    decimals: int = 0
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """``share`` of the table's width; numbers stand to the right."""

    name: str
    share: int
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table; ``total`` stands out."""

    cells: tuple[Cell, ...]
    total: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """``caption`` says what the table shows; the first column names its rows."""

    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """``code`` names it in every language. ``preformatted`` is copied as it is (a signature)."""

    code: str
    heading: str
    sentences: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    preformatted: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """``issued_at`` is when the report was issued: no rendering has a clock of its own."""

    language: Language
    title: str
    subtitle: str
    footer: str
    issued_at: str
    sections: tuple[Section, ...] = field(default=())


class Words:
    """Chooses texts of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.english = language == "en"

    def __call__(self, zh: str, en: str) -> str:
        return en if self.english else zh

    def of(self, text: Text) -> str:
        return text.en if self.english else text.zh
