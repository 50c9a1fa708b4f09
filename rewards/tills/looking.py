"""What a till's request is about: vouchers under lock, and the rows around them, each read for all
of a list at once.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.bulk import BY_INDEX, array_of, together
from rewards.merchants.errors import UnknownScanner, UnknownShop
from rewards.models import Consumption, Offer, OfferVersion, Scanner, Shop, Voucher
from rewards.tills.errors import ScannerRetired


class Found(NamedTuple):
    """A voucher as it stands under our lock."""

    code_sha256: bytes
    holder_id: UUID
    redemption_id: UUID
    offer_id: UUID
    version: int
    expires_at: datetime | None
    consumed_at: datetime | None
    consumption_id: UUID | None
    lapsed_at: datetime | None
    cancelled_at: datetime | None
    expired_at: datetime | None
    refunded_at: datetime | None


class Taken(NamedTuple):
    """A consumption as it was written, and the shop's name where one was told."""

    id: UUID
    code_sha256: bytes
    consumed_at: datetime
    shop_id: UUID | None
    scanner_id: UUID | None
    offline: bool
    reversed_at: datetime | None
    shop_zh: str | None
    shop_en: str | None


class Terms(NamedTuple):
    """What holds of a voucher: of the version by which it was redeemed."""

    offer_id: UUID
    version: int
    programme_holder_id: UUID
    title_zh: str
    title_en: str
    settlement_fen: int
    shop_ids: list[UUID]


class Place(NamedTuple):
    """Where a till stands, by what it said of itself."""

    shop_id: UUID | None
    scanner_id: UUID | None
    shop_zh: str | None = None
    shop_en: str | None = None


_COLUMNS: LiteralString = """
    v.code_sha256, v.holder_id, v.redemption_id, v.offer_id, v.version, v.expires_at,
    v.consumed_at, v.consumption_id, v.lapsed_at, v.cancelled_at, v.expired_at, v.refunded_at
"""
_LOCK: LiteralString = f"""
    SELECT {_COLUMNS} FROM voucher AS v
    WHERE v.code_sha256 = %(hashed)s AND v.merchant_id = %(merchant)s FOR UPDATE
"""
# An UPDATE that changes nothing locks rows of many shards in the order of the list, which FOR
# UPDATE may not (design section 7).
_LOCK_MANY: LiteralString = f"""
    UPDATE voucher AS v SET version = v.version
    FROM unnest(CAST(%(hashes)s AS text[])) AS k (hashed)
    WHERE v.code_sha256 = decode(k.hashed, 'hex') AND v.merchant_id = %(merchant)s
    RETURNING {_COLUMNS}
"""


def lock_vouchers(
    session: Session, merchant_id: UUID, hashes: Iterable[bytes]
) -> dict[bytes, Found]:
    """A merchant's vouchers by the hashes of their codes, locked, the lowest first. What is another
    merchant's is neither found nor locked. One round trip.
    """
    wanted = sorted(set(hashes))
    if len(wanted) <= 2:  # One code, which may be ours or the merchant's own.
        each = [(_LOCK, {"hashed": one, "merchant": merchant_id}) for one in wanted]
        found = [Found(*row) for rows in together(session, *each) for row in rows]
    else:
        parameters = {"hashes": array_of(one.hex() for one in wanted), "merchant": merchant_id}
        *_, rows = together(session, *BY_INDEX, (_LOCK_MANY, parameters))
        found = [Found(*row) for row in rows]
    return {one.code_sha256: one for one in found}


def look_at(session: Session, hashes: Iterable[bytes]) -> dict[bytes, Found]:
    """The same without a lock, whose ever they are."""
    columns = [getattr(Voucher, name) for name in Found._fields]
    rows = session.execute(select(*columns).where(Voucher.code_sha256.in_(set(hashes))))
    return {row[0]: Found(*row) for row in rows}


def taken(session: Session, ids: Iterable[UUID]) -> dict[UUID, Taken]:
    """Consumptions by their ids, whose ever they are."""
    query = (
        select(
            Consumption.id,
            Consumption.code_sha256,
            Consumption.consumed_at,
            Consumption.shop_id,
            Consumption.scanner_id,
            Consumption.offline,
            Consumption.reversed_at,
            Shop.name_zh,
            Shop.name_en,
        )
        .outerjoin(Shop, Shop.id == Consumption.shop_id)
        .where(Consumption.id.in_(set(ids)))
    )
    return {row.id: Taken(*row) for row in session.execute(query)}


def terms_of(session: Session, vouchers: Iterable[Found]) -> dict[tuple[UUID, int], Terms]:
    """The terms of vouchers, by offer and version."""
    wanted = {(one.offer_id, one.version) for one in vouchers}
    query = (
        select(
            OfferVersion.offer_id,
            OfferVersion.version,
            Offer.programme_holder_id,
            OfferVersion.title_zh,
            OfferVersion.title_en,
            OfferVersion.settlement_fen,
            OfferVersion.shop_ids,
        )
        .join(Offer, Offer.id == OfferVersion.offer_id)
        .where(
            OfferVersion.offer_id.in_({offer_id for offer_id, _ in wanted}),
            OfferVersion.version.in_({version for _, version in wanted}),
        )
    )
    return {(row.offer_id, row.version): Terms(*row) for row in session.execute(query)}


class Places:
    """A merchant's shops and scanners, those of a list that belong to it; two statements."""

    def __init__(
        self,
        session: Session,
        merchant_id: UUID,
        shop_ids: Iterable[UUID | None],
        scanner_ids: Iterable[UUID | None],
    ) -> None:
        self._scanners: dict[UUID, Scanner] = {}
        self._shops: dict[UUID, Shop] = {}
        if scanners := set(scanner_ids) - {None}:
            query = select(Scanner).where(
                Scanner.id.in_(scanners), Scanner.merchant_id == merchant_id
            )
            rows = session.scalars(query, execution_options={"populate_existing": True})
            self._scanners = {one.id: one for one in rows}
        homes = {one.shop_id for one in self._scanners.values()}
        if shops := (set(shop_ids) | homes) - {None}:
            of_merchant = select(Shop).where(Shop.id.in_(shops), Shop.merchant_id == merchant_id)
            found = session.scalars(of_merchant, execution_options={"populate_existing": True})
            self._shops = {one.id: one for one in found}

    def home_of(self, scanner_id: UUID) -> UUID | None:
        """The shop in which a scanner of the merchant's stands."""
        scanner = self._scanners.get(scanner_id)
        return scanner.shop_id if scanner else None

    def place(self, shop_id: UUID | None, scanner_id: UUID | None) -> Place:
        """Where a till stands: in the shop that it names, else in its scanner's.

        Raises:
            UnknownScanner, ScannerRetired, UnknownShop.
        """
        if scanner_id is not None:
            scanner = self._scanners.get(scanner_id)
            if scanner is None:
                raise UnknownScanner(scanner_id)
            if scanner.retired_at is not None:
                raise ScannerRetired(scanner_id, scanner.retired_at)
            shop_id = shop_id or scanner.shop_id
        if shop_id is None:
            return Place(None, scanner_id)
        shop = self._shops.get(shop_id)
        if shop is None or shop.closed_at is not None:
            raise UnknownShop(shop_id)
        return Place(shop.id, scanner_id, shop.name_zh, shop.name_en)
