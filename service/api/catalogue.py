"""The catalogue: what decides, with its sources, for anybody to read."""

from datetime import date
from typing import Annotated, Any

import msgspec
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.catalogue.models import Behaviour, Factor, Method, Rule, Tariff
from activities.catalogue.published import PAGE_MAX, Sources, page, sources_of
from service.api.conditional import conditional
from service.api.cursors import opened, sealed
from service.api.resources import Blueprint
from service.api.wire import CURSOR_SAYS, Code
from service.auth import public, requires
from service.authorisation import SHARED
from service.identity.tokens import ROLES
from service.services import services

bp = Blueprint("catalogue", __name__, url_prefix="/v1/catalogue", description="目录 · Catalogue")
bp.after_request(conditional)
_READERS = tuple(role for role in ROLES if role != "administrator")  # Who has other work.
_END = {"description": "exclusive; null: no end is set"}
_BY_CODE = tuple[str]
_BY_VERSION = tuple[str, Annotated[int, msgspec.Meta(ge=0, lt=2**31)]]
_BY_DAY = tuple[str, date]


class KeyCursor(fields.String):
    """Where a list by key goes on, signed and opaque: the key of the last row before."""

    default_error_messages = {"cursor": "Not a valid cursor."}  # noqa: RUF012 - marshmallow's way.

    def __init__(self, shape: Any, metadata: Any = (), **kwargs: Any) -> None:
        super().__init__(metadata=CURSOR_SAYS | dict(metadata), **kwargs)
        self._shape = shape

    def _serialize(self, value: Any, *args: Any, **kwargs: Any) -> str | None:
        if value is None:
            return None
        return sealed(msgspec.json.encode(value))

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        written = super()._deserialize(value, *args, **kwargs)
        try:
            return msgspec.json.decode(opened(written), type=self._shape)
        except (ValueError, msgspec.MsgspecError) as error:
            raise self.make_error("cursor") from error


class CatalogueQuery(Schema):
    cursor = KeyCursor(_BY_CODE, metadata={"description": "next_cursor of the page before"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, PAGE_MAX))


class VersionsQuery(CatalogueQuery):
    cursor = KeyCursor(_BY_VERSION, metadata={"description": "next_cursor of the page before"})
    programme = Code(metadata={"description": "only this programme's"})


class TariffsQuery(CatalogueQuery):
    cursor = KeyCursor(_BY_DAY, metadata={"description": "next_cursor of the page before"})
    programme = Code(metadata={"description": "only this programme's"})


class CatalogueBehaviourResponse(Schema):
    code = fields.String()
    name_zh = fields.String()
    name_en = fields.String()
    category = fields.String()
    base_unit = fields.String(metadata={"description": "in which it is counted"})
    claimed_by = fields.String(
        metadata={"description": "what makes two reports one act: start, day, month or object"}
    )


class BehavioursResponse(Schema):
    behaviours = fields.List(fields.Nested(CatalogueBehaviourResponse))
    next_cursor = KeyCursor(_BY_CODE, allow_none=True)


class CatalogueFactorResponse(Schema):
    """µg of CO2e per base unit, as its publisher says it."""

    code = fields.String()
    name_zh = fields.String()
    name_en = fields.String()
    ug_co2e_per_unit = fields.Integer(metadata={"description": "µg of CO2e per base unit"})
    base_unit = fields.String()
    published_value = fields.String()
    published_unit = fields.String()
    publisher = fields.String()
    document = fields.String()
    year = fields.String()
    source_address = fields.String()
    confidence = fields.String(metadata={"description": "seen: the source was read; recalled"})
    boundary = fields.String(metadata={"description": "what is counted"})
    valid_from = fields.Date()
    valid_to = fields.Date(allow_none=True, metadata=_END)


class FactorsResponse(Schema):
    factors = fields.List(fields.Nested(CatalogueFactorResponse))
    next_cursor = KeyCursor(_BY_CODE, allow_none=True)


class CatalogueMaterialResponse(Schema):
    material = fields.String()
    factor = fields.Nested(CatalogueFactorResponse)
    share_permille = fields.Integer(metadata={"description": "of the factor, in thousandths"})
    document = fields.String()


