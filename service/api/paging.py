"""Lists page by cursor: opaque to the caller, the last id of the page before."""

from marshmallow import Schema, fields, validate


class PageQuery(Schema):
    """What a list takes."""

    cursor = fields.UUID(metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
