"""Lines of a settlement: a page of them as merchants and auditors read it, or all of them, page by
page in flat memory, as files want them.

Kept here: nothing of a resident. A line has its redemption's id, as what the tills are told has.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from ledgers.bulk import together
from rewards.models import OfferVersion, SettlementLine, Shop
from rewards.settling.drafting import Key

PAGE_LINES = 5_000


class Words(NamedTuple):
    """What something is called; empty where it has no name."""

    zh: str
    en: str


NO_WORDS = Words("", "")


class Told(NamedTuple):
    """A line; ``amount_fen`` is signed."""

    id: UUID
    kind: str
    amount_fen: int
    offer_id: UUID
    version: int
    title: Words
    redemption_id: UUID
    consumption_id: UUID | None
    shop_id: UUID | None
    shop: Words
    occurred_at: datetime
    recorded_at: datetime
    reverses_id: UUID | None


class Names:
    """Titles of offers and names of shops, each read once: a merchant has some hundred."""

    def __init__(self) -> None:
        self._titles: dict[tuple[UUID, int], Words] = {}
        self._shops: dict[UUID, Words] = {}

    def title(self, offer_id: UUID, version: int) -> Words:
        return self._titles.get((offer_id, version), NO_WORDS)

    def shop(self, shop_id: UUID | None) -> Words:
        return self._shops.get(shop_id, NO_WORDS) if shop_id else NO_WORDS

    def learn(self, session: Session, offers: set[tuple[UUID, int]], shops: set[UUID]) -> None:
        """Read the names that are not known yet, at most two statements."""
        if unknown := offers - self._titles.keys():
            query = select(
                OfferVersion.offer_id,
                OfferVersion.version,
                OfferVersion.title_zh,
                OfferVersion.title_en,
            ).where(tuple_(OfferVersion.offer_id, OfferVersion.version).in_(unknown))
            for offer_id, version, zh, en in session.execute(query):
                self._titles[offer_id, version] = Words(zh, en)
        if missing := shops - self._shops.keys():
            named = select(Shop.id, Shop.name_zh, Shop.name_en).where(Shop.id.in_(missing))
            for shop_id, zh, en in session.execute(named):
                self._shops[shop_id] = Words(zh, en)


_COLUMNS = (
    SettlementLine.id,
    SettlementLine.kind,
    SettlementLine.amount_fen,
    SettlementLine.offer_id,
    SettlementLine.version,
    SettlementLine.redemption_id,
    SettlementLine.consumption_id,
    SettlementLine.shop_id,
    SettlementLine.occurred_at,
    SettlementLine.recorded_at,
    SettlementLine.reverses_id,
)


def page(session: Session, key: Key, *, after: UUID | None = None, limit: int) -> list[Told]:
    """The next ``limit`` lines by id; three statements at most."""
    query = select(*_COLUMNS).where(
        SettlementLine.merchant_id == key.merchant_id, SettlementLine.settlement_id == key.id
    )
    if after is not None:
        query = query.where(SettlementLine.id > after)
    rows = session.execute(query.order_by(SettlementLine.id).limit(limit)).all()
    names = Names()
    names.learn(
        session,
        {(row.offer_id, row.version) for row in rows},
        {row.shop_id for row in rows if row.shop_id is not None},
    )
    return [_told(row, names) for row in rows]


def _told(row: Any, names: Names) -> Told:
    return Told(
        row.id,
        row.kind,
        row.amount_fen,
        row.offer_id,
        row.version,
        names.title(row.offer_id, row.version),
        row.redemption_id,
        row.consumption_id,
        row.shop_id,
        names.shop(row.shop_id),
        row.occurred_at,
        row.recorded_at,
        row.reverses_id,
    )


# Its id, kind, amount in fen, offer, version, redemption, consumption, shop, the seconds since 1970
# when it took place and when it was recorded, and the line that it takes back. Ids are text: made
# to objects and back they took most of the time of a file.
Row = tuple[
    str, str, int, str, int, str, str | None, str | None, int, int, str | None
]  # fmt: skip
_PAGE: LiteralString = """
    SELECT id::text, kind, amount_fen, offer_id::text, version, redemption_id::text,
        consumption_id::text, shop_id::text, floor(extract(epoch FROM occurred_at))::bigint,
        floor(extract(epoch FROM recorded_at))::bigint, reverses_id::text
    FROM settlement_line
    WHERE merchant_id = %(merchant)s AND settlement_id = %(settlement)s AND id > %(after)s
    ORDER BY settlement_line.id LIMIT %(limit)s
"""


def pages(
    transact: Callable[[Callable[[Session], list[Row]]], list[Row]], key: Key
) -> Iterator[Sequence[Row]]:
    """All lines by id, PAGE_LINES at a time, each page a transaction: the lines of a settlement
    that is no longer drafted do not change, unless it is voided.
    """
    after = UUID(int=0)
    while True:
        found = transact(partial(_page, key=key, after=after))
        if found:
            yield found
        if len(found) < PAGE_LINES:
            return
        after = UUID(found[-1][0])


def _page(session: Session, key: Key, after: UUID) -> list[Row]:
    within = {"merchant": key.merchant_id, "settlement": key.id}
    (cursor,) = together(session, (_PAGE, within | {"after": after, "limit": PAGE_LINES}))
    return cursor.fetchall()
