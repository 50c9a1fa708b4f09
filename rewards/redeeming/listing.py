"""A resident's redemptions as they stand, with what was bought, of whom, and the voucher."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, tuple_
from sqlalchemy.orm import Session

from ledgers.models import Posting
from rewards.errors import UnknownRedemption
from rewards.models import Merchant, Offer, OfferVersion, Redemption, Voucher
from rewards.redeeming import vouchers
from rewards.redeeming.cancelling import cancel_until
from rewards.redeeming.redemption import who_acted
from rewards.redeeming.top_ups import acted_by_many
from rewards.voucher_codes import Codes

PAGE_MAX = 200
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Standing:
    """A redemption by the terms of its version. ``acted_by``: who redeemed for the resident.

    No voucher is found of a redemption from before the key was changed.
    """

    redemption: Redemption
    offer: Offer
    version: OfferVersion
    merchant: Merchant
    voucher: Voucher | None
    acted_by: str | None

    def voucher_state(self, now: datetime) -> str | None:
        """None where there is none: it was a donation or a top-up."""
        voucher = self.voucher
        if voucher is None:
            return None
        ends = {
            "refunded": voucher.refunded_at,
            "used": voucher.consumed_at,
            "cancelled": voucher.cancelled_at,
            "expired": voucher.expired_at,
            "lapsed": voucher.lapsed_at,
        }
        if ended := [name for name, at in ends.items() if at is not None]:
            return ended[0]
        return "expired" if voucher.expires_at and voucher.expires_at <= now else "unused"

    def cancel_until(self, now: datetime) -> datetime | None:
        """Until when the resident may cancel, as it stands; None: not, or no longer."""
        if self.redemption.state != "done" or self.voucher_state(now) != "unused":
            return None
        until = cancel_until(self.redemption, self.version, self.voucher)
        return until if until and until > now else None


class Page(NamedTuple):
    """The newest first; ``next_before`` is the place of the last, None at the end."""

    standings: list[Standing]
    next_before: Place | None


def page(
    session: Session,
    holder_id: UUID,
    *,
    codes: Codes,
    before: Place | None = None,
    limit: int = 50,
) -> Page:
    """Up to ``limit`` (1..PAGE_MAX) redemptions; five statements at most."""
    assert 0 < limit <= PAGE_MAX
    query = _BOUGHT.where(Redemption.holder_id == holder_id)
    if before is not None:
        query = query.where(tuple_(Redemption.redeemed_at, Redemption.id) < tuple_(*before))
    order = query.order_by(Redemption.redeemed_at.desc(), Redemption.id.desc())
    rows = session.execute(order.limit(limit + 1)).all()
    found = _standings(session, rows[:limit], codes)
    if len(rows) <= limit:
        return Page(found, None)
    last = found[-1].redemption
    return Page(found, (last.redeemed_at, last.id))


def get_standing(
    session: Session, redemption_id: UUID, *, holder_id: UUID, codes: Codes
) -> Standing:
    """One of them; raises UnknownRedemption also for somebody else's."""
    query = _BOUGHT.where(Redemption.holder_id == holder_id, Redemption.id == redemption_id)
    rows = session.execute(query).all()
    if not rows:
        raise UnknownRedemption(redemption_id)
    return _standings(session, rows, codes)[0]


_BOUGHT = (
    select(Redemption, Offer, OfferVersion, Merchant)
    .join(Offer, Offer.id == Redemption.offer_id)
    .join(
        OfferVersion,
        (OfferVersion.offer_id == Redemption.offer_id)
        & (OfferVersion.version == Redemption.version),
    )
    .join(Merchant, Merchant.id == Offer.merchant_id)
).execution_options(populate_existing=True)
_Row = Row[Redemption, Offer, OfferVersion, Merchant]


def _standings(session: Session, rows: Sequence[_Row], codes: Codes) -> list[Standing]:
    redeemed = [(redemption, offer) for redemption, offer, _, _ in rows]
    hashes = vouchers.hashes_of(session, redeemed, codes)
    query = select(Voucher).where(Voucher.code_sha256.in_(hashes.values()))
    fresh = {"populate_existing": True}
    found = session.scalars(query, execution_options=fresh) if hashes else ()
    by_id = {voucher.redemption_id: voucher for voucher in found}
    acted = _acted_by(session, redeemed)
    return [Standing(*row, by_id.get(row[0].id), acted.get(row[0].id)) for row in rows]


def _acted_by(
    session: Session, redeemed: Sequence[tuple[Redemption, Offer]]
) -> dict[UUID, str | None]:
    """Who spent; of a top-up, which may have spent nothing yet or for good, who ordered it."""
    ids = [redemption.id for redemption, offer in redeemed if offer.kind != "top_up"]
    actors = select(Posting.id, Posting.actor).where(Posting.id.in_(ids))
    acted = {id_: who_acted(actor) for id_, actor in session.execute(actors)} if ids else {}
    orders = [redemption for redemption, offer in redeemed if offer.kind == "top_up"]
    if orders:
        ids = [redemption.id for redemption in orders]
        acted |= acted_by_many(session, orders[0].holder_id, ids)
    return acted
