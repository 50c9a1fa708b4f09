"""Acts on offers: each checks whose offer it is, and leaves its row in the admin log."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, Programme, Scene
from activities.errors import UnknownDivision, UnknownScene
from rewards.merchants import merchants
from rewards.models import Offer, OfferVersion, Picture, PoolFile, StockChange
from rewards.offers import drafting, pictures, pools, publishing, putting
from rewards.offers.listing import get_listed
from rewards.redeeming.top_up_errors import TopUpsNotOffered
from rewards.voucher_codes import Codes
from service.admin.log import Actor
from service.admin.objects import acting_on
from service.offers import objects


@dataclass(frozen=True, slots=True)
class NewDraft:
    """What an offer is to be; ``budget_id`` and ``project_id`` where it has them."""

    offer_id: UUID
    merchant_id: UUID
    kind: str
    terms: drafting.NewTerms
    budget_id: UUID | None = None
    project_id: UUID | None = None


def draft(session: Session, who: Actor, new: NewDraft, *, now: datetime) -> OfferVersion:
    """``rewards.offers.drafting.draft``; raises UnknownDivision and UnknownScene, too."""
    programme = programme_of(session, new.merchant_id)
    _check_codes(session, programme.code, new.terms)
    return acting_on(
        session,
        who,
        "offer.draft",
        objects.offer(session, new.offer_id, programme.code),
        lambda: drafting.draft(
            session,
            new.offer_id,
            merchant_id=new.merchant_id,
            kind=new.kind,
            terms=new.terms,
            budget_id=new.budget_id,
            project_id=new.project_id,
            made_by=who.name,
            now=now,
            zone=programme.zone,
        ),
        now=now,
    )


def publish(
    session: Session,
    who: Actor,
    merchant_id: UUID,
    offer_id: UUID,
    version: int,
    *,
    top_ups: bool,
    now: datetime,
) -> Offer:
    """``rewards.offers.publishing.publish``; raises TopUpsNotOffered for a top-up, too, where no
    gateway is set up (``top_ups``) that could do it.
    """
    found = get_listed(session, merchant_id, offer_id)
    if found.offer.kind == "top_up" and not top_ups:
        raise TopUpsNotOffered
    programme = programme_of(session, merchant_id)
    return acting_on(
        session,
        who,
        "offer.publish",
        objects.offer(session, offer_id, programme.code),
        lambda: publishing.publish(
            session, offer_id, version, published_by=who.name, now=now, zone=programme.zone
        ),
        now=now,
    )


_STEPS: dict[str, tuple[str, Callable[..., Offer]]] = {
    "paused": ("offer.pause", publishing.pause),
    "published": ("offer.resume", publishing.resume),
    "ended": ("offer.end", publishing.end),
}
STATES = tuple(_STEPS)


def take_step(
    session: Session,
    who: Actor,
    merchant_id: UUID,
    offer_id: UUID,
    state: str,
    *,
    reason: str,
    now: datetime,
) -> Offer:
    """Pause, resume or end an offer: ``state`` is one of STATES."""
    get_listed(session, merchant_id, offer_id)
    programme = programme_of(session, merchant_id)
    what, step = _STEPS[state]
    about = objects.offer(session, offer_id, programme.code, (state, reason))
    return acting_on(session, who, what, about, lambda: step(session, offer_id, now=now), now=now)


def put_stock(
    session: Session,
    who: Actor,
    merchant_id: UUID,
    offer_id: UUID,
    change_id: UUID,
    units: int,
    *,
    now: datetime,
) -> StockChange:
    """``rewards.offers.putting.put_stock``."""
    programme = programme_of(session, merchant_id)
    return acting_on(
        session,
        who,
        "offer.put_stock",
        objects.stock_change(session, offer_id, change_id, programme.code),
        lambda: putting.put_stock(
            session,
            offer_id,
            change_id,
            units=units,
            made_by=who.name,
            now=now,
            merchant_id=merchant_id,
        ),
        now=now,
    )


def load_codes(
    session: Session,
    who: Actor,
    merchant_id: UUID,
    offer_id: UUID,
    file_id: UUID,
    file: BinaryIO,
    *,
    codes: Codes,
    now: datetime,
) -> PoolFile:
    """``rewards.offers.pools.load``."""
    programme = programme_of(session, merchant_id)
    return acting_on(
        session,
        who,
        "offer.load_codes",
        objects.code_file(session, offer_id, file_id, programme.code),
        lambda: pools.load(
            session,
            offer_id,
            file_id,
            file,
            codes=codes,
            loaded_by=who.name,
            now=now,
            merchant_id=merchant_id,
        ),
        now=now,
    )


def put_picture(
    session: Session, who: Actor, merchant_id: UUID, content: bytes, *, now: datetime
) -> Picture:
    """``rewards.offers.pictures.put_picture``."""
    programme = programme_of(session, merchant_id)
    sha256 = hashlib.sha256(content).hexdigest()
    return acting_on(
        session,
        who,
        "picture.put",
        objects.picture(session, sha256, programme.code),
        lambda: pictures.put_picture(session, content, made_by=who.name, now=now),
        now=now,
    )


def programme_of(session: Session, merchant_id: UUID) -> Programme:
    """The merchant's programme; raises UnknownMerchant."""
    merchant = merchants.get(session, merchant_id)
    query = select(Programme).where(Programme.holder_id == merchant.programme_holder_id)
    return session.scalars(query).one()


def _check_codes(session: Session, programme: str, terms: drafting.NewTerms) -> None:
    """Divisions are the country's; scenes are of the programme."""
    divisions = select(Division.code).where(Division.code.in_(terms.division_codes))
    if unknown := _unknown(terms.division_codes, session.scalars(divisions).all()):
        raise UnknownDivision(unknown)
    scenes = select(Scene.code).where(
        Scene.code.in_(terms.scene_codes), Scene.programme_code == programme
    )
    if unknown := _unknown(terms.scene_codes, session.scalars(scenes).all()):
        raise UnknownScene(unknown)


def _unknown(wanted: Collection[str], found: Collection[str]) -> str | None:
    return next((code for code in wanted if code not in set(found)), None)
