"""Passwords: which are good, how they are kept, and that looking at one costs always the same.

argon2id with the parameters that OWASP's Password Storage Cheat Sheet gives (19 MiB, 2 passes, 1
lane); rules by NIST SP 800-63B, section 5.1.1.2: length and a list of what is tried first, and
nothing about capitals or digits.
"""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.errors import TooBusy
from service.identity.staff.errors import PasswordNotGood

LENGTH_MIN, LENGTH_MAX = 12, 128
AT_ONCE_MAX = 4  # Each takes a core and 19 MiB: more at once would starve all else.
# Of twelve characters or more, among the most common ones of published lists, and our own name.
_COMMON = frozenset(
    (
        *("123456789012", "1234567890123", "12345678901234", "123456789123", "123123123123"),
        *("111111111111", "000000000000", "098765432109", "112233445566", "121212121212"),
        *("987654321012", "666666666666", "888888888888", "123456123456", "password1234"),
        *("password12345", "password123456", "passwordpassword", "password@123", "p@ssword1234"),
        *("qwertyuiop12", "qwertyuiop123", "qwertyuiopasdf", "qwertyqwerty", "qwerty123456"),
        *("qwerty1234567", "asdfghjkl123", "zxcvbnm12345", "1q2w3e4r5t6y", "1qaz2wsx3edc"),
        *("1qaz2wsx3edc4rfv", "qazwsxedcrfv", "abcdefghijkl", "abcd12345678", "abc123456789"),
        *("a123456789012", "aa1234567890", "administrator", "administrator1", "adminadmin123"),
        *("admin1234567", "admin12345678", "welcome12345", "letmeinletmein", "iloveyou1234"),
        *("iloveyouiloveyou", "changeme1234", "changemechangeme", "woaini1314520", "woaini123456"),
        *("woaiwojia1314", "wodemima1234", "tanhuitanhui", "tanhui123456", "tanhui2026tanhui"),
        *("shanghai1234", "beijing12345"),
    )
)


def check_new(password: str, login: str) -> None:
    """Raises PasswordNotGood: 12 to 128 characters, not the login, nothing that is tried first."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise PasswordNotGood("length")
    plain = password.casefold()
    if login in plain and not plain.replace(login, "", 1).strip("0123456789 .!@-_"):
        raise PasswordNotGood("login")
    if plain in _COMMON or len(set(plain)) < 3:
        raise PasswordNotGood("common")


@dataclass(frozen=True, slots=True)
class Passwords:
    """Hashes of one set of parameters; a lower one is for tests."""

    hasher: PasswordHasher
    dummy: str = field(repr=False)
    at_once: BoundedSemaphore = field(repr=False)
    wait_s: float = 5  # For one's turn; then somebody else's request is better served.

    @classmethod
    def of(cls, *, memory_kib: int = 19 * 1024, passes: int = 2, lanes: int = 1) -> "Passwords":
        """Nothing is hashed for it: the dummy is a hash of nothing that anybody could type."""
        hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        salt, hashed = _plain64(hasher.salt_len), _plain64(hasher.hash_len)
        written = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hashed}"
        return cls(hasher, written, BoundedSemaphore(AT_ONCE_MAX))

    def hashed(self, password: str) -> str:
        """As it is kept. Raises TooBusy where too many wait."""
        with self._turn():
            return self.hasher.hash(_typed(password))

    def fits(self, stored: str | None, password: str) -> bool:
        """Whether it is the password of a hash; with none the same work is done, for nothing.

        Raises TooBusy where too many wait.
        """
        with self._turn():
            try:
                right = self.hasher.verify(stored or self.dummy, _typed(password))
            except (VerificationError, InvalidHashError):
                return False
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash is of other parameters than these."""
        return self.hasher.check_needs_rehash(stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.at_once.acquire(timeout=self.wait_s):
            raise TooBusy
        try:
            yield
        finally:
            self.at_once.release()


def _typed(password: str) -> str:
    """The same however a keyboard composes its characters (NFKC, as NIST asks)."""
    return normalize("NFKC", password)


def _plain64(count: int) -> str:
    return b64encode(secrets.token_bytes(count)).rstrip(b"=").decode()
