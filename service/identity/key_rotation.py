"""Changing the keys of tokens: a key is added, later put first, and its forerunner taken out.

The file is replaced as a whole: whoever reads it finds the keys before or after. Two who change it
at once stand in line. Public keys are taken for ten minutes at most from whoever kept them
(``service.api.jwks.CACHE_S``, and a second until each process has read the file), and a token lives
for ten: both waits are ``WAIT``.
"""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.identity.tokens import LIFETIME, SigningKey
from service.keys import KeyFileError, pem_of, token_keys

WAIT = LIFETIME + timedelta(seconds=10)
KEYS_MAX = 8  # Each is tried by its id; more than two are a rotation that nobody finished.


def token_key_list(path: Path) -> list[SigningKey]:
    """The file's keys, the one that signs first; made with one if it is missing."""
    return [SigningKey(key) for key in token_keys(path)]


def add(path: Path) -> SigningKey:
    """Put a fresh key last: it checks, and signs nothing yet. Again adds another one."""
    made = _made()

    def added(keys: list[SigningKey]) -> list[SigningKey]:
        if len(keys) >= KEYS_MAX:
            raise KeyFileError(f"{path} holds {len(keys)} keys: retire one first")
        return [*keys, made]

    _edit(path, added)
    return made


def promote(path: Path, key_id: str) -> SigningKey:
    """Let a key sign from now on; again changes nothing. ``key_id`` may be its beginning."""
    keys = _edit(path, lambda keys: _first(keys, _named(path, keys, key_id)))
    return keys[0]


def retire(path: Path, key_id: str) -> SigningKey:
    """Take a key out: what it signed opens nothing any more. Not the one that signs."""

    def without(keys: list[SigningKey]) -> list[SigningKey]:
        if (found := _named(path, keys, key_id)) is keys[0]:
            raise KeyFileError(f"{found.id} signs: promote another key first")
        gone.append(found)
        return [key for key in keys if key is not found]

    gone: list[SigningKey] = []
    _edit(path, without)
    return gone[0]


def _made() -> SigningKey:
    """Its id is typed on command lines, where a dash in front would be an option."""
    while (made := SigningKey(Ed25519PrivateKey.generate())).id.startswith("-"):
        pass
    return made


def _named(path: Path, keys: list[SigningKey], key_id: str) -> SigningKey:
    found = [key for key in keys if key_id and key.id.startswith(key_id)]
    if len(found) != 1:
        raise KeyFileError(f"{path} holds {len(found) or 'no'} key of this id")
    return found[0]


def _first(keys: list[SigningKey], chosen: SigningKey) -> list[SigningKey]:
    return [chosen, *(key for key in keys if key is not chosen)]


def _edit(path: Path, change: Callable[[list[SigningKey]], list[SigningKey]]) -> list[SigningKey]:
    """Replace the file by what ``change`` makes of its keys; raises KeyFileError."""
    try:
        real = path.resolve()  # A link stays one.
        token_key_list(real)
        with _alone(real.parent):
            before = token_key_list(real)
            after = change(before)
            if after != before:
                _replace(real, b"".join(pem_of(key.private) for key in after))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    return after


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the power fails."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            if os.geteuid() == 0:  # An administrator's command leaves the file to the service.
                owner = path.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One at a time, by a lock on the folder: the file itself is another one afterwards."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
