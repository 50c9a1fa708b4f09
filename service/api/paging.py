"""Lists page by cursor: opaque to the caller, the last id of the page before, signed."""

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from marshmallow import Schema, fields, validate

from service.api.wire import IdCursor


class PageQuery(Schema):
    """What a list takes."""

    cursor = IdCursor(metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class _Named(Protocol):
    @property
    def id(self) -> UUID: ...


Row = TypeVar("Row", bound=_Named)


def cut(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], UUID | None]:
    """Of one row more than a page, the page and where it goes on; None where it does not."""
    shown = rows[:limit]
    return shown, shown[-1].id if len(rows) > limit else None
