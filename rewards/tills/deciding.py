"""What becomes of each voucher that tills take, one after the other: pure, of rows that were read
and locked before.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledgers.errors import DomainError
from rewards.errors import ConsumptionReused, UnknownVoucher, VoucherConsumed, VoucherLapsed
from rewards.tills.errors import (
    VoucherCancelled,
    VoucherExpired,
    VoucherNotHere,
    VoucherRefunded,
)
from rewards.tills.looking import Found, Place, Places, Taken, Terms


@dataclass(frozen=True, slots=True)
class Taking:
    """A voucher that a till takes, under the till's own id. ``hashes``: under which its code may be
    stored. ``good_at``: when it must have been good, where that is not ``consumed_at``.
    """

    id: UUID
    hashes: tuple[bytes, ...]
    consumed_at: datetime
    shop_id: UUID | None = None
    scanner_id: UUID | None = None
    offline: bool = False
    good_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consumed:
    """What the clerk needs to see: what to hand over."""

    id: UUID
    offer_id: UUID
    redemption_id: UUID
    version: int
    title_zh: str
    title_en: str
    consumed_at: datetime
    shop_id: UUID | None
    scanner_id: UUID | None
    offline: bool
    reversed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a voucher was not taken, the voucher if it is this merchant's, and what took it first."""

    error: DomainError
    voucher: Found | None = None
    first: Taken | None = None


@dataclass(frozen=True, slots=True)
class New:
    taking: Taking
    voucher: Found
    terms: Terms
    place: Place


class Counter:
    """Decides one taking after the other, each as those before it leave the vouchers."""

    def __init__(
        self,
        vouchers: dict[bytes, Found],
        known: dict[UUID, Taken],
        terms: dict[tuple[UUID, int], Terms],
        places: Places,
    ) -> None:
        self._vouchers, self._known, self._terms = vouchers, known, terms
        self._places = places
        self.new: list[New] = []

    def answer(self, taking: Taking) -> Consumed | Refused:
        voucher = next(
            (self._vouchers[each] for each in taking.hashes if each in self._vouchers), None
        )
        if voucher is None:
            return Refused(UnknownVoucher())
        terms = self._terms[voucher.offer_id, voucher.version]
        if (before := self._known.get(taking.id)) is not None:
            if before.code_sha256 != voucher.code_sha256:
                return Refused(ConsumptionReused(taking.id))
            return consumed(before, voucher, terms)
        first = self._known.get(voucher.consumption_id) if voucher.consumption_id else None
        if (ended := _ended(voucher, first)) is not None:
            return Refused(ended, voucher, first)
        good_at = taking.good_at or taking.consumed_at
        if voucher.expires_at is not None and good_at >= voucher.expires_at:
            return Refused(VoucherExpired(voucher.expires_at), voucher)
        try:
            place = self._places.place(taking.shop_id, taking.scanner_id)
        except DomainError as error:
            return Refused(error, voucher)
        if terms.shop_ids and place.shop_id not in terms.shop_ids:
            return Refused(VoucherNotHere(terms.shop_ids), voucher)
        return self._take(taking, voucher, terms, place)

    def _take(self, taking: Taking, voucher: Found, terms: Terms, place: Place) -> Consumed:
        made = Taken(
            taking.id,
            voucher.code_sha256,
            taking.consumed_at,
            place.shop_id,
            place.scanner_id,
            taking.offline,
            None,
            place.shop_zh,
            place.shop_en,
        )
        self._known[taking.id] = made
        self._vouchers[voucher.code_sha256] = voucher._replace(
            consumed_at=taking.consumed_at, consumption_id=taking.id
        )
        self.new.append(New(taking, voucher, terms, place))
        return consumed(made, voucher, terms)


def _ended(voucher: Found, first: Taken | None) -> DomainError | None:
    """Why a voucher can be used no more, if it cannot."""
    if voucher.consumed_at is not None:
        if voucher.refunded_at is not None:
            return VoucherRefunded(consumed_at=voucher.consumed_at, refunded_at=voucher.refunded_at)
        shop = (first.shop_id, first.shop_zh, first.shop_en) if first else (None, None, None)
        return VoucherConsumed(
            voucher.consumed_at,
            consumption_id=voucher.consumption_id,
            shop_id=shop[0],
            shop_zh=shop[1],
            shop_en=shop[2],
        )
    if voucher.lapsed_at is not None:
        return VoucherLapsed(voucher.lapsed_at)
    if voucher.cancelled_at is not None:
        return VoucherCancelled(voucher.cancelled_at)
    if voucher.expired_at is not None:
        return VoucherExpired(voucher.expires_at or voucher.expired_at)
    return None


def consumed(one: Taken, voucher: Found, terms: Terms) -> Consumed:
    """What the clerk is told of a consumption."""
    return Consumed(
        one.id,
        voucher.offer_id,
        voucher.redemption_id,
        voucher.version,
        terms.title_zh,
        terms.title_en,
        one.consumed_at,
        one.shop_id,
        one.scanner_id,
        one.offline,
        one.reversed_at,
    )
