"""Closing: vouchers of a resident who leaves. They are found by their codes, which follow from the
redemptions (decision 9), as a voucher is kept by its code and not by its owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rewards.models import Offer, Redemption, Voucher
from rewards.voucher_codes import code_sha256, voucher_code

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Bought:
    """A redemption, what for, and its voucher as it stands: never its code.

    No voucher is found of a redemption from before the key was changed: none was open then.
    """

    redemption: Redemption
    offer: Offer
    voucher: Voucher | None

    @property
    def state(self) -> str:
        """Unused, used, or lapsed with its owner's account."""
        if self.voucher is None or self.voucher.consumed_at is not None:
            return "used"
        return "lapsed" if self.voucher.lapsed_at is not None else "unused"


def bought(session: Session, holder_id: UUID, *, code_key: bytes) -> list[Bought]:
    """All that a resident redeemed, the oldest first. ``code_key`` derives the codes."""
    query = (
        select(Redemption, Offer)
        .join(Offer, Offer.id == Redemption.offer_id)
        .where(Redemption.holder_id == holder_id)
        .order_by(Redemption.redeemed_at, Redemption.id)
    )
    rows = session.execute(query).all()
    hashes = [code_sha256(voucher_code(code_key, redemption.id)) for redemption, _ in rows]
    vouchers: dict[UUID, Voucher] = {}
    for start in range(0, len(hashes), _AT_ONCE):
        some = select(Voucher).where(Voucher.code_sha256.in_(hashes[start : start + _AT_ONCE]))
        fresh = {"populate_existing": True}
        found = session.scalars(some, execution_options=fresh)
        vouchers |= {voucher.redemption_id: voucher for voucher in found}
    return [Bought(redemption, offer, vouchers.get(redemption.id)) for redemption, offer in rows]


def forfeit(session: Session, unused: Sequence[Bought], *, now: datetime) -> list[Bought]:
    """Let vouchers lapse with their owner's account; answers those that did.

    What the merchant took meanwhile stays taken. Locks the vouchers' rows.
    """
    by_hash = {one.voucher.code_sha256: one for one in unused if one.voucher is not None}
    hashes = sorted(by_hash)
    lapsed: set[bytes] = set()
    for start in range(0, len(hashes), _AT_ONCE):
        statement = (
            update(Voucher)
            .where(
                Voucher.code_sha256.in_(hashes[start : start + _AT_ONCE]),
                Voucher.consumed_at.is_(None),
                Voucher.lapsed_at.is_(None),
            )
            .values(lapsed_at=now)
            .returning(Voucher.code_sha256)
        )
        lapsed |= set(session.scalars(statement, execution_options={"synchronize_session": False}))
    return [one for hashed, one in by_hash.items() if hashed in lapsed]
