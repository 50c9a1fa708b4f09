"""Master keys: they wrap each person's data key, seal what belongs to nobody in particular, and
key the look-up of outside ids.

A file of lines ``id:hexadecimal``, 32 bytes each. The first line's key wraps; the others open what
was wrapped before (``rewrap_keys`` wraps it anew, then the line may go). The line ``index`` is the
key of look-ups: it stays, since another would find nobody.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.keys import KeyFileError, read_or_make

INDEX = "index"
KEY_BYTES = 32
NONCE_BYTES = 12
_LINE = re.compile("([a-z0-9][a-z0-9-]{0,31}):([0-9a-fA-F]{64})")


class CannotOpen(Exception):
    """Sealed by a key that is not here, or not what was sealed. Our own fault, never a caller's."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """``current_id`` names the master key that wraps from now on."""

    current_id: str
    master_keys: Mapping[str, bytes] = field(repr=False)
    index_key: bytes = field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> "Keyring":
        """Made with fresh keys when the file is missing; raises KeyFileError."""
        made = f"k1:{secrets.token_hex(KEY_BYTES)}\n{INDEX}:{secrets.token_hex(KEY_BYTES)}\n"
        try:
            return cls.from_text(read_or_make(path, made.encode()).decode("ascii"))
        except ValueError as error:
            raise KeyFileError(f"{path}: {error}") from error

    @classmethod
    def from_text(cls, text: str) -> "Keyring":
        """The same from lines, or from the environment with commas; raises ValueError."""
        keys: dict[str, bytes] = {}
        for number, line in enumerate(re.split("[\n,]", text.strip()), 1):
            if not (found := _LINE.fullmatch(line.strip())):
                raise ValueError(f"line {number} is not id:64 hexadecimal digits")
            if found[1] in keys:
                raise ValueError(f"line {number} names {found[1]} again")
            keys[found[1]] = bytes.fromhex(found[2])
        index_key = keys.pop(INDEX, None)
        if index_key is None or not keys:
            raise ValueError(f"a master key and the line {INDEX} are needed")
        return cls(next(iter(keys)), keys, index_key)

    def value_key(self, source: str, value: str) -> bytes:
        """The 32 bytes by which an outside id is looked up: a keyed hash of source and value."""
        return hmac.digest(self.index_key, f"{source}\n{value}".encode(), hashlib.sha256)

    def derived(self, purpose: str) -> bytes:
        """A key of its own for a purpose that outlives no rotation of the index key."""
        return hmac.digest(self.index_key, f"derived\n{purpose}".encode(), hashlib.sha256)

    def wrap(self, plain: bytes, *, about: bytes) -> tuple[str, bytes]:
        """Seal by the current master key: its id, and what ``unwrap`` opens with the same
        ``about`` only.
        """
        return self.current_id, seal(self.master_keys[self.current_id], plain, about=about)

    def unwrap(self, key_id: str, sealed: bytes, *, about: bytes) -> bytes:
        """Raises CannotOpen."""
        if (key := self.master_keys.get(key_id)) is None:
            raise CannotOpen(f"the master key {key_id} is not in the key file")
        try:
            return unseal(key, sealed, about=about)
        except CannotOpen as error:
            raise CannotOpen(f"not what the master key {key_id} sealed") from error


def seal(key: bytes, plain: bytes, *, about: bytes) -> bytes:
    """AES-256-GCM: a random nonce, then the sealed text; ``about`` must be told again."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def unseal(key: bytes, sealed: bytes, *, about: bytes) -> bytes:
    """What was sealed; raises CannotOpen."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as error:
        raise CannotOpen("not sealed by this key, or changed since") from error
