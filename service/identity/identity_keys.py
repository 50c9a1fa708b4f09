"""The file of the master keys, read anew when it has changed, so that they change without a
restart; and the changes: a key is added, later put first, and its forerunner taken out.

Kept here: a key wraps nothing before every process has read it, and nobody takes out a key that
somebody's data key is still wrapped by. The key of look-ups never changes.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.identity.key_rotation import _alone, _replace
from service.identity.keyring import INDEX, KEY_BYTES, Keyring
from service.keys import KeyFileError

CHECK_S = 1.0  # So often, at most, the file is looked at.
WAIT = timedelta(seconds=10)  # By then every process has read it.
RETIRE_WAIT = timedelta(minutes=10)  # And by then ended what it began with the key before.
KEYS_MAX = 8
log = logging.getLogger(__name__)
_Stamp = tuple[int, int, int]
_NUMBERED = re.compile("k([0-9]{1,9})")


class IdentityKeys:
    """The keyring that the file holds now, or the environment's, which stays."""

    def __init__(
        self, path: Path | None, keyring: Keyring, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._keyring, self._clock = path, keyring, clock
        self._stamp: _Stamp | None = None
        self._lock = threading.Lock()
        self._look_at = float("inf") if path is None else clock()  # What changed before: at once.

    @classmethod
    def of_file(cls, path: Path, *, clock: Callable[[], float] = time.monotonic) -> "IdentityKeys":
        """Made with fresh keys when the file is missing; raises KeyFileError."""
        return cls(path, Keyring.from_file(path), clock=clock)

    @classmethod
    def fixed(cls, keyring: Keyring) -> "IdentityKeys":
        """Of the environment."""
        return cls(None, keyring)

    @property
    def keyring(self) -> Keyring:
        """Between two looks, one comparison; of threads that look at once, one does."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._look_at = self._clock() + CHECK_S
                self._lock.release()
        return self._keyring

    def _look(self) -> None:
        assert self._path is not None
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:  # Not made anew: other keys would open nothing.
            log.error("the identity key file is gone; the keys that were read stay")
            return
        try:
            found = Keyring.from_file(self._path)
        except KeyFileError as error:
            log.error("the identity key file cannot be used; those read stay: %s", error)
            return
        if found.index_key != self._keyring.index_key:
            log.error("the identity key file has another index key; the keys that were read stay")
            return
        self._keyring = found


def add(path: Path) -> str:
    """Put a fresh master key into the file, behind the first: it opens, and wraps nothing yet.

    Answers its id. Again adds another one. Raises KeyFileError.
    """

    def added(before: Keyring) -> Keyring:
        if len(before.master_keys) >= KEYS_MAX:
            raise KeyFileError(f"{path} holds {len(before.master_keys)} keys: retire one first")
        numbers = [
            int(found[1]) for id_ in before.master_keys if (found := _NUMBERED.fullmatch(id_))
        ]
        made.append(f"k{max(numbers, default=0) + 1}")
        keys = {**before.master_keys, made[0]: secrets.token_bytes(KEY_BYTES)}
        return Keyring(before.current_id, keys, before.index_key)

    made: list[str] = []
    _edit(path, added)
    return made[0]


def promote(path: Path, key_id: str, *, now: datetime) -> None:
    """Let a key wrap from now on, WAIT or more after it came; again changes nothing.

    Raises KeyFileError.
    """

    def promoted(before: Keyring) -> Keyring:
        key = _named(path, before, key_id)
        if key_id == before.current_id:
            return before
        _refuse_fresh(path, WAIT, now)
        others = {id_: each for id_, each in before.master_keys.items() if id_ != key_id}
        return Keyring(key_id, {key_id: key, **others}, before.index_key)

    _edit(path, promoted)


def retire(path: Path, key_id: str, *, still_wraps: Callable[[], int], now: datetime) -> None:
    """Take a key out that wraps nothing any more (``still_wraps``), RETIRE_WAIT or more after
    another one came first. Raises KeyFileError.
    """

    def without(before: Keyring) -> Keyring:
        _named(path, before, key_id)
        if key_id == before.current_id:
            raise KeyFileError(f"{key_id} wraps: promote another key first")
        _refuse_fresh(path, RETIRE_WAIT, now)
        if left := still_wraps():
            raise KeyFileError(
                f"{key_id} still wraps {left}: tanhui jobs once rewrap_keys, then again"
            )
        others = {id_: each for id_, each in before.master_keys.items() if id_ != key_id}
        return Keyring(before.current_id, others, before.index_key)

    _edit(path, without)


def _named(path: Path, keyring: Keyring, key_id: str) -> bytes:
    if (found := keyring.master_keys.get(key_id)) is None:
        raise KeyFileError(f"{path} holds no key {key_id}")
    return found


def _refuse_fresh(path: Path, wait: timedelta, now: datetime) -> None:
    changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if now < changed_at + wait:
        wait_s = int((changed_at + wait - now).total_seconds()) + 1
        raise KeyFileError(
            f"{path} was changed just now: again in {wait_s} s, when all have read it"
        )


def _edit(path: Path, change: Callable[[Keyring], Keyring]) -> None:
    """Replace the file, whole, by what ``change`` makes of its keys; one at a time."""
    try:
        real = path.resolve()  # A link stays one.
        Keyring.from_file(real)
        with _alone(real.parent):
            before = Keyring.from_file(real)
            after = change(before)
            if after != before:
                _replace(real, _written(after.master_keys, after.index_key))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error


def _written(keys: Mapping[str, bytes], index_key: bytes) -> bytes:
    lines = [*keys.items(), (INDEX, index_key)]
    return "".join(f"{id_}:{key.hex()}\n" for id_, key in lines).encode()


def _stamp(path: Path) -> _Stamp | None:
    """What differs between a file and another in its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
