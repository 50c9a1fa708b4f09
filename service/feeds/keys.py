"""Partners' keys: made, listed and retired by operators; several live at a time, so that a partner
changes from one to the next without a pause.

No secret is stored. Each is derived from the service's own key file and the key's id, so a copy of
the database opens no door.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from activities.catalogue.models import FeedKey, Partner, Scene
from service.feeds.errors import TooManyKeys, UnknownFeedKey, UnknownPartner

LIVE_MAX = 5  # Each is tried on every message.


def secret_of(feed_key: bytes, key_id: UUID) -> bytes:
    """The 32 bytes by which a partner signs. ``feed_key`` is the service's own key."""
    return hmac.digest(feed_key, b"feed key\n" + key_id.bytes, hashlib.sha256)


def make(session: Session, partner_code: str, *, made_by: str, now: datetime) -> FeedKey:
    """A new key of a partner, live from now on.

    Raises:
        UnknownPartner: no such partner.
        TooManyKeys: LIVE_MAX are live.
    """
    if session.get(Partner, partner_code) is None:
        raise UnknownPartner(partner_code)
    live = select(func.count()).where(FeedKey.partner_code == partner_code, _live(now))
    if (session.scalar(live) or 0) >= LIVE_MAX:
        raise TooManyKeys(live_max=LIVE_MAX)
    key = FeedKey(id=uuid4(), partner_code=partner_code, made_by=made_by, made_at=now)
    session.add(key)
    session.flush()
    return key


def listed(session: Session, partner_code: str | None = None) -> Sequence[FeedKey]:
    """All keys, or one partner's, the retired ones too."""
    query = select(FeedKey).order_by(FeedKey.partner_code, FeedKey.made_at, FeedKey.id)
    if partner_code is not None:
        query = query.where(FeedKey.partner_code == partner_code)
    return session.scalars(query).all()


def retire(session: Session, key_id: UUID, *, at: datetime) -> FeedKey:
    """End a key at an instant; an earlier end stays. Safe to repeat.

    Raises UnknownFeedKey.
    """
    earlier = or_(FeedKey.retired_at.is_(None), FeedKey.retired_at > at)
    session.execute(update(FeedKey).where(FeedKey.id == key_id, earlier).values(retired_at=at))
    key = session.get(FeedKey, key_id, populate_existing=True)
    if key is None:
        raise UnknownFeedKey(key_id)
    return key


def live_keys(session: Session, scene_code: str, *, now: datetime) -> list[tuple[UUID, str]]:
    """The keys that may sign for a scene, each with the partner's code; none for no such scene."""
    query = (
        select(FeedKey.id, FeedKey.partner_code)
        .join(Scene, Scene.partner_code == FeedKey.partner_code)
        .where(Scene.code == scene_code, _live(now))
        .order_by(FeedKey.made_at)
    )
    return [(key_id, partner) for key_id, partner in session.execute(query)]


def _live(now: datetime) -> ColumnElement[bool]:
    return or_(FeedKey.retired_at.is_(None), FeedKey.retired_at > now)
