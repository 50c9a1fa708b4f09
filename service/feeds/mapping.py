"""Mapping files: how a partner's foreign CSV is read, said in TOML instead of code.

Each field of an event names the column that it comes from and how that is written. Numbers are
decimals, computed exactly: what does not come out as a whole number is refused, unless the mapping
says ``round = "down"``. docs/partners.md shows one.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from activities.events import NO_DETAILS, Details
from service.feeds.files import UnreadableFile
from service.feeds.formats import ForeignEvent, Format, Row

_DIGITS_MAX = 18
_DETAILS = (
    *("distance_m", "active_s", "material", "object_id", "place", "device", "photo_sha256"),
    "odometer_m",
)
_NUMBERS = frozenset({"quantity", "distance_m", "active_s", "odometer_m"})
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Factor = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?\Z")]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field comes from: a column, several joined by ``:``, or the same for every row.

    ``map`` translates what is written there. Of a number: ``factor`` times, ``round``. Of an
    instant: ``format`` (strptime's, or "iso", "epoch_s", "epoch_ms"), or so many seconds
    ``after`` another field.
    """

    column: _Name | None = None
    columns: Annotated[list[_Name], msgspec.Meta(min_length=1, max_length=8)] | None = None
    constant: str | int | None = None
    map: dict[str, str] | None = None
    factor: _Factor = "1"
    round: Literal["down"] | None = None
    format: _Name = "iso"
    after: Literal["started_at"] | None = None

    @property
    def read(self) -> list[str]:
        """The columns that it needs."""
        return [self.column] if self.column is not None else self.columns or []

    def text(self, row: Row) -> str:
        """What is written there, translated. Raises ValueError."""
        if self.constant is not None:
            return str(self.constant)
        written = ":".join(row[name].strip() for name in self.read)
        if self.map is None:
            return written
        if written not in self.map:
            raise ValueError(f"{self.read[0]} is {written[:40]!r}, which the mapping does not name")
        return self.map[written]

    def whole(self, row: Row) -> int:
        """A number times the factor. Raises ValueError."""
        return self._whole(self.text(row))

    def pair(self, row: Row) -> tuple[int, int]:
        """Two columns' numbers. Raises ValueError."""
        first, second = self.read
        return self._whole(row[first].strip()), self._whole(row[second].strip())

    def _whole(self, written: str) -> int:
        digits = written.replace(".", "", 1)
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX):
            raise ValueError(f"{self._called} is {written[:40]!r}, not a number")
        exact = Decimal(written) * Decimal(self.factor)
        whole = exact.to_integral_value(ROUND_DOWN)
        if whole != exact and self.round is None:
            raise ValueError(
                f"{self._called} is {written[:40]!r}, which is {exact} units: not whole"
            )
        return int(whole)

    @property
    def _called(self) -> str:
        return self.read[0] if self.read else "the constant"

    def instant(self, row: Row, zone: ZoneInfo) -> datetime:
        """An instant in UTC; without an offset it is one of ``zone``. Raises ValueError."""
        written = self.text(row)
        if self.format in ("epoch_s", "epoch_ms"):
            seconds = Decimal(self._whole(written)) / (1 if self.format == "epoch_s" else 1000)
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 10**6))
        if self.format == "iso":
            found = datetime.fromisoformat(written)
        else:
            found = datetime.strptime(written, self.format)  # noqa: DTZ007 - a zone comes next.
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


class MappingFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole mapping file; the field ``resident`` holds the partner's own ids, or ours."""

    fields: dict[str, Field]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    zone: str | None = None
    resident_is: Literal["subject", "holder_id"] = "subject"


@dataclass(frozen=True, slots=True)
class Read:
    """A mapping that was read: a format as those that are bundled, and how the file is written."""

    format: Format
    encoding: str
    delimiter: str


def read_mapping(path: Path) -> Read:
    """Raises UnreadableFile, naming what is wrong in one line."""
    try:
        with path.open("rb") as file:
            written = tomllib.load(file)
        found = msgspec.convert(written, MappingFile)
        zone = ZoneInfo(found.zone) if found.zone is not None else None
        _check(found)
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    except ZoneInfoNotFoundError as error:
        raise UnreadableFile(f"{path}: no zone {found.zone!r}") from error
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise UnreadableFile(f"{path}: {why}") from error
    columns = {name: None for field in found.fields.values() for name in field.read}
    return Read(
        Format(
            tuple(columns),
            lambda row, programmes: _event(found.fields, row, zone or programmes),
            by_holder_id=found.resident_is == "holder_id",
        ),
        found.encoding,
        found.delimiter,
    )


def _check(found: MappingFile) -> None:
    """Raises ValueError naming the first field that does not fit."""
    needed = ("resident", "event_id", "started_at", "ended_at", "quantity")
    known = {*needed, *_DETAILS}
    for name in needed:
        if name not in found.fields:
            raise ValueError(f"fields.{name} is missing")
    for name, field in found.fields.items():
        if name not in known:
            raise ValueError(f"there is no field {name}")
        ways = [field.column, field.columns, field.constant]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(f"fields.{name} needs one of column, columns, constant")
        if (name == "odometer_m") != (name in _NUMBERS and len(field.read) > 1):
            raise ValueError(f"fields.{name} has the wrong number of columns")
        if field.after is not None and name != "ended_at":
            raise ValueError(f"fields.{name} comes after nothing")
    if not (found.delimiter.isprintable() or found.delimiter == "\t") or found.delimiter == '"':
        raise ValueError("the delimiter is no character that parts columns")


def _event(fields: Mapping[str, Field], row: Row, zone: ZoneInfo) -> ForeignEvent:
    started_at = fields["started_at"].instant(row, zone)
    ended = fields["ended_at"]
    return ForeignEvent(
        subject=fields["resident"].text(row),
        event_id=fields["event_id"].text(row),
        started_at=started_at,
        ended_at=(
            started_at + timedelta(seconds=ended.whole(row))
            if ended.after
            else ended.instant(row, zone)
        ),
        quantity=fields["quantity"].whole(row),
        details=_details(fields, row),
    )


def _details(fields: Mapping[str, Field], row: Row) -> Details:
    said: dict[str, Any] = {}
    for name in _DETAILS:
        if (field := fields.get(name)) is None:
            continue
        if name == "odometer_m":
            said[name] = field.pair(row)
        elif text := field.text(row):  # An empty cell says nothing.
            said[name] = field.whole(row) if name in _NUMBERS else text
    return msgspec.convert(said, Details) if said else NO_DETAILS
