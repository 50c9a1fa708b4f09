"""Keys of merchants' systems and of verifiers: ``tk_<id>_<secret>`` in place of an access token.

Kept here: a key has scopes, an owner and an end; an owner has two in force at most, so that it
changes from one to the next without a pause. A secret is a keyed hash of the key's id: told when it
is made, and again to the same request for ten minutes; the database has its hash alone.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from rewards.merchants.merchants import ENDED
from rewards.models import Merchant
from service.admin.log import Act, Actor, State, acting
from service.api_keys.errors import ApiKeyDoesNotFit, ApiKeyReused, TooManyApiKeys, UnknownApiKey
from service.api_keys.models import ApiKey
from service.identity.keyring import Keyring

PREFIX = "tk_"
SCOPES: Mapping[str, frozenset[str]] = {
    "merchant": frozenset({"consumptions", "offers", "scans", "settlements", "webhooks"}),
    "verifier": frozenset({"real_names"}),
}
LIVE_MAX = 2
GOOD_FOR, GOOD_FOR_MAX = timedelta(days=365), timedelta(days=731)
TOLD_AGAIN_FOR = timedelta(minutes=10)
_WRITTEN = re.compile("tk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_LOCK = 0x74_6B  # Of an owner's count; the other half is a hash of the owner.


class NewKey(NamedTuple):
    """``id`` is made by the client. ``owner``: a merchant's id, or the name of a verifier."""

    id: UUID
    owner_kind: str
    owner: str
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None = None  # None: in a year.


class Made(NamedTuple):
    """A key, and what its owner sends: None where it was told before."""

    key: ApiKey
    written: str | None


def make(session: Session, keyring: Keyring, new: NewKey, *, actor: Actor, now: datetime) -> Made:
    """A key, in force from now on. The same again changes nothing, and tells the secret again for
    ten minutes.

    Raises:
        ApiKeyDoesNotFit: no such merchant, or an ended one; scopes of another kind; no end, or one
            too far away.
        ApiKeyReused: the id stands for another key.
        TooManyApiKeys: LIVE_MAX of the owner's are in force.
    """
    _lock(session, new)
    if (earlier := session.get(ApiKey, new.id)) is not None:
        return _same_or_refuse(earlier, new, keyring, now=now)
    expires_at = new.expires_at or now + GOOD_FOR
    _check(session, new, expires_at, now)
    if _live_count(session, new, now) >= LIVE_MAX:
        raise TooManyApiKeys(live_max=LIVE_MAX)
    secret = _secret(keyring, new.id)

    def work() -> ApiKey:
        key = ApiKey(
            id=new.id,
            owner_kind=new.owner_kind,
            owner=new.owner,
            name=new.name,
            scopes=sorted(set(new.scopes)),
            secret_sha256=_sha256(secret),
            made_at=now,
            made_by=actor.name,
            expires_at=expires_at,
        )
        session.add(key)
        return key

    act = Act("api_key.make", "api_key", str(new.id))
    key = acting(session, actor, act, state=lambda: facts(session, new.id), work=work, now=now)
    return Made(key, f"{PREFIX}{new.id.hex}_{secret}")


def retire(session: Session, key_id: UUID, *, actor: Actor, now: datetime) -> ApiKey:
    """End a key now; an earlier end stays. Safe to repeat. Raises UnknownApiKey."""
    key = session.get(ApiKey, key_id, with_for_update=True)
    if key is None:
        raise UnknownApiKey(key_id)

    def work() -> None:
        key.retired_at = key.retired_at or now

    act = Act("api_key.retire", "api_key", str(key_id))
    acting(session, actor, act, state=lambda: facts(session, key_id), work=work, now=now)
    return key


def retire_all(
    session: Session, owner_kind: str, owner: str, *, actor: Actor, now: datetime
) -> None:
    """``retire`` each of an owner's keys that is not."""
    query = select(ApiKey.id).where(
        ApiKey.owner_kind == owner_kind, ApiKey.owner == owner, ApiKey.retired_at.is_(None)
    )
    for key_id in session.scalars(query.order_by(ApiKey.id)).all():
        retire(session, key_id, actor=actor, now=now)


