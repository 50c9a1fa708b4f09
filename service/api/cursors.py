"""Cursors are signed: whoever got one goes on with the same list, and nobody makes up a place.

``next_cursor`` is bound to the route, to what its path names and to the caller; in anybody else's
hands, at another list or with a letter changed it is no cursor.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from flask import g, request

from service.services import services

MAC_BYTES = 16
LENGTH_MAX = 512  # A key of the catalogue is the longest place.


def sealed(place: bytes) -> str:
    """The place as text that ``opened`` knows again, for this caller at this route."""
    return urlsafe_b64encode(_mac(place) + place).rstrip(b"=").decode()


def opened(cursor: str) -> bytes:
    """The place; raises ValueError for anything that ``sealed`` would not have written here."""
    if len(cursor) > LENGTH_MAX:
        raise ValueError("no cursor is so long")
    packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    mac, place = packed[:MAC_BYTES], packed[MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(place)) or sealed(place) != cursor:
        raise ValueError("not a cursor of this list")
    return place


def _mac(place: bytes) -> bytes:
    subject = g.caller.subject if "caller" in g else ""
    path = [str(value) for value in (request.view_args or {}).values()]
    about = msgspec.json.encode([request.endpoint, subject, path])
    key = services().keyring.derived("cursor")
    return hmac.digest(key, about + b"\0" + place, hashlib.sha256)[:MAC_BYTES]
