"""What the files of a settlement have in common: its facts, its sums, its lines and their times.

Kept here: a file that ends without an error has all lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rewards.models import Merchant, Settlement, SettlementLine
from rewards.settling.drafting import DRAFT, DRAFTING, VOID, Key, get_settlement
from rewards.settling.errors import SettlementNotReady
from rewards.settling.lines import Names, Row, pages
from service.db import Database
from service.language import Text
from service.settling.drafts import zone_of

Cell = str | int | Decimal


class Sum(NamedTuple):
    """Lines of one kind for one version of an offer in one shop."""

    kind: str
    title: Text
    shop: Text
    lines: int
    amount_fen: int


class Exported(NamedTuple):
    """What is read before the first byte is sent. Names are by ids as lines have them."""

    settlement: Settlement
    merchant: Merchant
    zone: ZoneInfo
    sums: Sequence[Sum]
    titles: Mapping[tuple[str, int], Text]
    shops: Mapping[str | None, Text]

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
        raise _not_ready(found, found.state)
    merchant = session.get_one(Merchant, key.merchant_id)
    zone = zone_of(session, found.programme_holder_id)
    sums, titles, shops = [], {}, {}
    groups = _groups(session, key)
    names = Names()
    offers, places = {row[1:3] for row in groups}, {row[3] for row in groups} - {None}
    names.learn(session, offers, places)
    for kind, offer_id, version, shop_id, lines, amount in groups:
        title, shop = Text(*names.title(offer_id, version)), Text(*names.shop(shop_id))
        titles[str(offer_id), version] = title
        shops[str(shop_id) if shop_id else None] = shop
        sums.append(Sum(kind, title, shop, lines, int(amount)))
    return Exported(found, merchant, zone, sums, titles, shops)


def _groups(session: Session, key: Key) -> list[tuple[Any, ...]]:
    """Kind, offer, version and shop of lines, how many there are and their sum in fen."""
    line = SettlementLine
    groups = (line.kind, line.offer_id, line.version, line.shop_id)
    query = (
        select(*groups, func.count(), func.sum(line.amount_fen))
        .where(line.merchant_id == key.merchant_id, line.settlement_id == key.id)
        .group_by(*groups)
        .order_by(*groups)
    )
    return [tuple(row) for row in session.execute(query)]


def _not_ready(found: Settlement, state: str) -> SettlementNotReady:
    return SettlementNotReady(found.id, state=state, allowed=f"{DRAFT} or further")


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


def lines(database: Database, about: Exported) -> Iterator[Sequence[Row]]:
    """All lines, page by page.

    Raises:
        SettlementNotReady: at the end, where some are missing, for it was voided meanwhile.
    """
    one, count = about.settlement, 0
    for page in pages(database.transact, Key(one.merchant_id, one.id)):
        count += len(page)
        yield page
    if count != one.lines:
        raise _not_ready(one, VOID)


def instant(seconds: int, zone: ZoneInfo) -> str:
    """Seconds since 1970 as ISO 8601 with the zone's offset."""
    minute, rest = divmod(seconds, 60)
    local, offset = _minute(minute, zone)
    return f"{local}:{rest:02}{offset}"


def clock(seconds: int, zone: ZoneInfo) -> str:
    """Seconds since 1970 as a clock in the zone shows them, after its day."""
    minute, rest = divmod(seconds, 60)
    return f"{_minute(minute, zone)[0].replace('T', ' ')}:{rest:02}"


@lru_cache(maxsize=4096)  # Lines are in the order of their time, so a few are asked for again.
def _minute(minute: int, zone: ZoneInfo) -> tuple[str, str]:
    said = datetime.fromtimestamp(minute * 60, zone).isoformat(timespec="minutes")
    return said[:16], said[16:]