def listed(
    session: Session, *, after: UUID | None = None, limit: int, owner: str | None = None
) -> Sequence[ApiKey]:
    """Keys by id, those retired or over too; ``after`` is the id of the last one told."""
    query = select(ApiKey).order_by(ApiKey.id).limit(limit)
    if owner is not None:
        query = query.where(ApiKey.owner == owner)
    if after is not None:
        query = query.where(ApiKey.id > after)
    return session.scalars(query).all()


def find_by_written(session: Session, written: str, *, now: datetime) -> ApiKey | None:
    """The key in force that somebody sends, or None; either way one statement, one comparison."""
    parts = _WRITTEN.fullmatch(written)
    key_id, secret = (UUID(hex=parts[1]), parts[2]) if parts else (UUID(int=0), "")
    key = session.get(ApiKey, key_id)
    same = hmac.compare_digest(_sha256(secret), bytes(32) if key is None else key.secret_sha256)
    in_force = key is not None and key.retired_at is None and now < key.expires_at
    return key if same and in_force else None


def facts(session: Session, key_id: UUID) -> State:
    """How a key stands, for the admin log."""
    if (key := session.get(ApiKey, key_id)) is None:
        return None
    return {
        "owner_kind": key.owner_kind,
        "owner": key.owner,
        "scopes": key.scopes,
        "expires_at": key.expires_at,
        "retired_at": key.retired_at,
    }


def _lock(session: Session, new: NewKey) -> None:
    """One at a time of an owner, or two at once would each see room for one."""
    owner = int.from_bytes(_sha256(f"{new.owner_kind}\n{new.owner}")[:4], "big", signed=True)
    statement = text("SELECT pg_advisory_xact_lock(:kind, :owner)")
    session.execute(statement, {"kind": _LOCK, "owner": owner})


def _same_or_refuse(earlier: ApiKey, new: NewKey, keyring: Keyring, *, now: datetime) -> Made:
    is_ = (earlier.owner_kind, earlier.owner, earlier.name, earlier.scopes)
    asked = (new.owner_kind, new.owner, new.name, sorted(set(new.scopes)))
    another_end = new.expires_at is not None and new.expires_at != earlier.expires_at
    if is_ != asked or another_end or earlier.retired_at is not None:
        raise ApiKeyReused(new.id)
    if now - earlier.made_at >= TOLD_AGAIN_FOR:
        return Made(earlier, None)
    return Made(earlier, f"{PREFIX}{earlier.id.hex}_{_secret(keyring, earlier.id)}")


def _check(session: Session, new: NewKey, expires_at: datetime, now: datetime) -> None:
    if not new.scopes or not set(new.scopes) <= SCOPES[new.owner_kind]:
        raise ApiKeyDoesNotFit("scopes")
    if not now < expires_at <= now + GOOD_FOR_MAX:
        raise ApiKeyDoesNotFit("expires_at")
    if new.owner_kind == "merchant" and not _is_merchant(session, new.owner):
        raise ApiKeyDoesNotFit("owner")


def _is_merchant(session: Session, owner: str) -> bool:
    try:
        id_ = UUID(owner)
    except ValueError:
        return False
    merchant = session.get(Merchant, id_) if str(id_) == owner else None
    return merchant is not None and merchant.state != ENDED


def _live_count(session: Session, new: NewKey, now: datetime) -> int:
    query = select(func.count()).where(
        ApiKey.owner_kind == new.owner_kind,
        ApiKey.owner == new.owner,
        ApiKey.retired_at.is_(None),
        ApiKey.expires_at > now,
    )
    return session.scalar(query) or 0


def _secret(keyring: Keyring, key_id: UUID) -> str:
    """256 bits in 43 characters."""
    made = hmac.digest(keyring.derived("api key"), key_id.bytes, hashlib.sha256)
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
