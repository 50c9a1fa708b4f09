"""Slips: what a form must bring again to the server though no page may show it, as a password.

Sealed with a key of ours, for this browser and some minutes. It is no ticket: what is in it is
looked at anew, and counted, as if it had been typed.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import msgspec

from service.identity.keyring import CannotOpen, seal, unseal
from service.services import services

GOOD_S = 300


class _Slip(msgspec.Struct):
    until: int
    about: str
    values: dict[str, str]


def sealed(values: Mapping[str, str], *, about: str) -> str:
    """A field's text, good for GOOD_S seconds. ``about`` is what ``opened`` must be told again: the
    browser, and what for.
    """
    slip = _Slip(int(time.time()) + GOOD_S, about, dict(values))
    return urlsafe_b64encode(seal(_key(), msgspec.json.encode(slip), about=b"slip")).decode()


def opened(slip: str, *, about: str) -> dict[str, str]:
    """What was sealed; nothing for what is none, too old, or was sealed for somebody else."""
    try:
        found = msgspec.json.decode(
            unseal(_key(), urlsafe_b64decode(slip.encode()), about=b"slip"), type=_Slip
        )
    except (CannotOpen, ValueError):
        return {}
    return found.values if found.about == about and time.time() <= found.until else {}


def _key() -> bytes:
    return services().keyring.derived("page slips")
