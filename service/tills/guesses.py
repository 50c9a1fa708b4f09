"""Codes that are wrong are counted, by who sends them and by merchant: nobody tries codes at will.

A clerk who mistypes some waits a minute at most; what is right is not counted. Codes are looked up
in PostgreSQL, so without Redis they are taken as before, and wrong ones are counted by each process
for itself, and stricter (``service.limits``).
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from rewards.errors import UnknownVoucher
from rewards.tills.errors import ScanNotSigned, UnknownLiveCode
from service.auth import caller
from service.limits import Limit
from service.services import services

PER_CALLER = Limit(10, 60)  # A clerk, or a key.
PER_MERCHANT = Limit(100, 60)
WRONG = (UnknownVoucher, UnknownLiveCode, ScanNotSigned)
_CALLER, _MERCHANT = "voucher-guesses", "voucher-guesses-merchant"

T = TypeVar("T")


def guarded(merchant_id: UUID, work: Callable[[], T], *, now: datetime) -> T:
    """Do ``work``, which takes a code, and count it if the code is wrong.

    Raises:
        TooManyRequests: too many were; the code was not looked at.
    """
    check(merchant_id, now=now)
    try:
        return work()
    except WRONG:
        count(merchant_id, 1, now=now)
        raise


def check(merchant_id: UUID, *, now: datetime) -> None:
    """Raises TooManyRequests when too many codes were wrong; counts nothing."""
    attempts = services().attempts
    attempts.check(_CALLER, _caller(merchant_id), PER_CALLER, now=now)
    attempts.check(_MERCHANT, str(merchant_id), PER_MERCHANT, now=now)


def count(merchant_id: UUID, wrong: int, *, now: datetime) -> None:
    """Count codes that were wrong; refuses nothing."""
    if wrong:
        attempts = services().attempts
        attempts.window(_CALLER, _caller(merchant_id), PER_CALLER, now=now, times=wrong)
        attempts.window(_MERCHANT, str(merchant_id), PER_MERCHANT, now=now, times=wrong)


def _caller(merchant_id: UUID) -> str:
    """Names are one's own at one's merchant."""
    return f"{merchant_id}:{caller().subject}"
