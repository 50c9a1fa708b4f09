"""Kinds of values on the wire that marshmallow has no field for."""

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from marshmallow import fields, validate

from service.api.cursors import LENGTH_MAX, opened, sealed

FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
AMOUNT_MAX = 2**53
MONTH = "^[1-9][0-9]{3}-(0[1-9]|1[0-2])$"
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR_SAYS = {"pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": LENGTH_MAX}
# What the two say of themselves in the API's document: no controls, and something beside blanks.
_LINE = r"^[^{0}]*[^{0}\s][^{0}]*$".format(r"\x00-\x1f\x7f-\x9f\u2028\u2029")
_WORDS = r"^[^{0}]*[^{0}\s][^{0}]*$".format(r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f")


class Line(fields.String):
    """One line of text that says something; PostgreSQL keeps no NUL."""

    default_error_messages = {"line": "Not a line of text."}  # noqa: RUF012 - marshmallow's way.

    def __init__(self, *, length_max: int, metadata: Any = (), **kwargs: Any) -> None:
        said = {"pattern": _LINE} | dict(metadata)
        super().__init__(validate=validate.Length(1, length_max), metadata=said, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        if _BREAKS.search(text) or (text and not text.strip()):
            raise self.make_error("line")
        return text


class Words(fields.String):
    """Text that says something, on as many lines as it takes."""

    default_error_messages = {"words": "Not a text."}  # noqa: RUF012 - marshmallow's way.

    def __init__(self, *, length_max: int, metadata: Any = (), **kwargs: Any) -> None:
        said = {"pattern": _WORDS} | dict(metadata)
        super().__init__(validate=validate.Length(1, length_max), metadata=said, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        if _CONTROLS.search(text) or (text and not text.strip()):
            raise self.make_error("words")
        return text


class Code(fields.String):
    """A code or an id: up to 64 printable ASCII characters without a blank."""

    def __init__(self, **kwargs: Any) -> None:
        allowed = validate.Regexp(
            r"^[\x21-\x7e]{1,64}\Z", error="Not 1 to 64 letters, digits or signs without a blank."
        )
        super().__init__(validate=allowed, **kwargs)


class Instant(fields.AwareDateTime):
    """An instant with its offset, in two centuries that our ids can carry."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", validate=validate.Range(FIRST, LAST), **kwargs)


class Month(fields.Date):
    """The first day of a month; written YYYY-MM, where strptime takes more."""

    default_error_messages = {"invalid": "Not a month, as in 2016-04."}  # noqa: RUF012

    def __init__(self, *, metadata: Any = (), **kwargs: Any) -> None:
        says = {"format": "year-month", "pattern": MONTH, "example": "2016-04"} | dict(metadata)
        super().__init__(format="%Y-%m", metadata=says, **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not re.fullmatch(MONTH, str(value)):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class Cursor(fields.String):
    """Where a list goes on, opaque to the caller and signed: instants, UUIDs and a number.

    Each of ``shapes`` names the parts of one kind of place: ``at``, ``id``, ``number``, ``size``.
    Loads a tuple of the parts; dumps one too, or a part that is alone.
    """

    default_error_messages = {"cursor": "Not a valid cursor."}  # noqa: RUF012 - marshmallow's way.
    _FORMATS = {"at": "q", "id": "16s", "number": "I", "size": "Q"}  # noqa: RUF012 - never changed.

    def __init__(self, *shapes: tuple[str, ...], metadata: Any = (), **kwargs: Any) -> None:
        super().__init__(metadata=CURSOR_SAYS | dict(metadata), **kwargs)
        self._shapes = {self._layout(shape).size: shape for shape in shapes}
        assert len(self._shapes) == len(shapes), "told apart by their length"

    def _serialize(self, value: Any, *args: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        parts = value if isinstance(value, tuple) else (value,)
        shape = next(shape for shape in self._shapes.values() if len(shape) == len(parts))
        return sealed(self._layout(shape).pack(*map(_packed, parts)))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            packed = opened(text)
            shape = self._shapes[len(packed)]
            parts = zip(shape, self._layout(shape).unpack(packed), strict=True)
            return tuple(_unpacked(name, part) for name, part in parts)
        except (ValueError, KeyError, OverflowError) as error:
            raise self.make_error("cursor") from error

    def _layout(self, shape: tuple[str, ...]) -> struct.Struct:
        return struct.Struct(">" + "".join(self._FORMATS[name] for name in shape))


class IdCursor(Cursor):
    """A place that is the id of the last row before; loads the id itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(("id",), **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, *args, **kwargs)[0]


def _packed(part: Any) -> int | bytes:
    if isinstance(part, datetime):
        return (part - _EPOCH) // timedelta(microseconds=1)
    if isinstance(part, UUID):
        return part.bytes
    assert isinstance(part, int)
    return part


def _unpacked(name: str, part: Any) -> datetime | UUID | int:
    if name == "at":
        at = _EPOCH + timedelta(microseconds=part)
        if not FIRST <= at <= LAST:
            raise ValueError(part)
        return at
    if name == "id":
        return UUID(bytes=part)
    assert isinstance(part, int)
    return part
