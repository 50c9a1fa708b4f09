"""Exports of a settlement: its facts and every line, as CSV and as a workbook, streamed.

Kept here: text that a spreadsheet would take for a formula is marked as text; amounts are numbers,
in fen and in yuan; a file that ends without an error has all lines.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rewards.models import Merchant, Settlement, SettlementLine
from rewards.settling.drafting import DRAFT, DRAFTING, VOID, Key, get_settlement
from rewards.settling.errors import SettlementNotReady
from rewards.settling.lines import Names, Told, pages
from service.db import Database
from service.language import Text
from service.settling.drafts import zone_of
from service.settling.sheets import Cell, Sheet, workbook

CSV_TYPE = "text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BOM = "\ufeff"


class ExportCut(Exception):
    """Lines went away meanwhile: the settlement was voided, and the file is cut short."""


class Sum(NamedTuple):
    """Lines of one kind for one version of an offer in one shop."""

    kind: str
    title: Text
    shop: Text
    lines: int
    amount_fen: int


class Exported(NamedTuple):
    """What is read before the first byte is sent."""

    settlement: Settlement
    merchant: Merchant
    zone: ZoneInfo
    sums: Sequence[Sum]

    @property
    def name(self) -> str:
        """Of the file, without its ending."""
        return f"settlement-{self.settlement.period_from}-{self.settlement.id.hex[:8]}"


def read(session: Session, key: Key) -> Exported:
    """What an export begins with.

    Raises:
        UnknownSettlement, SettlementNotReady: there is none; its lines are being claimed or freed.
    """
    found = get_settlement(session, key)
    if found.state in (DRAFTING, VOID):
        raise SettlementNotReady(key.id, state=found.state, allowed=f"{DRAFT} or further")
    merchant = session.get_one(Merchant, key.merchant_id)
    zone = zone_of(session, found.programme_holder_id)
    return Exported(found, merchant, zone, _sums(session, key))


def _sums(session: Session, key: Key) -> list[Sum]:
    line = SettlementLine
    groups = (line.kind, line.offer_id, line.version, line.shop_id)
    query = (
        select(*groups, func.count(), func.sum(line.amount_fen))
        .where(line.merchant_id == key.merchant_id, line.settlement_id == key.id)
        .group_by(*groups)
        .order_by(*groups)
    )
    rows = session.execute(query).all()
    names = Names()
    names.learn(
        session, {(row[1], row[2]) for row in rows}, {row[3] for row in rows if row[3] is not None}
    )
    return [
        Sum(kind, Text(*names.title(offer, version)), Text(*names.shop(shop)), lines, int(amount))
        for kind, offer, version, shop, lines, amount in rows
    ]


def yuan(amount_fen: int) -> Decimal:
    """Fen as yuan, with two decimals."""
    return Decimal(amount_fen).scaleb(-2)


# --- Facts ----------------------------------------------------------------------------------------

_STEPS = (
    ("drafted", Text("制单", "Drafted")),
    ("confirmed", Text("商户确认", "Confirmed")),
    ("approved", Text("复核", "Approved")),
    ("paid", Text("付款", "Paid")),
)


def facts(about: Exported) -> list[tuple[str, Text, Cell]]:
    """What a settlement is, as name, words and value."""
    one, merchant = about.settlement, about.merchant
    payable_fen = one.owed_fen - one.returned_fen
    found: list[tuple[str, Text, Cell]] = [
        ("merchant_zh", Text("商户", "Merchant"), merchant.name_zh),
        ("merchant_en", Text("商户英文名", "Merchant in English"), merchant.name_en),
        ("merchant_id", Text("商户编号", "Merchant id"), str(one.merchant_id)),
        ("settlement_id", Text("结算单编号", "Settlement id"), str(one.id)),
        ("period_from", Text("起始日", "From"), str(one.period_from)),
        ("period_to", Text("截止日（不含）", "To the day before"), str(one.period_to)),
        ("state", Text("状态", "State"), one.state),
        ("lines", Text("笔数", "Lines"), one.lines),
        ("owed_fen", Text("应付（分）", "Owed, fen"), one.owed_fen),
        ("returned_fen", Text("扣回（分）", "Taken back, fen"), one.returned_fen),
        ("payable_fen", Text("实付（分）", "Payable, fen"), payable_fen),
        ("payable_yuan", Text("实付（元）", "Payable, yuan"), yuan(payable_fen)),
    ]
    for name, words in _STEPS:
        by, at = getattr(one, f"{name}_by"), getattr(one, f"{name}_at")
        if by is not None:
            found.append((f"{name}_by", words, by))
            found.append((f"{name}_at", Text(f"{words.zh}时间", f"{words.en} at"), _at(at, about)))
    if one.payment_reference is not None:
        words = Text("付款凭证号", "Payment reference")
        found.append(("payment_reference", words, one.payment_reference))
    return found


def _at(at: datetime, about: Exported) -> str:
    return at.astimezone(about.zone).isoformat(timespec="seconds")


# --- Lines ----------------------------------------------------------------------------------------


def _lines(database: Database, about: Exported) -> Iterator[Sequence[Told]]:
    """All lines, page by page; raises ExportCut at the end where some are missing."""
    one, count = about.settlement, 0
    for page in pages(database.transact, Key(one.merchant_id, one.id)):
        count += len(page)
        yield page
    if count != one.lines:
        raise ExportCut(f"{count} lines of {one.lines}")


CSV_COLUMNS = (
    *("line_id", "kind", "amount_fen", "amount_yuan", "offer_id", "offer_version", "title_zh"),
    *("title_en", "voucher", "consumption_id", "shop_id", "shop_zh", "shop_en", "occurred_at"),
    *("recorded_at", "reverses_id"),
)


def csv_of(
    database: Database, about: Exported, *, bom: bool = True, with_facts: bool = True
) -> Iterator[bytes]:
    """The facts, an empty line, and the lines under their columns' names. Excel needs the ``bom``
    to know the text for UTF-8.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    if bom:
        buffer.write(_BOM)
    if with_facts:
        writer.writerows((name, _plain(value)) for name, _, value in facts(about))
        writer.writerow(())
    writer.writerow(CSV_COLUMNS)
    for page in _lines(database, about):
        writer.writerows(_csv_row(line, about.zone) for line in page)
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    found = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return found


