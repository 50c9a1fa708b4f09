"""Dashboards and comparisons of divisions, from what was issued."""

from datetime import UTC, datetime
from typing import Any, cast

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from service.api.conditional import conditional
from service.api.report_files import READERS
from service.api.reported_values import PlanTargetResponse
from service.api.resources import Blueprint
from service.auth import requires
from service.authorisation import DIVISION
from service.districts.plans import indicators
from service.districts.plans.observed import observed
from service.districts.published.comparing import comparison
from service.districts.published.dashboards import Dashboard, Summed, dashboard
from service.districts.reports.contents import Content
from service.districts.reports.periods import period_of
from service.districts.rollups.reading import ZONE
from service.districts.spans import PATTERN
from service.services import services

bp = Blueprint(
    "district_dashboards",
    __name__,
    url_prefix="/v1/districts/<string:division_code>",
    description="区县看板 · Dashboards of divisions",
)
bp.after_request(conditional)

_PERIOD = {"pattern": PATTERN, "example": "2026-Q3"}
_WITHHELD = {"description": "null where withheld"}
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class PeriodQuery(Schema):
    period = fields.String(
        required=True,
        validate=validate.Regexp(PATTERN.removesuffix("$") + r"\Z", error="Not a period."),
        metadata=_PERIOD,
    )


class ComparisonQuery(PeriodQuery):
    rank = fields.Boolean(
        load_default=False,
        metadata={"description": "in the order of kg CO2e per 1,000 residents, most first"},
    )


class PublishedFiguresResponse(Schema):
    activities = fields.Integer(metadata={"description": "number of verified activities"})
    saved_mg_co2e = fields.Integer()
    earned_points = fields.Integer()
    residents = fields.Integer(
        allow_none=True,
        metadata={
            "description": "residents behind them, in tens, rounded down, null below ten; of"
            " several months their mean"
        },
    )


class SummedResponse(Schema):
    figures = fields.Nested(PublishedFiguresResponse, allow_none=True, metadata=_WITHHELD)
    left_out = fields.Integer(metadata={"description": "how many withheld figures the sum lacks"})


class ChildDivisionResponse(SummedResponse):
    division_code = fields.String(metadata={"example": "310118001"})
    name = fields.String()
    registered_residents = fields.Integer(
        allow_none=True, metadata={"description": "in tens, rounded down; null below ten"}
    )


class BehaviourSumResponse(SummedResponse):
    behaviour_code = fields.String(metadata={"example": "metro_ride"})
    name_zh = fields.String()
    name_en = fields.String()


class TrendResponse(SummedResponse):
    at = fields.String(metadata={"description": "a day, or a month", "example": "2026-10-01"})


class SpentSumResponse(Schema):
    spent_points = fields.Integer(allow_none=True, metadata=_WITHHELD)
    expired_points = fields.Integer(allow_none=True, metadata=_WITHHELD)
    vouchers = fields.Integer(allow_none=True, metadata=_WITHHELD)
    left_out = fields.Integer(metadata={"description": "how many withheld figures they lack"})


class SourceResponse(Schema):
    division_code = fields.String()
    period = fields.String(metadata={"example": "2026-10"})
    version = fields.Integer()
    sha256 = fields.Function(
        lambda each: each.sha256.hex(),
        metadata={"type": "string", "description": "hex", "example": _SHA256},
    )
    as_of = fields.Function(
        lambda each: each.content["as_of"], metadata={"type": "string", "format": "date-time"}
    )


class MissingResponse(Schema):
    division_code = fields.String()
    period = fields.String(metadata={"example": "2026-10"})


class ObservedIndicatorResponse(Schema):
    code = fields.String(metadata={"example": "observed_green_trips"})
    name_zh = fields.String()
    name_en = fields.String()
    unit_zh = fields.String(metadata={"example": "次/人"})
    unit_en = fields.String(metadata={"example": "trips a person"})
    value_thousandths = fields.Integer(
        allow_none=True, metadata={"description": "per registered resident, in thousandths"}
    )
    registered_residents = fields.Integer(allow_none=True, metadata={"description": "in tens"})
    left_out = fields.Integer(metadata={"description": "how many withheld figures it lacks"})
    sentence_zh = fields.String(
        metadata={"example": "步行……的已核证次数，除以期末注册居民 910 人……"}
    )
    sentence_en = fields.String(metadata={"example": "3.2 trips a person: verified walks …"})


class DashboardIndicatorsResponse(Schema):
    targets = fields.List(fields.Nested(PlanTargetResponse))
    observed = fields.List(fields.Nested(ObservedIndicatorResponse))


