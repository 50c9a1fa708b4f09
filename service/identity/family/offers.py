"""Codes by which a holder lets somebody act: ten characters, ten minutes, good once.

Kept here: redis holds a keyed hash of the code and nothing that opens it; of two who enter a code
at once one has it. Redis away: nobody can tell whether a code is good, and nothing is begun.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from service.cache import Cache, CacheAway
from service.errors import TooBusy
from service.identity.family.delegations import Offer
from service.identity.family.errors import OfferNotGood
from service.identity.logins.errors import CodesAway
from service.limits import Limit

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U.
LENGTH = 10
LIFETIME = timedelta(minutes=10)
TYPED_MAX = 40  # With blanks and dashes.
# 50 bits, of which ten tries an hour for ten minutes find nothing.
TRIES = Limit(10, 3_600)
TRIES_PER_ADDRESS = Limit(60, 3_600)
OFFERS = Limit(10, 3_600)
_USE_S = 30  # Of a process that died meanwhile.
_AS_MEANT = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})


class Kept(msgspec.Struct, frozen=True):
    """What redis holds of an offer."""

    holder_id: UUID
    may_spend: bool
    ends_at: datetime


class Offers:
    """Offers, by one derived key."""

    def __init__(self, cache: Cache, key: bytes) -> None:
        self._cache, self._key = cache, key

    def make(self, kept: Kept) -> str:
        """A code for what is offered. Raises CodesAway."""
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        self._keep(code, kept, int(LIFETIME.total_seconds()))
        return code

    def take(self, typed: str, *, now: datetime) -> Kept:
        """Use a code up. Raises OfferNotGood, CodesAway."""
        try:
            found = self._cache.take(self._place(plain(typed)))
        except CacheAway:
            raise CodesAway from None
        if found is None:
            raise OfferNotGood
        kept = msgspec.json.decode(found, type=Kept)
        if kept.ends_at <= now:
            raise OfferNotGood
        return kept

    @contextmanager
    def alone(self, delegation_id: UUID, delegate_id: UUID) -> Iterator[None]:
        """While a code is used for a delegation, the same request again waits its turn.

        Raises TooBusy to the later one, which would find the code gone and not yet what became of
        it; CodesAway.
        """
        place = f"offer-use:{delegate_id}:{delegation_id}"
        try:
            first = self._cache.first_use(place, _USE_S)
        except CacheAway:
            raise CodesAway from None
        if not first:
            raise TooBusy
        try:
            yield
        finally:
            self._cache.forget(place)

    def put_back(self, typed: str, kept: Kept, *, now: datetime) -> None:
        """Let a code be good again whose use came to nothing, for the rest of its time."""
        left_s = int((kept.ends_at - now).total_seconds())
        if left_s > 0:
            self._keep(plain(typed), kept, left_s)

    def _keep(self, code: str, kept: Kept, seconds: int) -> None:
        try:
            self._cache.keep(self._place(code), msgspec.json.encode(kept), seconds)
        except CacheAway:
            raise CodesAway from None

    def _place(self, code: str) -> str:
        return f"offer:{hmac.digest(self._key, code.encode(), hashlib.sha256).hex()}"


def plain(typed: str) -> str:
    """A code as it was meant: case, blanks and dashes do not matter, nor O for 0 or I for 1."""
    return typed.upper().translate(_AS_MEANT)


def offer_of(kept: Kept) -> Offer:
    return Offer(kept.holder_id, kept.may_spend)
