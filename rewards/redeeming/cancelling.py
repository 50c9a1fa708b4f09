"""Cancelling: the resident takes a redemption back, while its terms let them and it is unused."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledgers.funds import lock_holder
from rewards.errors import UnknownRedemption, VoucherConsumed, VoucherLapsed
from rewards.models import Offer, OfferVersion, Redemption, Voucher
from rewards.redeeming import stock, vouchers
from rewards.redeeming.days import day_of
from rewards.redeeming.ending import Ends, give_points_back
from rewards.redeeming.errors import NotCancellable, RedemptionEnded
from rewards.voucher_codes import Codes


def cancel(
    session: Session,
    redemption_id: UUID,
    *,
    holder_id: UUID,
    zone: str,
    codes: Codes,
    actor: str,
    now: datetime,
    request_id: str | None = None,
) -> Redemption:
    """Give the points back to the lots they came from, the unit to the offer, what it costs to the
    offer's money; the voucher is void. Cancelling again changes nothing.

    Args:
        zone: the programme's, where a unit of today can be had again today.
        actor: who cancels: ``holder:ID``, or who acts for them.

    Raises:
        UnknownRedemption: also for somebody else's.
        RedemptionEnded: it failed, expired or was refunded.
        VoucherConsumed, VoucherLapsed: the voucher has ended otherwise.
        NotCancellable: by its terms, or their time is over; or it is not done yet.

    Locks the resident's accounts, the voucher, then the offer's stock.
    """
    lock_holder(session, holder_id)
    redemption = session.get(Redemption, (holder_id, redemption_id), populate_existing=True)
    if redemption is None:
        raise UnknownRedemption(redemption_id)
    if redemption.state == "cancelled":
        return redemption
    if redemption.ended_at is not None:
        raise RedemptionEnded(redemption.state, redemption.ended_at)
    offer = session.get_one(Offer, redemption.offer_id)
    version = session.get_one(OfferVersion, (offer.id, redemption.version))
    voucher = _locked_voucher(session, redemption, offer, codes)
    until = cancel_until(redemption, version, voucher)
    if redemption.state != "done" or until is None or now >= until:
        raise NotCancellable(until)
    assert voucher is not None, "what can be cancelled has a voucher"
    ends = Ends("cancelled", actor, "redemption cancelled", now, request_id)
    spent = {redemption_id: holder_id}
    returned = give_points_back(session, spent, ends, since=redemption.redeemed_at)
    voucher.cancelled_at = now
    redemption.state, redemption.ended_at, redemption.ended_by = "cancelled", now, actor
    redemption.returned_points = returned.get(redemption_id, 0)
    fen, day = redemption.units * version.settlement_fen, day_of(redemption.redeemed_at, zone)
    stock.give_back(session, offer.id, redemption.units, fen=fen, day=day, restock=True)
    return redemption


def cancel_until(
    redemption: Redemption, version: OfferVersion, voucher: Voucher | None
) -> datetime | None:
    """Until when a voucher may be cancelled while it is unused; None: never."""
    if voucher is None or not version.cancel_hours:
        return None
    until = redemption.redeemed_at + timedelta(hours=version.cancel_hours)
    return until if voucher.expires_at is None else min(until, voucher.expires_at)


def _locked_voucher(
    session: Session, redemption: Redemption, offer: Offer, codes: Codes
) -> Voucher | None:
    """The redemption's voucher, unused; None where there is none."""
    hashes = vouchers.hashes_of(session, [(redemption, offer)], codes)
    if redemption.id not in hashes:
        return None
    query = select(Voucher).where(Voucher.code_sha256 == hashes[redemption.id]).with_for_update()
    voucher = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if voucher is not None and voucher.consumed_at is not None:
        raise VoucherConsumed(voucher.consumed_at)
    if voucher is not None and voucher.lapsed_at is not None:
        raise VoucherLapsed(voucher.lapsed_at)
    return voucher
