"""What a till took while it was offline: scans that its scanner signed, sent later in a list.

Kept here: a scan is believed if its scanner signed it, and taken if it comes within a day; clocks
may be off by two minutes. A voucher that had ended by then was used twice, or used after its end:
that is written down with who, where and when (``rewards.tills.double_uses``). The same list again
is answered the same.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from ledgers.errors import DomainError
from rewards.tills import double_uses
from rewards.tills.consuming import AT_ONCE, consume_many, hashes_of
from rewards.tills.deciding import Consumed, Refused, Taking
from rewards.tills.double_uses import Ended
from rewards.tills.errors import ScanInFuture, ScanNotSigned, ScanTooOld
from rewards.tills.looking import Found, Places, Taken, taken
from rewards.voucher_codes import Codes

OFFLINE_FOR = timedelta(hours=24)
CLOCKS_OFF = timedelta(minutes=2)
ITEMS_MAX = AT_ONCE


class Scanned(NamedTuple):
    """A voucher that a scanner read. ``said_at`` is ``scanned_at`` as it was sent: it is signed."""

    id: UUID
    code: str
    scanned_at: datetime
    said_at: str
    scanner_id: UUID
    signature: str
    shop_id: UUID | None = None


class Sender(NamedTuple):
    """Who sends a list, for which merchant; ``scanner_key`` is the key of a scanner of theirs."""

    merchant_id: UUID
    name: str
    codes: Codes
    scanner_key: Callable[[UUID], bytes]
    request_id: str | None = None


def signature(key: bytes, consumption_id: UUID, code: str, said_at: str) -> str:
    """What a scanner signs, in hexadecimal: HMAC-SHA256 of four lines."""
    message = f"consumption\n{consumption_id}\n{code}\n{said_at}"
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def receive(
    session: Session, scans: Sequence[Scanned], sender: Sender, *, now: datetime
) -> list[Consumed | DomainError]:
    """Take what was scanned, ITEMS_MAX at most; an answer for each, in their order: what was taken,
    or why it was not. A fixed number of statements.

    Answers of refusal: those of ``consume``; ScanNotSigned, ScannerRetired, ScanInFuture,
    ScanTooOld. What is too old and had ended otherwise is written down all the same.

    Locks the vouchers' rows, the lowest code first.
    """
    assert len(scans) <= ITEMS_MAX, "in batches"
    queue = _Queue(session, scans, sender, now)
    early = [queue.why_not(scan) for scan in queue.scans]
    pairs = list(zip(queue.scans, early, strict=True))
    open_ = [scan for scan, error in pairs if error is None]
    answers = consume_many(
        session,
        [queue.taking(scan) for scan in open_],
        merchant_id=sender.merchant_id,
        now=now,
        actor=sender.name,
        request_id=sender.request_id,
    )
    ended = queue.ended(open_, answers)
    ended += queue.ended_before([scan for scan, error in pairs if isinstance(error, ScanTooOld)])
    written = double_uses.record(session, ended, merchant_id=sender.merchant_id, now=now)
    rest = iter(answers)
    return [error or _told(scan, next(rest), written) for scan, error in pairs]


def _told(
    scan: Scanned, answer: Consumed | Refused, written: Mapping[UUID, DomainError]
) -> Consumed | DomainError:
    if isinstance(answer, Consumed):
        return answer
    return written.get(scan.id, answer.error)


class _Queue:
    """A list under way. ``scans``: each with the shop where its scanner stands."""

    def __init__(
        self, session: Session, scans: Sequence[Scanned], sender: Sender, now: datetime
    ) -> None:
        self._session, self._sender, self._now = session, sender, now
        self._hashes: dict[str, tuple[bytes, ...]] = {}
        ids = {scan.id for scan in scans}
        self._taken = taken(session, ids)
        self._double = double_uses.recorded(session, ids, sender.merchant_id)
        self._places = Places(
            session,
            sender.merchant_id,
            (scan.shop_id for scan in scans),
            (scan.scanner_id for scan in scans),
        )
        self.scans = [
            scan._replace(shop_id=scan.shop_id or self._places.home_of(scan.scanner_id))
            for scan in scans
        ]

    def why_not(self, scan: Scanned) -> DomainError | None:
        """Why a scan is not looked at; what was answered before is answered as it was."""
        key = self._sender.scanner_key(scan.scanner_id)
        right = signature(key, scan.id, scan.code, scan.said_at)
        if not hmac.compare_digest(right, scan.signature):
            return ScanNotSigned(scan.scanner_id)
        if scan.id in self._taken:
            return None
        double = self._double.get(scan.id)
        if double is not None and double.code_sha256 in self._hashes_of(scan.code):
            if double.scanned_at < double.recorded_at - OFFLINE_FOR - CLOCKS_OFF:
                return _too_old(scan)
            return double.error
        try:
            self._places.place(scan.shop_id, scan.scanner_id)
        except DomainError as error:
            return error
        if scan.scanned_at > self._now + CLOCKS_OFF:
            return ScanInFuture(scanned_at=scan.scanned_at, now=self._now)
        if scan.scanned_at < self._now - OFFLINE_FOR - CLOCKS_OFF:
            return _too_old(scan)
        return None

    def taking(self, scan: Scanned) -> Taking:
        """What the till took, as of the scan."""
        hashes, good_at = self._hashes_of(scan.code), scan.scanned_at - CLOCKS_OFF
        return Taking(
            scan.id, hashes, scan.scanned_at, scan.shop_id, scan.scanner_id, True, good_at
        )

    def ended(self, scans: Sequence[Scanned], answers: Sequence[Consumed | Refused]) -> list[Ended]:
        """Those refused because the voucher had ended, though the scan was in time."""
        found = [
            self._ended(scan, answer.voucher, answer.first)
            for scan, answer in zip(scans, answers, strict=True)
            if isinstance(answer, Refused) and answer.voucher is not None
        ]
        return [one for one in found if one is not None]

    def ended_before(self, scans: Sequence[Scanned]) -> list[Ended]:
        """Those of scans that came too late whose vouchers had ended otherwise."""
        hashes = [each for scan in scans for each in self._hashes_of(scan.code)]
        if not hashes:
            return []
        vouchers = double_uses.look(self._session, self._sender.merchant_id, hashes)
        found = [
            self._ended(scan, *vouchers[hashed])
            for scan in scans
            for hashed in self._hashes_of(scan.code)
            if hashed in vouchers
        ]
        return [one for one in found if one is not None]

    def _ended(self, scan: Scanned, voucher: Found, first: Taken | None) -> Ended | None:
        good_at = scan.scanned_at - CLOCKS_OFF
        return Ended.of(voucher, first, scan, self._sender.name, good_at)

    def _hashes_of(self, code: str) -> tuple[bytes, ...]:
        if code not in self._hashes:
            sender = self._sender
            self._hashes[code] = hashes_of(sender.merchant_id, code, sender.codes)
        return self._hashes[code]


def _too_old(scan: Scanned) -> ScanTooOld:
    hours_max = OFFLINE_FOR // timedelta(hours=1)
    return ScanTooOld(scanned_at=scan.scanned_at, hours_max=hours_max)
