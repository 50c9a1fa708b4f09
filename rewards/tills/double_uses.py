"""Double uses: a voucher that an offline till handed goods out for, and that had ended before the
till told of it. Nobody is paid twice; what is kept says who took it, where, and by whose clock it
was first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from ledgers.errors import DomainError
from rewards.errors import VoucherConsumed, VoucherLapsed
from rewards.models import Consumption, DoubleUse, Shop
from rewards.tills.errors import VoucherCancelled, VoucherExpired
from rewards.tills.looking import Found, Taken, lock_vouchers, taken
from rewards.webhooks.outbox import Told, tell

_CLOCKS_MAY_DIFFER = timedelta(minutes=4)  # Two clocks, each off by two minutes at most.


class Scan(Protocol):
    """A scan of an offline till, as ``rewards.tills.offline`` has it."""

    @property
    def id(self) -> UUID: ...
    @property
    def scanned_at(self) -> datetime: ...
    @property
    def shop_id(self) -> UUID | None: ...
    @property
    def scanner_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A scan of a voucher that had ended: why, when, and by which consumption."""

    scan: Scan
    voucher: Found
    recorded_by: str
    why: str
    first_at: datetime
    first: Taken | None

    @classmethod
    def of(
        cls,
        voucher: Found,
        first: Taken | None,
        scan: Scan,
        recorded_by: str,
        good_at: datetime,
    ) -> "Ended | None":
        """None where the voucher has not ended, or the scan itself came after its end."""
        if voucher.consumed_at is not None:
            why, at = "consumed", voucher.consumed_at
        elif voucher.lapsed_at is not None:
            why, at = "lapsed", voucher.lapsed_at
        elif voucher.cancelled_at is not None:
            why, at = "cancelled", voucher.cancelled_at
        elif voucher.expired_at is not None:
            why, at = "expired", voucher.expires_at or voucher.expired_at
            if good_at >= at:
                return None
        else:
            return None
        return cls(scan, voucher, recorded_by, why, at, first)


class Recorded(NamedTuple):
    """What was answered to a scan of a voucher that had ended."""

    code_sha256: bytes
    scanned_at: datetime
    recorded_at: datetime
    error: DomainError


class Listed(NamedTuple):
    """A double use with the names of the shops, and who recorded the first use."""

    row: DoubleUse
    shop: Shop | None
    first_shop: Shop | None
    first_recorded_by: str | None

    @property
    def earlier(self) -> str:
        """By whose clock it was first: ``this`` scan's or the ``first`` that we heard of."""
        return "this" if self.row.scanned_at < self.row.first_at else "first"

    @property
    def clocks_may_differ(self) -> bool:
        """Whether the two are so near that clocks which are off could have turned them round."""
        return abs(self.row.scanned_at - self.row.first_at) <= _CLOCKS_MAY_DIFFER


def look(
    session: Session, merchant_id: UUID, hashes: Iterable[bytes]
) -> dict[bytes, tuple[Found, Taken | None]]:
    """Vouchers by the hashes of their codes, locked, and what took them."""
    vouchers = lock_vouchers(session, merchant_id, hashes)
    by = {one.consumption_id for one in vouchers.values() if one.consumption_id is not None}
    firsts = taken(session, by) if by else {}
    return {
        hashed: (one, firsts.get(one.consumption_id) if one.consumption_id else None)
        for hashed, one in vouchers.items()
    }


def record(
    session: Session, ended: Sequence[Ended], *, merchant_id: UUID, now: datetime
) -> Mapping[UUID, DomainError]:
    """Write double uses down, and tell of them; what each scan is answered, by its id."""
    by_id = {one.scan.id: one for one in ended}
    if not by_id:
        return {}
    rows = [_row(by_id[id_], merchant_id, now) for id_ in sorted(by_id)]
    statement = insert(DoubleUse).on_conflict_do_nothing().returning(DoubleUse.id)
    written = set(session.scalars(statement, rows))
    told = [Told(merchant_id, "voucher.double_use", _told(by_id[id_])) for id_ in sorted(written)]
    tell(session, told, now=now)
    return {
        id_: _error(
            one.why,
            one.first_at,
            one.voucher.consumption_id,
            (one.first.shop_id, one.first.shop_zh, one.first.shop_en) if one.first else _NOWHERE,
        )
        for id_, one in by_id.items()
    }


