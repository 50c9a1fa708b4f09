"""Lists page by cursor: opaque to the caller, the last id of the page before, signed."""

from marshmallow import Schema, fields, validate

from service.api.wire import IdCursor


class PageQuery(Schema):
    """What a list takes."""

    cursor = IdCursor(metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
