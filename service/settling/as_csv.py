"""A settlement as CSV: its facts and every line, streamed.

Kept here: text that a spreadsheet would take for a formula is marked as text.
"""

import csv
import io
from collections.abc import Callable, Iterator
from functools import lru_cache

from rewards.settling.lines import Row
from service.db import Database
from service.language import Text
from service.settling.exporting import Cell, Exported, facts, instant, lines, yuan

MEDIA_TYPE = "text/csv; charset=utf-8"
COLUMNS = (
    *("line_id", "kind", "amount_fen", "amount_yuan", "offer_id", "offer_version", "title_zh"),
    *("title_en", "redemption_id", "consumption_id", "shop_id", "shop_zh", "shop_en"),
    *("occurred_at", "recorded_at", "reverses_id"),
)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_BOM = "\ufeff"


def csv_of(
    database: Database, about: Exported, *, bom: bool = True, with_facts: bool = True
) -> Iterator[bytes]:
    """The facts, an empty line, and the lines under their columns' names. Excel needs the ``bom``
    to know the text for UTF-8.

    Raises:
        SettlementNotReady: at the end, where it was voided meanwhile and lines are missing.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if bom:
        buffer.write(_BOM)
    if with_facts:
        writer.writerows((name, _plain(value)) for name, _, value in facts(about))
        writer.writerow(())
    writer.writerow(COLUMNS)
    row = _rows_of(about)
    for page in lines(database, about):
        writer.writerows(map(row, page))
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    found = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return found


def _rows_of(about: Exported) -> Callable[[Row], tuple[object, ...]]:
    """How a line is written; names are made harmless once, not on each line."""
    titles = {key: _harmless_both(words) for key, words in about.titles.items()}
    shops = {key: _harmless_both(words) for key, words in about.shops.items()}
    prices, zone = lru_cache(yuan), about.zone

    def row(line: Row) -> tuple[object, ...]:
        id_, kind, fen, offer, version, redemption, consumption, shop, occurred, recorded, back = (
            line
        )
        return (
            *(id_, kind, fen, prices(fen), offer, version, *titles[offer, version]),
            *(redemption, consumption, shop, *shops[shop]),
            *(instant(occurred, zone), instant(recorded, zone), back),
        )

    return row


def _harmless_both(words: Text) -> Text:
    return Text(harmless(words.zh), harmless(words.en))


def _plain(value: Cell) -> Cell:
    return harmless(value) if isinstance(value, str) else value


def harmless(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
