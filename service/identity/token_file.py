"""The key file of tokens, read anew when it has changed, so that keys change without a restart;
and tokens that were checked before, so that a phone's next request costs no second signature check.

``tanhui keys`` writes the file; every process notices within a second. A file that cannot be used
is said so in the log, once, and the keys that were good before stay.
"""

import json
import logging
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from service.identity.tokens import LIFETIME, Caller, SigningKey, Tokens
from service.keys import KeyFileError, token_keys

CHECK_S = 1.0  # So often, at most, the file is looked at.
SEEN_MAX = 4_096  # Good tokens of one process, by their whole text; then it begins anew.
_Stamp = tuple[int, int, int]
log = logging.getLogger(__name__)


class TokenFile:
    """``Tokens`` by the keys that the file holds now; raises KeyFileError if it is unusable."""

    def __init__(
        self,
        path: Path,
        issuer: str,
        audience: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._clock = path, clock
        self.issuer, self.audience = issuer, audience
        self._lock = threading.Lock()
        self._stamp = _stamp(path)  # Before it is read: what changes then is read once more.
        self._tokens = _Remembering(Tokens.of(token_keys(path), issuer, audience))
        self._look_at = clock() + CHECK_S

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """The first signs, each checks."""
        return self._current().tokens.keys

    def issue(self, caller: Caller, *, now: datetime, lifetime: timedelta = LIFETIME) -> str:
        """A signed token for the caller."""
        return self._current().tokens.issue(caller, now=now, lifetime=lifetime)

    def check(self, token: str) -> Caller:
        """Who the token speaks for; raises InvalidToken."""
        return self._current().check(token)

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return self._current().tokens.jwks()

    def _current(self) -> "_Remembering":
        """Between two looks, one comparison; of threads that look at once, one does."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._look_at = self._clock() + CHECK_S
                self._lock.release()
        return self._tokens

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:  # Not made anew here: a key that nobody knows would sign.
            log.error("the token key file is gone; the keys that were read stay")
            return
        try:
            keys = token_keys(self._path)
        except KeyFileError as error:
            log.error("the token key file cannot be used; the keys that were read stay: %s", error)
            return
        self._tokens = _Remembering(Tokens.of(keys, self.issuer, self.audience))
        log.info("token keys were read anew: %s signs", self._tokens.tokens.keys[0].id)


class _Remembering:
    """Checks a token once and believes it until its end; of these keys only, and no bad ones."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._seen: dict[str, tuple[Caller, float]] = {}

    def check(self, token: str) -> Caller:
        if (known := self._seen.get(token)) is not None and time.time() < known[1]:
            return known[0]
        found = self.tokens.check(token)  # Also of one that has ended, to say so.
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen[token] = (found, _ends_at(token))
        return found


def _ends_at(token: str) -> float:
    """The end that a token says of itself; it was believed before."""
    payload = token.split(".")[1]
    return float(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


def _stamp(path: Path) -> _Stamp | None:
    """What differs between a file and another in its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
