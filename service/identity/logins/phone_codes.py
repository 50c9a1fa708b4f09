"""Codes sent to phones: six digits, five minutes, five tries, good once.

Kept here: redis holds a keyed hash of the code under a keyed hash of the phone, so that whoever
reads it learns neither; and work and answer are the same whether or not anybody has the phone,
since nothing here looks. Wrong, expired, used and never sent are one refusal.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime

from service.cache import Cache, CacheAway
from service.identity.logins.errors import CodeNotRight, CodesAway, SmsNotSent
from service.identity.logins.sms import Message, Sender
from service.limits import Attempts, Limit, subscriber

DIGITS = 6
LIFETIME_S = 5 * 60
RESEND_AFTER_S = 60
TRIES_MAX = 5

# Of a phone. Five tries of each of ten codes a day find one of a million in 54 years' mean time.
PER_PHONE = {
    "phone-code-minute": Limit(1, RESEND_AFTER_S),
    "phone-code-hour": Limit(5, 3_600),
    "phone-code-day": Limit(10, 86_400),
}
# Of an address, behind which a whole office may sit.
PER_ADDRESS = Limit(30, 3_600)
PHONES_PER_ADDRESS = Limit(20, 3_600)
WRONG_PER_ADDRESS = Limit(60, 3_600)

# Each way through takes three commands.
_KEEP = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'tries', ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
_TRY = """
local left = redis.call('HINCRBY', KEYS[1], 'tries', -1)
local hash = redis.call('HGET', KEYS[1], 'hash')
local right = hash == ARGV[1] and left >= 0
if right or not hash or left <= 0 then redis.call('DEL', KEYS[1])
else redis.call('EXISTS', KEYS[1]) end
return right and 1 or 0
"""


class PhoneCodes:
    """Codes, by one derived key."""

    def __init__(self, cache: Cache, key: bytes) -> None:
        self._cache, self._key = cache, key

    def issue(self, phone: str) -> str:
        """A new code, in place of one before. Raises CodesAway."""
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        self.keep(phone, code)
        return code

    def keep(self, phone: str, code: str) -> None:
        """Let a code be good from now on; also one whose use came to nothing. Raises CodesAway."""
        self._step(_KEEP, phone, self._hash("code", phone, code), TRIES_MAX, LIFETIME_S)

    def use(self, phone: str, code: str) -> None:
        """Use a code up; of two at the same time one wins.

        Raises:
            CodeNotRight: the fifth time the code is gone. CodesAway.
        """
        if not self._step(_TRY, phone, self._hash("code", phone, code)):
            raise CodeNotRight

    def forget(self, phone: str) -> None:
        """Let no code of this phone be good any more; without redis it ends in its time."""
        self._cache.forget(self._place(phone))

    def key_of(self, kind: str, value: str) -> bytes:
        """A phone or an address as a counter's key."""
        return self._hash(kind, value)

    def _step(self, script: str, phone: str, *arguments: bytes | int) -> int:
        try:
            return self._cache.step(script, self._place(phone), *arguments)
        except CacheAway:
            raise CodesAway from None

    def _place(self, phone: str) -> str:
        return f"phone-code:{self._hash('place', phone).hex()}"

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\n".join(parts).encode(), hashlib.sha256)


def send_code(
    codes: PhoneCodes,
    attempts: Attempts,
    sender: Sender,
    phone: str,
    text: Callable[[str], str],
    *,
    from_address: str,
    now: datetime,
) -> None:
    """Send a new code, with ``text`` around it; one before is good no more.

    Raises:
        TooManyRequests: of this phone or this address; nothing was sent.
        SmsNotSent: the code is void, and another may be asked for at once.
        CodesAway.
    """
    household = subscriber(from_address)
    key, address = codes.key_of("phone", phone), codes.key_of("address", household)
    attempts.count("phone-code-address", address, PER_ADDRESS, now=now)
    pair = codes.key_of("pair", f"{household}\n{phone}")
    if attempts.window("phone-code-pair", pair, PHONES_PER_ADDRESS, now=now, times=1).count == 1:
        attempts.count("phone-code-phones", address, PHONES_PER_ADDRESS, now=now)
    for name, limit in PER_PHONE.items():  # Last: a flood from one address uses up nobody's.
        attempts.count(name, key, limit, now=now)
    code = codes.issue(phone)
    try:
        sender.send(Message(phone, code, text(code)))
    except SmsNotSent:
        codes.forget(phone)
        attempts.forget("phone-code-minute", key)
        raise


def use_code(
    codes: PhoneCodes,
    attempts: Attempts,
    phone: str,
    code: str,
    *,
    from_address: str,
    now: datetime,
) -> None:
    """Use a code up. Raises TooManyRequests, CodeNotRight, CodesAway."""
    address = codes.key_of("address", subscriber(from_address))
    attempts.check("phone-code-wrong", address, WRONG_PER_ADDRESS, now=now)
    try:
        codes.use(phone, code)
    except CodeNotRight:
        attempts.window("phone-code-wrong", address, WRONG_PER_ADDRESS, now=now, times=1)
        raise
