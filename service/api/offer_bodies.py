"""Bodies about offers: terms as they are drafted and shown."""

from typing import Any

from marshmallow import Schema, fields, validate

from rewards.offers.drafting import KINDS, PICTURES_MAX
from service.api.paging import PageQuery
from service.api.wire import AMOUNT_MAX, Code, IdCursor, Instant, Line, Words
from service.offers.acts import STATES

LIST_MAX = 200
_KIND_SAYS = "a voucher of ours, the merchant's own codes, goods, a top-up or a donation"
SHA256 = r"^[0-9a-f]{64}\Z"


def _amount(says: str, **more: Any) -> fields.Integer:
    return fields.Integer(strict=True, metadata={"description": says}, **more)


def _limit(says: str) -> fields.Integer:
    allowed = validate.Range(1, AMOUNT_MAX)
    return _amount(says, load_default=None, allow_none=True, validate=allowed)


def _codes(says: str) -> Any:
    return fields.List(
        Code(),
        load_default=list,
        validate=validate.Length(0, LIST_MAX),
        metadata={"description": says},
    )


class OfferDraftRequest(Schema):
    kind = fields.String(
        required=True, validate=validate.OneOf(KINDS), metadata={"description": _KIND_SAYS}
    )
    budget_id = fields.UUID(load_default=None, allow_none=True)
    project_id = fields.UUID(
        load_default=None, allow_none=True, metadata={"description": "of a donation"}
    )
    title_zh = Line(length_max=100, required=True)
    title_en = Line(length_max=100, required=True)
    text_zh = Words(length_max=4_000, load_default="")
    text_en = Words(length_max=4_000, load_default="")
    pictures = fields.List(
        fields.String(validate=validate.Regexp(SHA256, error="Not a SHA-256 in hexadecimal.")),
        load_default=list,
        validate=validate.Length(0, PICTURES_MAX),
        metadata={"description": "the `sha256` of pictures that were sent before"},
    )
    price_points = _amount(
        "of a unit", required=True, validate=validate.Range(-AMOUNT_MAX, AMOUNT_MAX)
    )
    face_value_fen = _amount(
        "of a unit; of a top-up, what the card gets",
        load_default=0,
        validate=validate.Range(0, AMOUNT_MAX // 10_000),
    )
    agreement_id = fields.UUID(
        load_default=None,
        allow_none=True,
        metadata={"description": "null: the newest that covers the sale"},
    )
    on_sale_from = Instant(required=True)
    on_sale_to = Instant(required=True, metadata={"description": "exclusive"})
    daily_units = _limit("a day, of all residents; null: no limit")
    resident_day_units = _limit("a day, of one resident")
    resident_week_units = _limit("a week from Monday, of one resident")
    resident_month_units = _limit("a month, of one resident")
    division_codes = _codes("for residents of these divisions; empty: for all")
    scene_codes = _codes("for who consents to one of these scenes; empty: for all")
    shop_ids = fields.List(
        fields.UUID(),
        load_default=list,
        validate=validate.Length(0, LIST_MAX),
        metadata={"description": "where it is taken; empty: in every shop of the merchant"},
    )
    valid_days = _amount(
        "good to the end of so many days after redemption",
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 3_660),
    )
    valid_until = Instant(
        load_default=None, allow_none=True, metadata={"description": "and no longer than this"}
    )
    cancel_hours = _amount(
        "how long the resident may cancel; 0: not at all",
        load_default=0,
        validate=validate.Range(0, 8_784),
    )
    expiry_returns = fields.Boolean(
        load_default=False, metadata={"description": "points of what lapses unused come back"}
    )


class OfferVersionResponse(Schema):
    offer_id = fields.UUID()
    version = fields.Integer()
    title_zh = fields.String()
    title_en = fields.String()
    text_zh = fields.String()
    text_en = fields.String()
    pictures = fields.List(fields.String())
    price_points = fields.Integer()
    face_value_fen = fields.Integer()
    agreement_id = fields.UUID(allow_none=True)
    settlement_fen = fields.Integer(metadata={"description": "what a unit costs the programme"})
    on_sale_from = fields.AwareDateTime(format="iso")
    on_sale_to = fields.AwareDateTime(format="iso")
    daily_units = fields.Integer(allow_none=True)
    resident_day_units = fields.Integer(allow_none=True)
    resident_week_units = fields.Integer(allow_none=True)
    resident_month_units = fields.Integer(allow_none=True)
    division_codes = fields.List(fields.String())
    scene_codes = fields.List(fields.String())
    shop_ids = fields.List(fields.UUID())
    valid_days = fields.Integer(allow_none=True)
    valid_until = fields.AwareDateTime(format="iso", allow_none=True)
    cancel_hours = fields.Integer()
    expiry_returns = fields.Boolean()
    made_by = fields.String()
    made_at = fields.AwareDateTime(format="iso")
    published_by = fields.String(allow_none=True)
    published_at = fields.AwareDateTime(format="iso", allow_none=True)


class OfferVersionsQuery(Schema):
    after_version = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 2**31 - 1),
        metadata={"description": "only later ones"},
    )


class OfferVersionsResponse(Schema):
    versions = fields.List(fields.Nested(OfferVersionResponse))


class ListedOfferResponse(Schema):
    id = fields.UUID(attribute="offer.id")
    merchant_id = fields.UUID(attribute="offer.merchant_id")
    kind = fields.String(attribute="offer.kind")
    state = fields.String(
        attribute="offer.state", metadata={"description": "draft, published, paused or ended"}
    )
    version = fields.Integer(
        attribute="offer.version", metadata={"description": "the published one; 0: none yet"}
    )
    budget_id = fields.UUID(attribute="offer.budget_id", allow_none=True)
    project_id = fields.UUID(attribute="offer.project_id", allow_none=True)
    newest = fields.Nested(OfferVersionResponse)
    stock_units = fields.Integer(
        attribute="stock.stock_units",
        dump_default=None,
        allow_none=True,
        metadata={"description": "left; null: never published"},
    )
    put_units = fields.Integer(
        attribute="stock.put_units",
        dump_default=None,
        allow_none=True,
        metadata={"description": "ever put in"},
    )


class ListedOffersResponse(Schema):
    offers = fields.List(fields.Nested(ListedOfferResponse))
    next_cursor = IdCursor(allow_none=True)


class ListedOffersQuery(PageQuery):
    pass


class OfferPublicationRequest(Schema):
    version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 2**31 - 1))


class OfferStateRequest(Schema):
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    reason = Line(length_max=500, required=True)


class OfferStateResponse(Schema):
    id = fields.UUID()
    state = fields.String(metadata={"description": "draft, published, paused or ended"})
    version = fields.Integer(metadata={"description": "the published one"})


class StockChangeRequest(Schema):
    units = fields.Integer(
        required=True,
        strict=True,
        validate=[
            validate.Range(-1_000_000_000, 1_000_000_000),
            validate.NoneOf([0], error="Not zero."),
        ],
        metadata={"description": "put in; below zero: withdrawn", "not": {"const": 0}},
    )


class StockChangeResponse(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    units = fields.Integer()
    made_by = fields.String()
    made_at = fields.AwareDateTime(format="iso")


class CodeFileResponse(Schema):
    id = fields.UUID()
    offer_id = fields.UUID()
    codes = fields.Integer(metadata={"description": "how many it has"})
    loaded_by = fields.String()
    loaded_at = fields.AwareDateTime(format="iso")


class PictureResponse(Schema):
    sha256 = fields.String(metadata={"description": "of its bytes; its name from now on"})
    media_type = fields.String()
