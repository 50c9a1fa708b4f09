"""What staff act on around offers, as the admin log has it; a state is facts of the rows."""

from uuid import UUID

from sqlalchemy.orm import Session

from rewards.models import Offer, Picture, PoolFile, StockChange
from rewards.offers.drafting import newest_version
from service.admin.log import State
from service.admin.objects import Object


def offer(
    session: Session, offer_id: UUID, programme: str, step: tuple[str, str] | None = None
) -> Object:
    """An offer; of a step, the state that is asked for, and its reason: told where it is done."""

    def state() -> State:
        one = session.get(Offer, offer_id, populate_existing=True)
        if one is None:
            return None
        done = {"reason": step[1]} if step and step[0] == one.state else {}
        newest = newest_version(session, offer_id)
        return done | {
            "merchant_id": one.merchant_id,
            "kind": one.kind,
            "state": one.state,
            "version": one.version,
            "newest_version": newest and newest.version,
            "price_points": newest and newest.price_points,
            "settlement_fen": newest and newest.settlement_fen,
        }

    return Object("offer", str(offer_id), programme, None, state)


def stock_change(session: Session, offer_id: UUID, change_id: UUID, programme: str) -> Object:
    """Units put into an offer, or withdrawn."""

    def state() -> State:
        one = session.get(StockChange, (offer_id, change_id))
        return None if one is None else {"offer_id": one.offer_id, "units": one.units}

    return Object("stock_change", str(change_id), programme, None, state)


def code_file(session: Session, offer_id: UUID, file_id: UUID, programme: str) -> Object:
    """A file of codes; none of them is told."""

    def state() -> State:
        one = session.get(PoolFile, (offer_id, file_id))
        return (
            None
            if one is None
            else {"offer_id": one.offer_id, "codes": one.codes, "sha256": one.sha256.hex()}
        )

    return Object("code_file", str(file_id), programme, None, state)


def picture(session: Session, sha256: str, programme: str) -> Object:
    """A picture, by the hash of its bytes."""

    def state() -> State:
        one = session.get(Picture, sha256)
        return None if one is None else {"media_type": one.media_type}

    return Object("picture", sha256, programme, None, state)
