"""A batch's body: unpacked within bounds, then line by line. Nothing here knows the database."""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from activities.events import EVENTS_MAX, NO_DETAILS, QUANTITY_MAX, Details, Event, Instant
from service.feeds.errors import BatchTooLarge, NotUnpackable
from service.feeds.line_messages import line_message
from service.language import Text

BODY_MAX_BYTES = 5 * 1024 * 1024  # As it comes, and unpacked.
LINE_MAX_BYTES = 4_096
SUBJECT_MAX = 64
_MEMBERS_MAX = 100  # Streams that follow each other; each is a copy of what comes after it.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

# \Z, as $ would let a line end pass.
EventId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+\Z")]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=SUBJECT_MAX)]
_Whole = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]


class SentEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An event as a partner sends it: of a resident by the partner's own id, or by ours."""

    event_id: EventId
    started_at: Instant
    ended_at: Instant
    quantity: _Whole
    subject: _Text | None = None
    holder_id: UUID | None = None
    details: Details = NO_DETAILS

    def of(self, holder_id: UUID, scene_code: str) -> Event:
        """The event of a resident in a scene."""
        return Event(
            self.event_id,
            scene_code,
            holder_id,
            self.started_at,
            self.ended_at,
            self.quantity,
            # Said to be empty is the same as not said.
            NO_DETAILS if self.details == NO_DETAILS else self.details,
        )


class Line(NamedTuple):
    """A line with its number, from 1: an event, or why it is none."""

    number: int
    event: SentEvent | None
    error: Text | None = None


def unpacked(body: bytes) -> bytes:
    """What a gzip body holds, never inflated beyond BODY_MAX_BYTES.

    Raises:
        BatchTooLarge: it holds more than that.
        NotUnpackable: it is no gzip, cut short, or damaged.
    """
    parts: list[bytes] = []
    room = BODY_MAX_BYTES + 1
    while body:
        if len(parts) == _MEMBERS_MAX:
            raise NotUnpackable
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, room)
        except zlib.error as error:
            raise NotUnpackable from error
        room -= len(part)
        if room <= 0:
            raise too_large()
        if not member.eof:
            raise NotUnpackable
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def lines_of(body: bytes) -> list[Line]:
    """The lines that are not blank, each read or with the reason why not.

    Raises:
        BatchTooLarge: more than EVENTS_MAX of them, or more bytes; none was looked at.
    """
    if len(body) > BODY_MAX_BYTES or body.count(b"\n") > 2 * EVENTS_MAX:
        raise too_large()
    found = list(_read(body))
    if len(found) > EVENTS_MAX:
        raise too_large()
    return found


def too_large() -> BatchTooLarge:
    """The refusal, with its bounds."""
    return BatchTooLarge(events_max=EVENTS_MAX, bytes_max=BODY_MAX_BYTES)


_decode = msgspec.json.Decoder(SentEvent).decode


def _read(body: bytes) -> Iterator[Line]:
    for number, line in enumerate(body.split(b"\n"), 1):
        if line and not line.isspace():
            yield read_line(number, line)


def read_line(number: int, line: bytes | str) -> Line:
    """A line of NDJSON, or why it is no event."""
    if len(line) > LINE_MAX_BYTES:
        return Line(number, None, _TOO_LONG)
    try:
        event = _decode(line)
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's are ValueErrors.
        return Line(number, None, line_message(error))
    if (why := unacceptable(event)) is not None:
        return Line(number, None, why)
    return Line(number, event)


_TOO_LONG = Text(
    f"本行超过 {LINE_MAX_BYTES} 字节", f"the line has more than {LINE_MAX_BYTES} bytes"
)
_WHO = Text("subject 与 holder_id 须且只能填一项", "send either subject or holder_id")
_TIMES = Text(
    "started_at 和 ended_at 须在 2000 至 2200 年之间",
    "started_at and ended_at lie between the years 2000 and 2200",
)
_SUBJECT = Text("subject 含有控制字符", "subject has a control character in it")
_ATTESTED = Text("没有 details.attested 这个字段", "there is no field details.attested")


def unacceptable(event: SentEvent) -> Text | None:
    """Why an event of the right shape is not taken; None when it is."""
    if (event.subject is None) is (event.holder_id is None):
        return _WHO
    if event.subject is not None and not event.subject.isprintable():
        return _SUBJECT
    if not (FIRST <= event.started_at < LAST and FIRST <= event.ended_at < LAST):
        return _TIMES
    if event.details is not NO_DETAILS and event.details.attested:
        return _ATTESTED  # A door's own finding.
    return None
