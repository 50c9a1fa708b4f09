"""A settlement as a workbook for Excel: a sheet of its facts and sums, and every line.

Kept here: text is text, so nothing that a merchant wrote is a formula or a link; amounts are
numbers. XlsxWriter keeps one row in memory; the rest is in temporary files.
"""

import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain, islice
from typing import IO

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from service.db import Database
from service.language import Text
from service.settling.errors import WorkbookTooLong
from service.settling.exporting import Cell, Exported, clock, facts, lines, yuan

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ASKED_LINES_MAX = 100_000  # Over HTTP: nothing is sent before the last is written.
SHEET_LINES_MAX = 1_000_000  # Excel has 1,048,576 rows.
_TEXT_IS_TEXT = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_NOT_IN_XML = dict.fromkeys((0xFFFE, 0xFFFF))
_COLUMNS = (
    (Text("类型", "Kind"), 14),
    (Text("金额（元）", "Amount, yuan"), 12),
    (Text("金额（分）", "Amount, fen"), 12),
    (Text("商品", "Offer"), 28),
    (Text("版本", "Version"), 8),
    (Text("门店", "Shop"), 20),
    (Text("发生时间", "Took place at"), 20),
    (Text("记账时间", "Recorded at"), 20),
    (Text("兑换编号", "Redemption id"), 38),
    (Text("核销编号", "Consumption id"), 38),
    (Text("明细编号", "Line id"), 38),
    (Text("冲回明细", "Takes back line"), 38),
)
_YUAN_COLUMN = 1
_SUMS = (
    (Text("类型", "Kind"), 24),
    (Text("商品", "Offer"), 40),
    (Text("门店", "Shop"), 20),
    (Text("笔数", "Lines"), 12),
    (Text("金额（元）", "Amount, yuan"), 14),
    (Text("金额（分）", "Amount, fen"), 14),
)
_SHEETS = (Text("汇总", "Sums"), Text("明细", "Lines"))
KINDS = {
    "consumption": Text("核销", "consumption"),
    "top_up": Text("充值", "top-up"),
    "donation": Text("捐赠", "donation"),
    "reversal": Text("冲正", "reversal"),
    "refund": Text("退款", "refund"),
}


def refuse_unasked(about: Exported) -> None:
    """Raises WorkbookTooLong where it would take longer than a request should."""
    if about.settlement.lines > ASKED_LINES_MAX:
        raise WorkbookTooLong(lines=about.settlement.lines, lines_max=ASKED_LINES_MAX)


def workbook_of(database: Database, about: Exported, *, english: bool = False) -> IO[bytes]:
    """The file, from its beginning; the caller closes it, and then it is gone.

    Raises:
        SettlementNotReady: it was voided meanwhile and lines are missing.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who sends it.
    try:
        with tempfile.TemporaryDirectory() as folder:
            _write(file, folder, database, about, index=1 if english else 0)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _write(
    file: IO[bytes], folder: str, database: Database, about: Exported, *, index: int
) -> None:
    with Workbook(file, _TEXT_IS_TEXT | {"tmpdir": folder}) as book:
        bold = book.add_format({"bold": True})
        amount = book.add_format({"num_format": "0.00"})
        _write_sums(book.add_worksheet(_SHEETS[0][index]), about, index, bold, amount)
        rows, room = _line_rows(database, about, index), SHEET_LINES_MAX
        for name, some in _by_sheets(_SHEETS[1][index], rows, room):
            sheet = book.add_worksheet(name)
            for place, (_, width) in enumerate(_COLUMNS):
                sheet.set_column(place, place, width, amount if place == _YUAN_COLUMN else None)
            sheet.freeze_panes(1, 0)
            sheet.write_row(0, 0, [words[index] for words, _ in _COLUMNS], bold)
            for number, row in enumerate(some, 1):
                sheet.write_row(number, 0, row)


def _write_sums(
    sheet: Worksheet, about: Exported, index: int, bold: Format, amount: Format
) -> None:
    for place, width in enumerate(width for _, width in _SUMS):
        sheet.set_column(place, place, width)
    told = facts(about)
    for number, (_, words, value) in enumerate(told):
        sheet.write(number, 0, words[index])
        sheet.write(number, 1, _in_xml(value), amount if isinstance(value, Decimal) else None)
    heading = len(told) + 1
    sheet.write_row(heading, 0, [words[index] for words, _ in _SUMS], bold)
    for number, one in enumerate(about.sums, heading + 1):
        title, shop = _in_xml(one.title[index]), _in_xml(one.shop[index])
        sheet.write_row(number, 0, (KINDS[one.kind][index], title, shop, one.lines))
        sheet.write_number(number, 4, yuan(one.amount_fen), amount)
        sheet.write_number(number, 5, one.amount_fen)


def _by_sheets(
    name: str, rows: Iterator[Sequence[object]], room: int
) -> Iterator[tuple[str, Iterator[Sequence[object]]]]:
    """Names of sheets, each with its rows, ``room`` at most. A sheet's are read before the next."""
    yield name, islice(rows, room)
    number = 1
    while (first := next(rows, None)) is not None:
        number += 1
        yield f"{name} {number}", chain([first], islice(rows, room - 1))


def _line_rows(database: Database, about: Exported, index: int) -> Iterator[Sequence[object]]:
    titles = {key: _in_xml(words[index]) for key, words in about.titles.items()}
    shops = {key: _in_xml(words[index]) for key, words in about.shops.items()}
    kinds = {kind: words[index] for kind, words in KINDS.items()}
    zone = about.zone
    for page in lines(database, about):
        for id_, kind, fen, offer, version, redemption, consumption, shop, at, put, back in page:
            yield (
                *(kinds[kind], fen / 100, fen, titles[offer, version], version, shops[shop]),
                *(clock(at, zone), clock(put, zone), redemption, consumption, id_, back),
            )


def _in_xml(value: Cell) -> Cell:
    """Without the two characters that XML has no way to say; XlsxWriter takes care of the rest."""
    return value.translate(_NOT_IN_XML) if isinstance(value, str) else value
