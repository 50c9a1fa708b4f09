"""Sealed slips: what a client carries from one request to the next, so that nothing of it is kept
here. Nobody reads or changes one, and it ends by itself.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from service.identity.keyring import CannotOpen, seal, unseal

SLIP_MAX = 2_000  # Characters; ours are shorter.
_UNTIL_BYTES = 8
Facts = TypeVar("Facts", bound=msgspec.Struct)


class BadSlip(Exception):
    """Not ours, changed, or over."""


class Slips(Generic[Facts]):
    """Slips of one purpose: another's do not open here."""

    def __init__(
        self, key: bytes, purpose: str, facts: type[Facts], *, lifetime: timedelta
    ) -> None:
        self._key, self._about, self._facts = key, b"slip\n" + purpose.encode(), facts
        self._lifetime = lifetime

    @property
    def lifetime_s(self) -> int:
        """How long one is good, in seconds."""
        return int(self._lifetime.total_seconds())

    def write(self, facts: Facts, *, now: datetime) -> str:
        """A slip for the client, safe in addresses."""
        until = int((now + self._lifetime).timestamp()).to_bytes(_UNTIL_BYTES, "big")
        sealed = seal(self._key, until + msgspec.json.encode(facts), about=self._about)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, slip: str, *, now: datetime) -> Facts:
        """What we wrote on it; raises BadSlip. As often as asked, until it is over."""
        try:
            sealed = urlsafe_b64decode(slip + "=" * (-len(slip) % 4))
            plain = unseal(self._key, sealed, about=self._about)
        except (CannotOpen, Error, ValueError) as error:
            raise BadSlip from error
        if int.from_bytes(plain[:_UNTIL_BYTES], "big") <= now.timestamp():
            raise BadSlip
        try:
            return msgspec.json.decode(plain[_UNTIL_BYTES:], type=self._facts)
        except msgspec.MsgspecError as error:  # Of another release.
            raise BadSlip from error