class DashboardResponse(Schema):
    division_code = fields.String()
    division_name = fields.String()
    level = fields.String(
        metadata={"description": "province, city, district or town", "example": "district"}
    )
    period = fields.String(metadata=_PERIOD)
    as_of = fields.String(
        allow_none=True,
        metadata={"format": "date-time", "description": "of the oldest report; null: none"},
    )
    reports = fields.List(
        fields.Nested(SourceResponse), metadata={"description": "the issued months it adds up"}
    )
    missing = fields.List(
        fields.Nested(MissingResponse), metadata={"description": "months over and not issued"}
    )
    total = fields.Nested(SummedResponse)
    points = fields.Nested(SpentSumResponse)
    registered_residents = fields.Integer(
        allow_none=True, metadata={"description": "in tens, rounded down; null below ten"}
    )
    divisions = fields.List(
        fields.Nested(ChildDivisionResponse), metadata={"description": "one level below"}
    )
    behaviours = fields.List(fields.Nested(BehaviourSumResponse))
    trend = fields.List(
        fields.Nested(TrendResponse), metadata={"description": "by day in a month, by month else"}
    )
    indicators = fields.Nested(DashboardIndicatorsResponse)


class PerResidentResponse(Schema):
    activities_thousandths = fields.Integer(
        allow_none=True, metadata={"description": "in thousandths, rounded down"}
    )
    saved_mg_co2e = fields.Integer(allow_none=True)
    why_not = fields.String(
        allow_none=True,
        metadata={
            "description": "not_issued, withheld, no_population or nobody_registered",
            "example": "no_population",
        },
    )


class ComparedResponse(SummedResponse):
    division_code = fields.String(metadata={"example": "310118001"})
    name = fields.String()
    registered_residents = fields.Integer(
        attribute="registered", allow_none=True, metadata={"description": "in tens, rounded down"}
    )
    resident_population = fields.Integer(
        attribute="population", allow_none=True, metadata={"description": "as last reported"}
    )
    population_period = fields.String(allow_none=True, metadata={"example": "2025"})
    per_1000_residents = fields.Nested(PerResidentResponse)
    per_registered_resident = fields.Nested(PerResidentResponse)
    rank = fields.Integer(allow_none=True, metadata={"description": "null unless asked for"})


class ComparisonResponse(Schema):
    division_code = fields.String()
    division_name = fields.String()
    period = fields.String(metadata=_PERIOD)
    reports = fields.List(fields.Nested(SourceResponse))
    missing = fields.List(fields.Nested(MissingResponse))
    divisions = fields.List(fields.Nested(ComparedResponse))


@bp.route("/dashboard")
class DashboardView(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(PeriodQuery, location="query")
    @bp.response(200, DashboardResponse)
    def get(self, query: dict[str, Any], division_code: str) -> dict[str, Any]:
        """A province, city, district or town in a period, as far as its months are issued."""
        now, period = datetime.now(UTC), period_of(query["period"])

        def work(session: Session) -> dict[str, Any]:
            found = dashboard(session, division_code, period, today=now.astimezone(ZONE).date())
            targets = indicators.targets(session, division_code, beyond=period.beyond, as_of=now)
            return _told(found) | {"indicators": {"targets": targets, "observed": _seen(found)}}

        return services().database.transact(work)


@bp.route("/comparison")
class ComparisonView(MethodView):
    @requires(*READERS, within=DIVISION)
    @bp.arguments(ComparisonQuery, location="query")
    @bp.response(200, ComparisonResponse)
    def get(self, query: dict[str, Any], division_code: str) -> dict[str, Any]:
        """A division's parts side by side, per 1,000 residents and per registered resident.

        In the order of their codes; ranked only where that is asked for.
        """
        now, period = datetime.now(UTC), period_of(query["period"])
        today, ranked = now.astimezone(ZONE).date(), query["rank"]

        def work(session: Session) -> dict[str, Any]:
            found = comparison(session, division_code, period, ranked=ranked, today=today, now=now)
            return _head(found.dashboard) | {"divisions": found.divisions}

        return services().database.transact(work)


def _head(found: Dashboard) -> dict[str, Any]:
    return {
        "division_code": found.division.code,
        "division_name": found.division.name_zh,
        "period": found.period.name,
        "reports": found.months,
        "missing": [{"division_code": code, "period": month} for code, month in found.missing],
    }


def _told(found: Dashboard) -> dict[str, Any]:
    return _head(found) | {
        "level": found.division.level,
        "as_of": min((each.content["as_of"] for each in found.months), default=None),
        "total": found.total,
        "points": found.points,
        "registered_residents": found.registered,
        "divisions": [
            {
                "division_code": code,
                "name": found.child_names[code],
                "registered_residents": found.children_registered[code],
            }
            | summed
            for code, summed in found.children.items()
        ],
        "behaviours": [
            {"behaviour_code": code, **_names(found, code), **summed}
            for code, summed in found.behaviours.items()
        ],
        "trend": [{"at": at, **summed} for at, summed in found.trend.items()],
    }


def _names(found: Dashboard, code: str) -> dict[str, str]:
    named = found.names[code]
    return {"name_zh": named["name_zh"], "name_en": named["name_en"]}


def _seen(found: Dashboard) -> list[dict[str, object]]:
    """The observed indicators, of what the dashboard adds up."""
    if not found.months:
        return []

    def row(code: str | None, summed: Summed) -> dict[str, object]:
        return {"town_code": None, "at": None, "behaviour_code": code, **summed}

    shown = {
        "by_behaviour": [row(code, summed) for code, summed in found.behaviours.items()],
        "total": row(None, found.total),
        "registered": [{"town_code": None, "residents": found.registered}],
    }
    return observed(cast(Content, shown))
