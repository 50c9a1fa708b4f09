"""Partners' keys: made, listed and retired by operators; several live at a time, so that a partner
changes from one to the next without a pause.

No secret is stored. Each is derived from the service's own key file and the key's id, so a copy of
the database opens no door.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from activities.catalogue.models import FeedKey, Partner, Scene
from service.feeds.errors import TooManyKeys, UnknownFeedKey, UnknownPartner

SCOPES = ("events", "totals", "reconciliation")
LIVE_MAX = 2  # Enough to change from one to the next; each is tried on every message.
GOOD_FOR, GOOD_FOR_MAX = timedelta(days=365), timedelta(days=731)
_LOCK = 0x66_6B  # Of a partner's count; the other half is a hash of the partner.


class LiveKey(NamedTuple):
    """A key that may sign, and what for."""

    id: UUID
    partner_code: str
    scopes: Sequence[str]


def secret_of(feed_key: bytes, key_id: UUID) -> bytes:
    """The 32 bytes by which a partner signs. ``feed_key`` is the service's own key."""
    return hmac.digest(feed_key, b"feed key\n" + key_id.bytes, hashlib.sha256)


def make(
    session: Session,
    partner_code: str,
    *,
    made_by: str,
    now: datetime,
    scopes: Sequence[str] = SCOPES,
    good_for: timedelta = GOOD_FOR,
) -> FeedKey:
    """A new key of a partner, live from now on for ``good_for``.

    Raises:
        UnknownPartner: no such partner.
        TooManyKeys: LIVE_MAX are live.
    """
    assert scopes
    assert set(scopes) <= set(SCOPES)
    assert timedelta(0) < good_for <= GOOD_FOR_MAX
    if session.get(Partner, partner_code) is None:
        raise UnknownPartner(partner_code)
    _lock(session, partner_code)
    live = select(func.count()).where(FeedKey.partner_code == partner_code, _live(now))
    if (session.scalar(live) or 0) >= LIVE_MAX:
        raise TooManyKeys(live_max=LIVE_MAX)
    key = FeedKey(
        id=uuid4(),
        partner_code=partner_code,
        made_by=made_by,
        made_at=now,
        scopes=[each for each in SCOPES if each in scopes],
        expires_at=now + good_for,
    )
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


def live_keys(session: Session, scene_code: str, *, now: datetime) -> list[LiveKey]:
    """The keys that may sign for a scene; none for no such scene."""
    query = (
        select(FeedKey.id, FeedKey.partner_code, FeedKey.scopes)
        .join(Scene, Scene.partner_code == FeedKey.partner_code)
        .where(Scene.code == scene_code, _live(now))
        .order_by(FeedKey.made_at)
    )
    return [LiveKey(*row) for row in session.execute(query)]


def ends_at(key: FeedKey) -> datetime | None:
    """When a key ends or ended, by itself or retired; None: a key of before, until it is."""
    return min(filter(None, (key.retired_at, key.expires_at)), default=None)


def _live(now: datetime) -> ColumnElement[bool]:
    """Keys of before have no end of their own."""
    return and_(
        or_(FeedKey.retired_at.is_(None), FeedKey.retired_at > now),
        or_(FeedKey.expires_at.is_(None), FeedKey.expires_at > now),
    )


def _lock(session: Session, partner_code: str) -> None:
    """One at a time of a partner, or two at once would each see room for one."""
    partner = int.from_bytes(hashlib.sha256(partner_code.encode()).digest()[:4], "big", signed=True)
    statement = text("SELECT pg_advisory_xact_lock(:kind, :partner)")
    session.execute(statement, {"kind": _LOCK, "partner": partner})