def recorded(session: Session, ids: Iterable[UUID], merchant_id: UUID) -> dict[UUID, Recorded]:
    """What was answered to scans before, by their ids."""
    query = (
        select(DoubleUse, Shop)
        .outerjoin(Shop, Shop.id == DoubleUse.first_shop_id)
        .where(DoubleUse.id.in_(set(ids)), DoubleUse.merchant_id == merchant_id)
    )
    return {
        row.id: Recorded(
            row.code_sha256,
            row.scanned_at,
            row.recorded_at,
            _error(
                row.why,
                row.first_at,
                row.first_id,
                (shop.id, shop.name_zh, shop.name_en) if shop else _NOWHERE,
            ),
        )
        for row, shop in session.execute(query)
    }


def listed(
    session: Session,
    reach: ColumnElement[bool],
    *,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Double uses within reach, the newest first. ``reach`` is a condition on DoubleUse."""
    first_shop = aliased(Shop)
    query = (
        select(DoubleUse, Shop, first_shop)
        .outerjoin(Shop, Shop.id == DoubleUse.shop_id)
        .outerjoin(first_shop, first_shop.id == DoubleUse.first_shop_id)
        .where(reach)
        .order_by(DoubleUse.recorded_at.desc(), DoubleUse.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(DoubleUse.recorded_at, DoubleUse.id) < tuple_(*before))
    rows = session.execute(query).all()
    firsts = {row.first_id for row, _, _ in rows if row.first_id is not None}
    who = select(Consumption.id, Consumption.recorded_by).where(Consumption.id.in_(firsts))
    names = dict(session.execute(who).all()) if firsts else {}
    return [
        Listed(row, shop, first, names.get(row.first_id) if row.first_id else None)
        for row, shop, first in rows
    ]


_NOWHERE = (None, None, None)


def _error(
    why: str,
    at: datetime,
    consumption_id: UUID | None,
    shop: tuple[UUID | None, str | None, str | None],
) -> DomainError:
    match why:
        case "consumed":
            return VoucherConsumed(
                at,
                consumption_id=consumption_id,
                shop_id=shop[0],
                shop_zh=shop[1],
                shop_en=shop[2],
            )
        case "cancelled":
            return VoucherCancelled(at)
        case "lapsed":
            return VoucherLapsed(at)
    return VoucherExpired(at)


def _row(one: Ended, merchant_id: UUID, now: datetime) -> dict[str, object]:
    return {
        "id": one.scan.id,
        "merchant_id": merchant_id,
        "offer_id": one.voucher.offer_id,
        "redemption_id": one.voucher.redemption_id,
        "code_sha256": one.voucher.code_sha256,
        "why": one.why,
        "scanned_at": one.scan.scanned_at,
        "shop_id": one.scan.shop_id,
        "scanner_id": one.scan.scanner_id,
        "recorded_at": now,
        "recorded_by": one.recorded_by,
        "first_id": one.voucher.consumption_id,
        "first_at": one.first_at,
        "first_shop_id": one.first.shop_id if one.first else None,
        "first_scanner_id": one.first.scanner_id if one.first else None,
    }


def _told(one: Ended) -> dict[str, object]:
    first = one.first
    return {
        "consumption_id": str(one.scan.id),
        "redemption_id": str(one.voucher.redemption_id),
        "offer_id": str(one.voucher.offer_id),
        "why": one.why,
        "scanned_at": one.scan.scanned_at.isoformat(),
        "shop_id": str(one.scan.shop_id) if one.scan.shop_id else None,
        "scanner_id": str(one.scan.scanner_id),
        "first_at": one.first_at.isoformat(),
        "first_consumption_id": str(first.id) if first else None,
        "first_shop_id": str(first.shop_id) if first and first.shop_id else None,
        "first_scanner_id": str(first.scanner_id) if first and first.scanner_id else None,
    }
