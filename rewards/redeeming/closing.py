"""Closing: what a resident who leaves has redeemed. Vouchers are found by their codes, which follow
from the redemptions or were given to them (decision 9), as a voucher is kept by its code and not by
its owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rewards.models import Offer, OfferVersion, Redemption, Voucher
from rewards.redeeming.ending import Ends, end_many
from rewards.redeeming.terms import WITH_VOUCHER
from rewards.redeeming.vouchers import hashes_of
from rewards.voucher_codes import Codes

REASON = "account closed"
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Bought:
    """A redemption, what for, by which terms, and its voucher as it stands: never its code.

    No voucher is found of a redemption from before the key was changed: none was open then.
    """

    redemption: Redemption
    offer: Offer
    version: OfferVersion
    voucher: Voucher | None

    @property
    def voucher_state(self) -> str | None:
        """Unused, used, cancelled, expired, refunded, or lapsed with its owner's account; None for
        what needs no voucher.
        """
        voucher = self.voucher
        if self.offer.kind not in WITH_VOUCHER:
            return None
        if voucher is None:
            return "used"
        if voucher.refunded_at is not None:
            return "refunded"
        ends = {
            "used": voucher.consumed_at,
            "lapsed": voucher.lapsed_at,
            "cancelled": voucher.cancelled_at,
            "expired": voucher.expired_at,
        }
        return next((state for state, at in ends.items() if at is not None), "unused")


def bought(session: Session, holder_id: UUID, *, codes: Codes) -> list[Bought]:
    """All that a resident redeemed, the oldest first. ``codes`` tells whose a voucher is."""
    query = (
        select(Redemption, Offer, OfferVersion)
        .join(Offer, Offer.id == Redemption.offer_id)
        .join(
            OfferVersion,
            (OfferVersion.offer_id == Redemption.offer_id)
            & (OfferVersion.version == Redemption.version),
        )
        .where(Redemption.holder_id == holder_id)
        .order_by(Redemption.redeemed_at, Redemption.id)
    )
    fresh = {"populate_existing": True}
    rows = session.execute(query, execution_options=fresh).all()
    hashes = hashes_of(session, [(redemption, offer) for redemption, offer, _ in rows], codes)
    wanted = sorted(hashes.values())
    vouchers: dict[bytes, Voucher] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = select(Voucher).where(Voucher.code_sha256.in_(wanted[start : start + _AT_ONCE]))
        found = session.scalars(some, execution_options=fresh)
        vouchers |= {bytes(voucher.code_sha256): voucher for voucher in found}
    return [
        Bought(redemption, offer, version, vouchers.get(hashes.get(redemption.id, b"")))
        for redemption, offer, version in rows
    ]


def forfeit(session: Session, unused: Sequence[Bought], *, by: str, now: datetime) -> list[Bought]:
    """Let vouchers lapse with their owner's account; answers those that did.

    No points come back, and the budgets' money does. What the merchant took meanwhile stays taken.
    Locks the vouchers' rows, then the offers' stock.
    """
    by_hash = {bytes(one.voucher.code_sha256): one for one in unused if one.voucher is not None}
    hashes = sorted(by_hash)
    lapsed: set[bytes] = set()
    for start in range(0, len(hashes), _AT_ONCE):
        statement = (
            update(Voucher)
            .where(
                Voucher.code_sha256.in_(hashes[start : start + _AT_ONCE]),
                Voucher.consumed_at.is_(None),
                Voucher.lapsed_at.is_(None),
                Voucher.cancelled_at.is_(None),
                Voucher.expired_at.is_(None),
            )
            .values(lapsed_at=now)
            .returning(Voucher.code_sha256)
        )
        found = session.scalars(statement, execution_options={"synchronize_session": False})
        lapsed |= {bytes(code) for code in found}
    forfeited = [one for hashed, one in by_hash.items() if hashed in lapsed]
    holders = {one.redemption.id: one.redemption.holder_id for one in forfeited}
    end_many(session, holders, {}, Ends("expired", by, REASON, now))
    return forfeited