def _csv_row(line: Told, zone: ZoneInfo) -> tuple[object, ...]:
    return (
        line.id,
        line.kind,
        line.amount_fen,
        yuan(line.amount_fen),
        line.offer_id,
        line.version,
        harmless(line.title.zh),
        harmless(line.title.en),
        line.voucher,
        line.consumption_id,
        line.shop_id,
        harmless(line.shop.zh),
        harmless(line.shop.en),
        line.occurred_at.astimezone(zone).isoformat(),
        line.recorded_at.astimezone(zone).isoformat(),
        line.reverses_id,
    )


def _plain(value: Cell) -> Cell:
    return harmless(value) if isinstance(value, str) else value


def harmless(value: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value


_HEADINGS = (
    (Text("类型", "Kind"), 14),
    (Text("金额（元）", "Amount, yuan"), 12),
    (Text("金额（分）", "Amount, fen"), 12),
    (Text("商品", "Offer"), 28),
    (Text("版本", "Version"), 8),
    (Text("门店", "Shop"), 20),
    (Text("券号（尾号）", "Voucher (end of its number)"), 16),
    (Text("发生时间", "Took place at"), 20),
    (Text("记账时间", "Recorded at"), 20),
    (Text("核销编号", "Consumption id"), 38),
    (Text("明细编号", "Line id"), 38),
    (Text("冲回明细", "Takes back line"), 38),
)
KINDS = {
    "consumption": Text("核销", "consumption"),
    "top_up": Text("充值", "top-up"),
    "donation": Text("捐赠", "donation"),
    "reversal": Text("冲正", "reversal"),
    "refund": Text("退款", "refund"),
}


def xlsx_of(database: Database, about: Exported, *, english: bool = False) -> Iterator[bytes]:
    """A sheet of facts and sums, and the lines on as many sheets as they need."""
    index = 1 if english else 0
    named = [(words[index], value) for _, words, value in facts(about)]
    sums = Sheet(Text("汇总", "Sums")[index], (), _sum_rows(about, named, index), (24, 40, 20))
    rows = (_xlsx_row(line, about, index) for page in _lines(database, about) for line in page)
    heading = [words[index] for words, _ in _HEADINGS]
    widths = [width for _, width in _HEADINGS]
    return workbook((sums, Sheet(Text("明细", "Lines")[index], heading, rows, widths)))


_SUMS = (
    *(Text("类型", "Kind"), Text("商品", "Offer"), Text("门店", "Shop"), Text("笔数", "Lines")),
    *(Text("金额（元）", "Amount, yuan"), Text("金额（分）", "Amount, fen")),
)


def _sum_rows(
    about: Exported, named: Sequence[tuple[str, Cell]], index: int
) -> Iterator[Sequence[Cell]]:
    yield from named
    yield ()
    yield [words[index] for words in _SUMS]
    for one in about.sums:
        title, shop = one.title[index], one.shop[index]
        yield KINDS[one.kind][index], title, shop, one.lines, yuan(one.amount_fen), one.amount_fen


def _xlsx_row(line: Told, about: Exported, index: int) -> Sequence[Cell]:
    return (
        KINDS[line.kind][index],
        yuan(line.amount_fen),
        line.amount_fen,
        line.title[index],
        line.version,
        line.shop[index],
        line.voucher,
        _clock(line.occurred_at, about.zone),
        _clock(line.recorded_at, about.zone),
        str(line.consumption_id or ""),
        str(line.id),
        str(line.reverses_id or ""),
    )


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).replace(tzinfo=None).isoformat(" ", timespec="seconds")
