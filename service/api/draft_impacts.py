"""What a draft would have changed in a past period, looked at before it is approved."""

from datetime import date, timedelta
from time import monotonic
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from activities.catalogue.differences import waiting
from activities.errors import UnknownDraft
from activities.impact import Effect, Impact, impact
from activities.replaying import Window
from service.api.resources import Blueprint
from service.api.wire import FIRST, LAST
from service.auth import caller, requires
from service.authorisation import LISTED, only_programme
from service.errors import PreviewTooLong
from service.services import services

bp = Blueprint(
    "draft_impacts",
    __name__,
    url_prefix="/v1/catalogue/drafts",
    description="草案影响 · What a draft would have changed",
)
DAYS_MAX = 31
TIMEOUT_S = 20
_DAY = validate.Range(FIRST.date(), LAST.date())


class ImpactQuery(Schema):
    first = fields.Date(
        data_key="from", required=True, validate=_DAY, metadata={"description": "first day"}
    )
    last = fields.Date(
        data_key="to", required=True, validate=_DAY, metadata={"description": "last day"}
    )

    @validates_schema
    def _short(self, query: dict[str, Any], **_: Any) -> None:
        first, last = query.get("first"), query.get("last")
        if first is None or last is None:
            return
        if not first <= last < first + timedelta(days=DAYS_MAX):
            raise ValidationError("Not before from, and within 31 days of it.", "to")


class EffectFiguresResponse(Schema):
    grants = fields.Integer(metadata={"description": "acts that are granted"})
    saved_mg_co2e = fields.Integer()
    points = fields.Integer()
    trimmed_points = fields.Integer(metadata={"description": "withheld by caps"})


class EffectResponse(Schema):
    before = fields.Nested(EffectFiguresResponse)
    after = fields.Nested(EffectFiguresResponse)
    newly_verified = fields.Integer(metadata={"description": "acts"})
    newly_refused = fields.Integer(metadata={"description": "acts"})
    regranted = fields.Integer(metadata={"description": "acts with other figures"})


class OneEffectResponse(EffectResponse):
    code = fields.String(metadata={"description": "of the behaviour, or of the district"})


class ImpactResponse(Schema):
    draft = fields.String()
    along = fields.List(
        fields.String(),
        metadata={
            "description": "draft factors taken as approved with it",
            "example": ["factor:METRO.SH"],
        },
    )
    not_replayed = fields.List(
        fields.String(),
        metadata={
            "description": "rules that rest on more than one act: no effect is shown",
            "example": ["rule:walk.90@2"],
        },
    )
    acts = fields.Integer(metadata={"description": "acts of the period that were replayed"})
    total = fields.Nested(EffectResponse)
    by_behaviour = fields.List(fields.Nested(OneEffectResponse))
    by_division = fields.List(fields.Nested(OneEffectResponse))


@bp.route("/<string:name>/impact")
class DraftImpact(MethodView):
    @requires("operator", "auditor", within=LISTED)
    @bp.arguments(ImpactQuery, location="query")
    @bp.response(200, ImpactResponse)
    def get(self, query: dict[str, date], name: str) -> dict[str, Any]:
        """What a draft would have changed in a period of up to 31 days; nothing is written.

        The period's acts are replayed twice, by what is approved and with the draft.
        """
        ends, own = monotonic() + TIMEOUT_S, only_programme(caller())

        def hurry(_done: int, _of: int) -> None:
            if monotonic() > ends:
                raise PreviewTooLong(timeout_s=TIMEOUT_S)

        with services().database.snapshot() as session:
            if own is not None and all(
                name != each.name for each in waiting(session, programme_code=own)
            ):
                raise UnknownDraft([name])
            found = impact(session, [name], Window(**query), programme_code=own, progress=hurry)
        return _told(name, found)


def _told(name: str, found: Impact) -> dict[str, Any]:
    return {
        "draft": name,
        "along": found.along,
        "not_replayed": found.not_replayed,
        "acts": found.acts,
        "total": _effect(found.total),
        "by_behaviour": _groups(found.by_behaviour),
        "by_division": _groups(found.by_division),
    }


def _groups(groups: dict[str, Effect]) -> list[dict[str, Any]]:
    """Those in which something changes."""
    return [
        {"code": code} | _effect(effect)
        for code, effect in sorted(groups.items())
        if not effect.nothing
    ]


def _effect(effect: Effect) -> dict[str, Any]:
    names = ("before", "after", "newly_verified", "newly_refused", "regranted")
    return {name: getattr(effect, name) for name in names}
