"""A till reads a resident's live code: for some minutes it may hand out to them what they have, and
what they want and can afford.

Nothing of the resident is told but what this merchant can hand out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ledgers.accounts import is_closed
from ledgers.errors import AccountClosed, InsufficientPoints
from rewards.errors import UnknownOffer, UnknownRedemption
from rewards.models import Offer, Redemption, Scan
from rewards.redeeming.buyers import Buyer
from rewards.redeeming.redemption import Redeemed, redeem
from rewards.redeeming.terms import WITH_VOUCHER, load
from rewards.redeeming.vouchers import hashes_of as hashes_of_redemptions
from rewards.tills import code_devices, live_codes
from rewards.tills.consuming import hashes_of, take
from rewards.tills.deciding import Consumed, Taking
from rewards.tills.errors import (
    NotForTills,
    ResidentGone,
    ResidentLacksPoints,
    ScanOver,
    ScanReused,
    UnknownLiveCode,
    UnknownScan,
)
from rewards.tills.looking import Places, taken
from rewards.voucher_codes import Codes

OPEN_FOR = timedelta(minutes=5)


class Till(NamedTuple):
    """Who scans for which merchant, and where."""

    merchant_id: UUID
    name: str
    shop_id: UUID | None = None
    scanner_id: UUID | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What was redeemed and taken at once."""

    redeemed: Redeemed
    consumed: Consumed


def open_scan(
    session: Session, scan_id: UUID, sent: str, *, root: bytes, till: Till, now: datetime
) -> Scan:
    """Take a live code. The same scan and code again answer the same.

    ``root``: from which the phones' keys follow.

    Raises:
        UnknownLiveCode, LiveCodeOffTime, LiveCodeUsed, CodeDeviceEnded: the code is not good.
        ScanReused: the id stands for another code, or another till.
        UnknownShop, UnknownScanner, ScannerRetired: the till is none of this merchant's.
        ResidentGone: whose phone it is has closed the account.

    Locks the phone's row.
    """
    if (code := live_codes.read(root, sent)) is None:
        raise UnknownLiveCode
    if (earlier := session.get(Scan, scan_id)) is not None:
        return _same_or_refuse(earlier, code, till)
    place = Places(session, till.merchant_id, [till.shop_id], [till.scanner_id]).place(
        till.shop_id, till.scanner_id
    )
    holder_id = code_devices.use(session, code, scan_id=scan_id, now=now)
    if is_closed(session, holder_id):
        raise ResidentGone
    row = {
        "id": scan_id,
        "merchant_id": till.merchant_id,
        "shop_id": place.shop_id,
        "scanner_id": till.scanner_id,
        "holder_id": holder_id,
        "code_device_id": code.device_id,
        "step": code.step,
        "opened_by": till.name,
        "opened_at": now,
        "ends_at": now + OPEN_FOR,
    }
    session.execute(insert(Scan).values(row).on_conflict_do_nothing())
    return _same_or_refuse(session.get_one(Scan, scan_id), code, till)


def get_scan(session: Session, scan_id: UUID, merchant_id: UUID) -> Scan:
    """A scan of this merchant's, over or not; raises UnknownScan."""
    found = session.get(Scan, scan_id)
    if found is None or found.merchant_id != merchant_id:
        raise UnknownScan(scan_id)
    return found


def redeem_here(
    session: Session,
    scan: Scan,
    redemption_id: UUID,
    *,
    offer_id: UUID,
    buyer_of: Callable[[Session, UUID], Buyer],
    codes: Codes,
    till: Till,
    now: datetime,
) -> HandedOut:
    """Redeem an offer for the resident of a scan and take its voucher, both or neither. The same
    again answers the same, also after the scan is over. The consumption's id follows from the
    redemption's.

    Raises what ``redeem`` and ``consume`` raise, but for InsufficientPoints, and:
        UnknownOffer: none of this merchant's.
        NotForTills: it gives no voucher.
        ScanOver: the scan ended before.
        ResidentGone: the account was closed meanwhile.
        ResidentLacksPoints: too few points; no more is told of them.
    """
    offer = load(session, offer_id).offer
    if offer.merchant_id != scan.merchant_id:
        raise UnknownOffer(offer_id)
    if offer.kind not in WITH_VOUCHER:
        raise NotForTills(offer_id)
    consumption_id = uuid5(redemption_id, "consumption")
    # By what was taken: what the resident had redeemed before is not taken once the scan is over.
    if consumption_id not in taken(session, [consumption_id]):
        check_open(scan, now)
    try:
        redeemed = redeem(
            session,
            redemption_id,
            buyer=buyer_of(session, scan.holder_id),
            offer_id=offer_id,
            codes=codes,
            now=now,
            request_id=till.request_id,
            acting=f"till:{scan.merchant_id}",
        )
    except AccountClosed as error:
        raise ResidentGone from error
    except InsufficientPoints as error:
        raise ResidentLacksPoints(error.need_points) from error
    assert redeemed.voucher_code is not None
    hashes = hashes_of(scan.merchant_id, redeemed.voucher_code, codes)
    return HandedOut(redeemed, _take(session, scan, consumption_id, hashes, till, now))


def hash_of(session: Session, scan: Scan, redemption_id: UUID, codes: Codes) -> bytes:
    """Under which the voucher of a redemption is kept; raises UnknownRedemption where the resident
    of the scan has no such voucher of this merchant.
    """
    query = (
        select(Redemption, Offer)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(
            Redemption.holder_id == scan.holder_id,
            Redemption.id == redemption_id,
            Offer.merchant_id == scan.merchant_id,
        )
    )
    found = [(redemption, offer) for redemption, offer in session.execute(query)]
    hashed = hashes_of_redemptions(session, found, codes).get(redemption_id)
    if hashed is None:
        raise UnknownRedemption(redemption_id)
    return hashed


def consume_here(
    session: Session,
    scan: Scan,
    consumption_id: UUID,
    *,
    hashed: bytes,
    till: Till,
    now: datetime,
) -> Consumed:
    """Take a voucher of the resident of a scan, without its code (``hash_of``). The same again
    answers the same, also after the scan is over.

    Raises what ``consume`` raises, and ScanOver.
    """
    if consumption_id not in taken(session, [consumption_id]):
        check_open(scan, now)
    return _take(session, scan, consumption_id, (hashed,), till, now)


def _same_or_refuse(earlier: Scan, code: live_codes.LiveCode, till: Till) -> Scan:
    was = (earlier.merchant_id, earlier.code_device_id, earlier.step, earlier.scanner_id)
    same_shop = till.shop_id in (None, earlier.shop_id)
    if was != (till.merchant_id, code.device_id, code.step, till.scanner_id) or not same_shop:
        raise ScanReused(earlier.id)
    return earlier


def check_open(scan: Scan, now: datetime) -> None:
    """Raises ScanOver."""
    if now >= scan.ends_at:
        raise ScanOver(scan.ends_at)


def _take(
    session: Session,
    scan: Scan,
    consumption_id: UUID,
    hashes: tuple[bytes, ...],
    till: Till,
    now: datetime,
) -> Consumed:
    return take(
        session,
        Taking(consumption_id, hashes, now, scan.shop_id, scan.scanner_id),
        merchant_id=scan.merchant_id,
        now=now,
        actor=till.name,
        request_id=till.request_id,
    )
