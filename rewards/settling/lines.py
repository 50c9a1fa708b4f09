"""Lines of a settlement as merchants and auditors read them: page by page, in flat memory.

Kept here: nothing of a resident. A voucher is named by the end of its redemption's id, which is
random and opens nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from rewards.models import OfferVersion, SettlementLine, Shop
from rewards.settling.drafting import Key

PAGE_LINES = 5_000
REFERENCE_DIGITS = 12


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
    voucher: str
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


def page(
    session: Session,
    key: Key,
    *,
    after: UUID | None = None,
    limit: int,
    names: Names | None = None,
) -> list[Told]:
    """The next ``limit`` lines by id; three statements at most, one where all names are known."""
    query = select(*_COLUMNS).where(
        SettlementLine.merchant_id == key.merchant_id, SettlementLine.settlement_id == key.id
    )
    if after is not None:
        query = query.where(SettlementLine.id > after)
    rows = session.execute(query.order_by(SettlementLine.id).limit(limit)).all()
    known = names or Names()
    known.learn(
        session,
        {(row.offer_id, row.version) for row in rows},
        {row.shop_id for row in rows if row.shop_id is not None},
    )
    return [_told(row, known) for row in rows]


def pages(
    transact: Callable[[Callable[[Session], list[Told]]], list[Told]], key: Key
) -> Iterator[Sequence[Told]]:
    """All lines, PAGE_LINES at a time, each page a transaction: the lines of a settlement that is
    no longer drafted do not change, unless it is voided.
    """
    names, after = Names(), None
    while True:
        step = partial(page, key=key, after=after, limit=PAGE_LINES, names=names)
        found = transact(step)
        if found:
            yield found
        if len(found) < PAGE_LINES:
            return
        after = found[-1].id


def _told(row: Any, names: Names) -> Told:
    return Told(
        row.id,
        row.kind,
        row.amount_fen,
        row.offer_id,
        row.version,
        names.title(row.offer_id, row.version),
        reference_of(row.redemption_id),
        row.consumption_id,
        row.shop_id,
        names.shop(row.shop_id),
        row.occurred_at,
        row.recorded_at,
        row.reverses_id,
    )


def reference_of(redemption_id: UUID) -> str:
    """How people name a voucher without its code."""
    return redemption_id.hex[-REFERENCE_DIGITS:].upper()
