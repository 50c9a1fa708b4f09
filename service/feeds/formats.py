"""File formats: each turns one foreign row into the one event struct.

A format names the columns it needs and how the sender knows the resident: by a ``subject`` of its
own, which ``service.identity`` knows, or by the holder's id itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from activities.events import NO_DETAILS, Details

LONDON = ZoneInfo("Europe/London")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """A row that could be read; ``subject`` is the sender's own id of the resident."""

    subject: str
    event_id: str
    started_at: datetime
    ended_at: datetime
    quantity: int
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Format:
    """What a file must hold and how a row is read; ``parse`` raises ValueError saying why not, or
    ArithmeticError for what no calendar and no number holds.

    ``by_holder_id``: its subjects are holder ids.
    """

    columns: tuple[str, ...]
    parse: Callable[[Row, ZoneInfo], ForeignEvent]
    by_holder_id: bool = False


def _fitbit_daily(row: Row, zone: ZoneInfo) -> ForeignEvent:
    """A person's steps of a day. The date has no zone: it is taken as the programme's day."""
    day = datetime.strptime(row["ActivityDate"], "%m/%d/%y").date()  # noqa: DTZ007 - a date only.
    return ForeignEvent(
        subject=row["Id"],
        event_id=f"{row['Id']}:{day}",
        started_at=_midnight(day, zone),
        ended_at=_midnight(day + timedelta(days=1), zone),
        quantity=_whole(row["TotalSteps"], "TotalSteps"),
    )


def _tfl_rentals(row: Row, _: ZoneInfo) -> ForeignEvent:
    """A rental, in London time. The file names no rider: a rental stands for a rider of its own."""
    started_at = _london(row["Start.Date"])
    return ForeignEvent(
        subject=row["Rental.Id"],
        event_id=row["Rental.Id"],
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=_whole(row["Duration"], "Duration")),
        quantity=1,
    )


def _native(row: Row, _: ZoneInfo) -> ForeignEvent:
    """Tanhui's own: holder id, RFC 3339 instants with offset, quantity in the base unit."""
    return ForeignEvent(
        subject=row["holder_id"],
        event_id=row["event_id"],
        started_at=_instant(row["started_at"]),
        ended_at=_instant(row["ended_at"]),
        quantity=_whole(row["quantity"], "quantity"),
    )


FORMATS: dict[str, Format] = {
    "fitbit_daily": Format(("Id", "ActivityDate", "TotalSteps"), _fitbit_daily),
    "tfl_rentals": Format(("Rental.Id", "Duration", "Start.Date"), _tfl_rentals),
    "native": Format(
        ("event_id", "holder_id", "started_at", "ended_at", "quantity"), _native, by_holder_id=True
    ),
}


def _whole(written: str, name: str) -> int:
    if not (written.isascii() and written.isdigit()):
        raise ValueError(f"{name} is {written[:40]!r}, not a whole number")
    return int(written)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _london(written: str) -> datetime:
    local = datetime.strptime(written, "%d/%m/%Y %H:%M").replace(tzinfo=LONDON)
    return local.astimezone(UTC)


def _instant(written: str) -> datetime:
    instant = datetime.fromisoformat(written)
    if instant.tzinfo is None:
        raise ValueError(f"{written!r} has no offset")
    return instant.astimezone(UTC)
