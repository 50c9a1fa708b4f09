"""Refusals at the partners' door. A single line's refusal is an answer, not an exception."""

from datetime import date, datetime
from uuid import UUID

from ledgers.errors import DomainError


class BadSignature(DomainError):
    """Not signed by a live key of the scene's partner, or headers are missing."""

    def __init__(self) -> None:
        super().__init__("not signed by a live key of the scene's partner")


class FeedKeyLacksScope(DomainError):
    """Signed by a live key that is not for this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the key lacks the scope {scope}")
        self.scope = scope


class ClockOff(DomainError):
    """Signed at another time than now: an old message, or a clock that is wrong."""

    def __init__(self, *, server_at: datetime) -> None:
        super().__init__(f"signed more than five minutes away from {server_at:%Y-%m-%dT%H:%M:%SZ}")
        self.server_at = server_at


class MessageReplayed(DomainError):
    """The very message was received before."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message {message_id} was received before")
        self.message_id = message_id


class ReplayUnknown(DomainError):
    """Whether the message was received before cannot be told just now (redis is away)."""

    def __init__(self) -> None:
        super().__init__("whether the message was received before cannot be told just now")


class BatchTooLarge(DomainError):
    """More lines or, unpacked, more bytes than a batch may have; nothing was recorded."""

    def __init__(self, *, events_max: int, bytes_max: int) -> None:
        super().__init__(f"a batch has at most {events_max} events and {bytes_max} bytes")
        self.events_max = events_max
        self.bytes_max = bytes_max


class NotUnpackable(DomainError):
    """The body says that it is gzip, and is not, or is cut short."""

    def __init__(self) -> None:
        super().__init__("the body is no whole gzip stream")


class EncodingUnknown(DomainError):
    """The body is compressed in a way that is not accepted."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"content encoding {encoding!r} is not accepted")
        self.encoding = encoding[:40]


class InvalidBatchId(DomainError):
    """A partner's id of a batch is written in another way than it may be."""

    def __init__(self) -> None:
        super().__init__("a batch id has 1 to 64 letters, digits, dots, underscores or hyphens")


class BatchReused(DomainError):
    """This version of the batch was received with other content."""

    def __init__(self, batch_id: str, version: int) -> None:
        super().__init__(f"batch {batch_id!r} version {version} came with other content before")
        self.batch_id = batch_id
        self.version = version


class BatchOutdated(DomainError):
    """A later version of the batch was received."""

    def __init__(self, batch_id: str, version: int, latest_version: int) -> None:
        super().__init__(f"batch {batch_id!r} is at version {latest_version}, past {version}")
        self.batch_id = batch_id
        self.version = version
        self.latest_version = latest_version


class TotalsOfAnotherDay(DomainError):
    """Totals are said of a day that has begun, and not of one long gone."""

    def __init__(self, day: date) -> None:
        super().__init__(f"{day} has not begun")
        self.day = day


class UnknownPartner(DomainError):
    """No partner has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no partner {code!r}")
        self.code = code


class UnknownFeedKey(DomainError):
    """No key has this id."""

    def __init__(self, key_id: UUID) -> None:
        super().__init__(f"no key {key_id}")
        self.key_id = key_id


class TooManyKeys(DomainError):
    """A partner has enough live keys; one must be retired first."""

    def __init__(self, *, live_max: int) -> None:
        super().__init__(f"the partner has {live_max} live keys; retire one first")
        self.live_max = live_max
