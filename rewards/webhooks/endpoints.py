"""Endpoints: where a merchant's system is told, and by which secret it knows that it was us.

Kept here: an address is https on the open internet, unless the installation says otherwise; a
merchant has LIVE_MAX live endpoints at most. A secret follows from the endpoint's id and is stored
nowhere; a new secret is a new endpoint.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from rewards.merchants import merchants
from rewards.models import WebhookEndpoint
from rewards.webhooks.addresses import is_public
from rewards.webhooks.errors import (
    BadWebhookAddress,
    TooManyWebhooks,
    UnknownWebhook,
    WebhookEnded,
    WebhookReused,
)
from rewards.webhooks.outbox import KINDS

LIVE_MAX = 5
URL_LENGTH_MAX = 500
TOLD_AGAIN_FOR = timedelta(minutes=10)
_HTTPS, _PORTS_FROM = 443, 1_024  # Below it are the doors of other kinds of servers.
_LOCK = 0x77_68  # Of a merchant's count; the other half is a hash of the merchant.


class NewEndpoint(NamedTuple):
    """``id`` is made by the client."""

    id: UUID
    merchant_id: UUID
    url: str
    kinds: tuple[str, ...]


def make(
    session: Session, new: NewEndpoint, *, made_by: str, private: bool, now: datetime
) -> WebhookEndpoint:
    """An endpoint, told from now on. The same again changes nothing.

    Args:
        private: also plain http, and addresses of one's own network (development, intranets).

    Raises:
        UnknownMerchant, MerchantEnded.
        BadWebhookAddress: nothing is sent there.
        WebhookReused: the id stands for another endpoint, or for one that has ended.
        TooManyWebhooks: LIVE_MAX of the merchant's are live.
    """
    assert new.kinds
    assert set(new.kinds) <= set(KINDS)
    _lock(session, new.merchant_id)
    kinds = sorted(set(new.kinds))
    if (earlier := session.get(WebhookEndpoint, new.id)) is not None:
        is_ = (earlier.merchant_id, earlier.url, earlier.kinds, earlier.ended_at)
        if is_ != (new.merchant_id, new.url, kinds, None):
            raise WebhookReused(new.id)
        return earlier
    merchants.check_not_ended(merchants.get(session, new.merchant_id))
    check_address(new.url, private=private)
    live = select(func.count()).where(
        WebhookEndpoint.merchant_id == new.merchant_id, WebhookEndpoint.ended_at.is_(None)
    )
    if (session.scalar(live) or 0) >= LIVE_MAX:
        raise TooManyWebhooks(webhooks_max=LIVE_MAX)
    made = WebhookEndpoint(
        id=new.id,
        merchant_id=new.merchant_id,
        url=new.url,
        kinds=kinds,
        made_by=made_by,
        made_at=now,
    )
    session.add(made)
    session.flush()
    return made


def end(session: Session, merchant_id: UUID, endpoint_id: UUID, *, now: datetime) -> None:
    """Tell it nothing more; what waits for it dies at the next delivery. Safe to repeat.

    Raises UnknownWebhook.
    """
    found = get(session, merchant_id, endpoint_id)
    found.ended_at = found.ended_at or now


def live_ids(session: Session, merchant_id: UUID) -> Sequence[UUID]:
    """Of a merchant's endpoints that have not ended."""
    query = select(WebhookEndpoint.id).where(
        WebhookEndpoint.merchant_id == merchant_id, WebhookEndpoint.ended_at.is_(None)
    )
    return session.scalars(query.order_by(WebhookEndpoint.id)).all()


def get(session: Session, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """One of the merchant's; raises UnknownWebhook."""
    found = session.get(WebhookEndpoint, endpoint_id, populate_existing=True)
    if found is None or found.merchant_id != merchant_id:
        raise UnknownWebhook(endpoint_id)
    return found


def get_live(session: Session, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """Raises UnknownWebhook, or WebhookEnded."""
    found = get(session, merchant_id, endpoint_id)
    if found.ended_at is not None:
        raise WebhookEnded(endpoint_id)
    return found


def listed(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int
) -> Sequence[WebhookEndpoint]:
    """A merchant's endpoints by id, those that have ended too."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.merchant_id == merchant_id)
    if after is not None:
        query = query.where(WebhookEndpoint.id > after)
    return session.scalars(query.order_by(WebhookEndpoint.id).limit(limit)).all()


def facts(session: Session, endpoint_id: UUID) -> Mapping[str, Any] | None:
    """How an endpoint stands, for the admin log. Not its address, which may hold a password."""
    found = session.get(WebhookEndpoint, endpoint_id, populate_existing=True)
    if found is None:
        return None
    return {
        "merchant_id": found.merchant_id,
        "host": urlsplit(found.url).hostname,
        "kinds": found.kinds,
        "made_at": found.made_at,
        "ended_at": found.ended_at,
    }


def secret_of(key: bytes, endpoint_id: UUID) -> bytes:
    """The 32 bytes by which what is sent there is signed; ``key`` is the installation's."""
    return hmac.digest(key, endpoint_id.bytes, hashlib.sha256)


def check_address(url: str, *, private: bool) -> None:
    """Raises BadWebhookAddress. What its name resolves to is looked at whenever something is sent.

    A user or a password in the address would be sent along, and shown to whoever lists endpoints.
    """
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise BadWebhookAddress("form")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise BadWebhookAddress("form") from None
    if parts.username is not None or parts.fragment or "\\" in url or not host:
        raise BadWebhookAddress("form")
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise BadWebhookAddress("scheme")
    if not private:
        _check_open(host, _HTTPS if port is None else port)


def _check_open(host: str, port: int) -> None:
    if port != _HTTPS and port < _PORTS_FROM:
        raise BadWebhookAddress("port")
    try:
        allowed = is_public(ip_address(host))
    except ValueError:  # A name.
        allowed = "." in host.strip(".")
    if not allowed:
        raise BadWebhookAddress("host")


def _lock(session: Session, merchant_id: UUID) -> None:
    """One at a time of a merchant, or two at once would each see room for one."""
    merchant = int.from_bytes(hashlib.sha256(merchant_id.bytes).digest()[:4], "big", signed=True)
    statement = text("SELECT pg_advisory_xact_lock(:kind, :merchant)")
    session.execute(statement, {"kind": _LOCK, "merchant": merchant})
