"""Codes of vouchers: derived, shown to their owner, stored hashed.

A code is a keyed hash of its redemption, so that a resident whose first answer was lost on the way
gets the same code by asking again, while the database alone gives no code away (decision 9).
"""

import hashlib
import hmac
from uuid import UUID

# Crockford's base 32 (no I, L, O, U): 16 letters of 5 bits are 80 bits, and one to check by.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 16
_TYPED = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


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
