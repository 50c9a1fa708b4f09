"""Signatures by the Standard Webhooks scheme (standardwebhooks.com, specification 1.0.0).

A message is its id, an instant in whole seconds and its body: ``v1,`` and the base64 of
HMAC-SHA256 over ``id.seconds.body``. A sender may sign with several keys; one that fits is enough.
The path is not signed: TLS keeps it. Decision 38 says why this is a module of our own.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as BadCode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from werkzeug.datastructures import Headers

from service.feeds.errors import BadSignature, ClockOff

TOLERANCE = timedelta(minutes=5)
PREFIX = "whsec_"
SIGNATURES_MAX = 16
_ID = re.compile(r"[!-\-/-~]{1,128}")  # Printable and without a full stop, which parts the fields.
_SECONDS = re.compile(r"[0-9]{1,11}")


@dataclass(frozen=True, slots=True)
class Message:
    """What its headers say of a message; nobody has checked the signatures yet."""

    id: str
    seconds: int
    signatures: tuple[str, ...]

    @classmethod
    def from_headers(cls, headers: Mapping[str, str] | Headers) -> "Message":
        """Raises BadSignature where a header is missing or makes no sense."""
        id_, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        signatures = tuple(headers.get("webhook-signature", "").split())
        if not _ID.fullmatch(id_) or not _SECONDS.fullmatch(seconds):
            raise BadSignature
        if not 0 < len(signatures) <= SIGNATURES_MAX:
            raise BadSignature
        return cls(id_, int(seconds), signatures)

    def check_clock(self, now: datetime) -> None:
        """Raises ClockOff where it was signed more than TOLERANCE away from ``now``."""
        if abs(now.timestamp() - self.seconds) > TOLERANCE.total_seconds():
            raise ClockOff(server_at=now)

    def check(self, body: bytes, secrets: Iterable[bytes]) -> int:
        """Believe the message, by which of the secrets; or raise BadSignature: it is by none.

        ``body`` is as it was sent, compressed where it was; ``secrets`` are those whose holder may
        send this, a few.
        """
        sent = [s for each in self.signatures if (s := _signature(each)) is not None]
        for number, secret in enumerate(secrets):
            made = hmac.digest(secret, self._signed(body), hashlib.sha256)
            # All are compared, each in constant time: how long it takes tells nothing.
            if sum(hmac.compare_digest(made, each) for each in sent):
                return number
        raise BadSignature

    def _signed(self, body: bytes) -> bytes:
        return f"{self.id}.{self.seconds}.".encode() + body


def sign(secret: bytes, id_: str, at: datetime, body: bytes) -> str:
    """One signature of the header ``webhook-signature``."""
    message = f"{id_}.{int(at.astimezone(UTC).timestamp())}.".encode() + body
    return "v1," + b64encode(hmac.digest(secret, message, hashlib.sha256)).decode()


def written(secret: bytes) -> str:
    """A secret as it is handed to its holder."""
    return PREFIX + b64encode(secret).decode()


def _signature(sent: str) -> bytes | None:
    """The bytes of one signature of version 1; of another version there is nothing to compare."""
    version, _, code = sent.partition(",")
    if version != "v1" or not code.isascii():
        return None
    try:
        return b64decode(code, validate=True)
    except BadCode:
        return None
