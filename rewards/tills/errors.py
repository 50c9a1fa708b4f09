"""Refusals at the till, with their facts; those that others meet too are in ``rewards.errors``."""

from datetime import date, datetime
from uuid import UUID

from ledgers.errors import DomainError


class VoucherExpired(DomainError):
    """It was good until ``expires_at``."""

    def __init__(self, expires_at: datetime) -> None:
        super().__init__("the voucher has expired")
        self.expires_at = expires_at.isoformat()


class VoucherCancelled(DomainError):
    """Its owner gave it back."""

    def __init__(self, cancelled_at: datetime) -> None:
        super().__init__("the voucher was cancelled")
        self.cancelled_at = cancelled_at.isoformat()


class VoucherRefunded(DomainError):
    """It was used, and the programme gave the points back."""

    def __init__(self, *, consumed_at: datetime, refunded_at: datetime) -> None:
        super().__init__("the voucher was used and refunded")
        self.consumed_at = consumed_at.isoformat()
        self.refunded_at = refunded_at.isoformat()


class VoucherNotHere(DomainError):
    """It is taken in certain shops only, and the till named another one or none."""

    def __init__(self, shop_ids: list[UUID]) -> None:
        super().__init__("the voucher is for other shops")
        self.shop_ids = [str(shop_id) for shop_id in shop_ids]


class ScannerRetired(DomainError):
    """Its key is good no more."""

    def __init__(self, scanner_id: UUID, retired_at: datetime) -> None:
        super().__init__("the scanner was retired")
        self.scanner_id = scanner_id
        self.retired_at = retired_at.isoformat()


class ReversalTooLate(DomainError):
    """The day on which the voucher was taken is over: refunds are the programme's."""

    def __init__(self, *, consumed_on: date, today: date) -> None:
        super().__init__("the day on which the voucher was taken is over")
        self.consumed_on = consumed_on.isoformat()
        self.today = today.isoformat()


class ScanNotSigned(DomainError):
    """The signature is not the scanner's, or something was changed since."""

    def __init__(self, scanner_id: UUID) -> None:
        super().__init__("the signature is not the scanner's")
        self.scanner_id = scanner_id


class ScanTooOld(DomainError):
    """Sent later than a scan may be sent. A voucher that is still good can be taken online."""

    def __init__(self, *, scanned_at: datetime, hours_max: int) -> None:
        super().__init__("the scan is too old")
        self.scanned_at = scanned_at.isoformat()
        self.hours_max = hours_max


class ScanInFuture(DomainError):
    """The scanner's clock is ahead of ours by more than is let through."""

    def __init__(self, *, scanned_at: datetime, now: datetime) -> None:
        super().__init__("the scan is of the future")
        self.scanned_at = scanned_at.isoformat()
        self.now = now.isoformat()


class UnknownLiveCode(DomainError):
    """No phone that we know shows this code."""

    def __init__(self) -> None:
        super().__init__("no phone shows this code")


class LiveCodeOffTime(DomainError):
    """The phone showed it at another time, or its clock is off."""

    def __init__(self, *, shown_at: datetime, now: datetime) -> None:
        super().__init__("the code is of another time")
        self.shown_at = shown_at.isoformat()
        self.now = now.isoformat()


class LiveCodeUsed(DomainError):
    """This code, or a newer one of the same phone, was read before."""

    def __init__(self, *, shown_at: datetime, newest_shown_at: datetime) -> None:
        super().__init__("the code was used before")
        self.shown_at = shown_at.isoformat()
        self.newest_shown_at = newest_shown_at.isoformat()


class CodeDeviceEnded(DomainError):
    """The phone shows codes no more."""

    def __init__(self, ended_at: datetime) -> None:
        super().__init__("the phone was signed off")
        self.ended_at = ended_at.isoformat()


class UnknownCodeDevice(DomainError):
    """The resident has no such phone."""

    def __init__(self, device_id: UUID) -> None:
        super().__init__("there is no such phone")
        self.device_id = device_id


class CodeDeviceReused(DomainError):
    """The id stands for another phone."""

    def __init__(self, device_id: UUID) -> None:
        super().__init__("this id already stands for another phone")
        self.device_id = device_id


class TooManyCodeDevices(DomainError):
    """The resident has as many phones as may show codes."""

    def __init__(self, devices_max: int) -> None:
        super().__init__("too many phones show codes")
        self.devices_max = devices_max


class UnknownScan(DomainError):
    """This merchant has no such scan."""

    def __init__(self, scan_id: UUID) -> None:
        super().__init__("there is no such scan")
        self.scan_id = scan_id


class ScanReused(DomainError):
    """The id stands for another scan."""

    def __init__(self, scan_id: UUID) -> None:
        super().__init__("this id already stands for another scan")
        self.scan_id = scan_id


class ScanOver(DomainError):
    """What a scan opens is open for some minutes only."""

    def __init__(self, ended_at: datetime) -> None:
        super().__init__("the scan is over")
        self.ended_at = ended_at.isoformat()


class ResidentGone(DomainError):
    """Who showed the code has closed the account."""

    def __init__(self) -> None:
        super().__init__("the account was closed")


class ResidentLacksPoints(DomainError):
    """Who showed the code has too few points; how many is none of the till's business."""

    def __init__(self, need_points: int) -> None:
        super().__init__(f"{need_points} points needed, and the resident has fewer")
        self.need_points = need_points


class NotForTills(DomainError):
    """An offer from which nothing is handed out in a shop."""

    def __init__(self, offer_id: UUID) -> None:
        super().__init__("nothing of this offer is handed out in a shop")
        self.offer_id = offer_id