class CatalogueMethodResponse(Schema):
    """A unit saves factor × share_permille / 1000 less actual_factor."""

    code = fields.String()
    version = fields.Integer()
    programme = fields.String(attribute="programme_code")
    behaviour = fields.String(attribute="behaviour_code")
    form = fields.String(
        metadata={"description": "per_unit, displaced, mass (by material) or own_baseline"}
    )
    factor = fields.Nested(CatalogueFactorResponse, allow_none=True)
    actual_factor = fields.Nested(CatalogueFactorResponse, allow_none=True)
    share_permille = fields.Integer(metadata={"description": "of the factor, in thousandths"})
    materials = fields.List(fields.Nested(CatalogueMaterialResponse))
    valid_from = fields.Date()
    valid_to = fields.Date(allow_none=True, metadata=_END)
    document = fields.String()
    approved_at = fields.AwareDateTime(format="iso")


class MethodsResponse(Schema):
    methods = fields.List(fields.Nested(CatalogueMethodResponse))
    next_cursor = KeyCursor(_BY_VERSION, allow_none=True)


class CatalogueTariffResponse(Schema):
    programme = fields.String(attribute="programme_code")
    mg_co2e_per_point = fields.Integer(metadata={"description": "mg of CO2e for a point"})
    valid_from = fields.Date()
    valid_to = fields.Date(allow_none=True, metadata=_END)
    document = fields.String()
    approved_at = fields.AwareDateTime(format="iso")


class TariffsResponse(Schema):
    tariffs = fields.List(fields.Nested(CatalogueTariffResponse))
    next_cursor = KeyCursor(_BY_DAY, allow_none=True)


class CatalogueRuleResponse(Schema):
    code = fields.String()
    version = fields.Integer()
    programme = fields.String(attribute="programme_code")
    behaviour = fields.String(
        attribute="behaviour_code",
        allow_none=True,
        metadata={"description": "null: all behaviours of the programme"},
    )
    parameters = fields.Dict(metadata={"description": "kind, and what that kind takes"})
    valid_from = fields.Date()
    valid_to = fields.Date(allow_none=True, metadata=_END)
    document = fields.String()
    approved_at = fields.AwareDateTime(format="iso")


class RulesResponse(Schema):
    rules = fields.List(fields.Nested(CatalogueRuleResponse))
    next_cursor = KeyCursor(_BY_VERSION, allow_none=True)


@bp.route("/behaviours")
class Behaviours(MethodView):
    @public
    @bp.arguments(CatalogueQuery, location="query")
    @bp.response(200, BehavioursResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What residents can do, by code."""
        return _page(Behaviour, "behaviours", query)


@bp.route("/factors")
class Factors(MethodView):
    @public
    @bp.arguments(CatalogueQuery, location="query")
    @bp.response(200, FactorsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Factors with their sources, by code; drafts are not among them."""
        return _page(Factor, "factors", query)


@bp.route("/methods")
class Methods(MethodView):
    @public
    @bp.arguments(VersionsQuery, location="query")
    @bp.response(200, MethodsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """How behaviours are quantified, every approved version with its factors' sources."""

        def told(session: Session) -> dict[str, Any]:
            found = page(session, Method, **_place(query))
            sources = sources_of(session, found.rows)
            methods = [_method(*each) for each in zip(found.rows, sources, strict=True)]
            return {"methods": methods, "next_cursor": found.next_after}

        return services().database.transact(told)


@bp.route("/tariffs")
class Tariffs(MethodView):
    @public
    @bp.arguments(TariffsQuery, location="query")
    @bp.response(200, TariffsResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """What a point costs in CO2e, by programme and first day."""
        return _page(Tariff, "tariffs", query)


@bp.route("/rules")
class Rules(MethodView):
    @requires(*_READERS, within=SHARED, acting="read")
    @bp.arguments(VersionsQuery, location="query")
    @bp.response(200, RulesResponse)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """By which rules acts are verified, every approved version."""
        return _page(Rule, "rules", query)


def _page(model: Any, name: str, query: dict[str, Any]) -> dict[str, Any]:
    found = services().database.transact(lambda session: page(session, model, **_place(query)))
    return {name: found.rows, "next_cursor": found.next_after}


def _place(query: dict[str, Any]) -> dict[str, Any]:
    return {
        "after": query.get("cursor"),
        "limit": query["limit"],
        "programme_code": query.get("programme"),
    }


def _method(method: Method, sources: Sources) -> dict[str, Any]:
    names = ("code", "version", "programme_code", "behaviour_code", "form", "share_permille")
    dated = ("valid_from", "valid_to", "document", "approved_at")
    return {name: getattr(method, name) for name in names + dated} | {
        "factor": sources.factor,
        "actual_factor": sources.actual_factor,
        "materials": sources.materials,
    }
