"""Codes of vouchers: derived, shown to their owner, stored hashed.

A code is a keyed hash of its redemption, so that a resident whose first answer was lost on the way
gets the same code by asking again, while the database alone gives no code away (decision 9).
A merchant's own code, from a pool, is kept sealed, and found by a keyed hash: it may be short.
"""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# Crockford's base 32 (no I, L, O, U): 16 letters of 5 bits are 80 bits, and one to check by.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 16
_TYPED = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Codes:
    """The keys behind codes. ``pool_key`` may change no more than ``voucher_key`` may: what was
    sealed or hashed by another is neither opened nor found.
    """

    voucher_key: bytes = field(repr=False)
    pool_key: bytes = field(repr=False)

    def of_redemption(self, redemption_id: UUID) -> str:
        """The code that we made for a redemption."""
        return voucher_code(self.voucher_key, redemption_id)

    def pool_hash(self, merchant_id: UUID, typed: str) -> bytes:
        """Under which a merchant's own code is stored; spaces around it do not matter, nor does
        its width, and case does.
        """
        text = merchant_id.bytes + unicodedata.normalize("NFKC", typed).strip().encode()
        return hmac.digest(self._key(b"hash"), text, hashlib.sha256)

    def seal(self, offer_id: UUID, code: str) -> bytes:
        """AES-256-GCM: a random nonce, then the code; it opens for the same offer only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key(b"seal")).encrypt(nonce, code.encode(), offer_id.bytes)

    def open(self, offer_id: UUID, sealed: bytes) -> str:
        """What was sealed; anything else is our own fault (``cryptography``'s InvalidTag)."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(self._key(b"seal")).decrypt(nonce, rest, offer_id.bytes).decode()

    def _key(self, purpose: bytes) -> bytes:
        return hmac.digest(self.pool_key, b"pool codes\n" + purpose, hashlib.sha256)


def voucher_code(key: bytes, redemption_id: UUID) -> str:
    """The code of a redemption: 80 bits and a check letter, in groups (``ABCD-EFGH-…-X``)."""
    digest = hmac.digest(key, b"voucher\n" + redemption_id.bytes, hashlib.sha256)
    number = int.from_bytes(digest[:10])
    letters = "".join(_ALPHABET[number >> 5 * n & 31] for n in reversed(range(_LETTERS)))
    groups = [letters[n : n + 4] for n in range(0, _LETTERS, 4)]
    return "-".join([*groups, _check_letter(letters)])


def code_sha256(typed: str) -> bytes | None:
    """The hash under which a typed code is stored; None when it is mistyped.

    Forgives case, spaces, dashes, and O for 0, I or L for 1. A plain hash is enough: 80 random
    bits cannot be searched.
    """
    letters = typed.upper().translate(_TYPED)
    if len(letters) != _LETTERS + 1 or not set(letters) <= set(_ALPHABET):
        return None
    if _check_letter(letters[:-1]) != letters[-1]:
        return None
    return hashlib.sha256(letters[:-1].encode()).digest()


def _check_letter(letters: str) -> str:
    """Weighted sum modulo 31: finds any one wrong letter but 0 for Z, and most exchanges."""
    total = sum((n + 1) * _ALPHABET.index(letter) for n, letter in enumerate(letters))
    return _ALPHABET[total % 31]
