"""The dashboard: a division's period in figures, charts and tables, and its plans' targets."""

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from service.language import language
from service.web.asking import get
from service.web.district import READERS, bp, places, words
from service.web.district.framing import framed
from service.web.district.spans import days_label, span_name
from service.web.guards import page_for

BARS_MAX = 12  # Of a chart of behaviours; the table beside it has all.
NAMED_MAX = 50  # Sources that are named; how many there are is said.


@bp.get("/<string:division>")
@page_for(*READERS)
def dashboard(division: str) -> Response:
    """What is published of the division's period; one can go down to its parts and up again."""
    here = places.here(division)
    chosen = here.shown()
    found = get(f"/v1/districts/{division}/dashboard", period=chosen.period)
    return framed(
        "district/dashboard.html",
        here,
        chosen=chosen,
        found=found,
        behaviours=_largest_first(found),
        of=words.measure(),
        named_max=NAMED_MAX,
    )


@bp.get("/<string:division>/trend.json")
@page_for(*READERS)
def trend_chart(division: str) -> Response:
    """One measure by day in a month, by month else."""
    period, found = _found(division)
    rows = found["trend"] if found["reports"] else []
    return _chart(
        title=_("%(measure)s的变化", measure=words.measure_name(words.measure())),
        period=period,
        axis=_("日期"),
        labels=[days_label(row["at"]) for row in rows],
        values=[_value(row) for row in rows],
    )


@bp.get("/<string:division>/behaviours.json")
@page_for(*READERS)
def behaviours_chart(division: str) -> Response:
    """One measure by behaviour, the largest first; at most BARS_MAX that are published."""
    period, found = _found(division)
    measure = words.measure()
    top = [row for row in _largest_first(found) if row["figures"] is not None][:BARS_MAX]
    name = "name_en" if language() == "en" else "name_zh"
    return _chart(
        title=_("各类行为的%(measure)s", measure=words.measure_name(measure)),
        period=period,
        axis=_("行为"),
        labels=[row[name] for row in top],
        values=[_value(row) for row in top],
        across=True,
    )


def _found(division: str) -> tuple[str, Any]:
    period = places.here(division).shown().period
    return period, get(f"/v1/districts/{division}/dashboard", period=period)


def _largest_first(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Behaviours by the measure that is looked at; those withheld come last."""

    def place(row: dict[str, Any]) -> tuple[bool, int]:
        figures = row["figures"]
        return figures is None, -figures[words.measure()] if figures else 0

    return sorted(found["behaviours"], key=place)


def _value(row: dict[str, Any]) -> float | int | None:
    """None where it is withheld."""
    figures, measure = row["figures"], words.measure()
    return words.charted(measure, None if figures is None else figures[measure])


def _chart(
    *,
    title: str,
    period: str,
    axis: str,
    labels: list[str],
    values: list[float | int | None],
    across: bool = False,
) -> Response:
    """As ``static/charts.js`` draws it."""
    return jsonify(
        title=f"{title} · {span_name(period)}",
        unit="kg CO₂e" if words.measure() == "saved_mg_co2e" else "",
        axis=axis,
        labels=labels,
        series=[{"name": words.measure_name(words.measure()), "values": values}],
        across=across,
    )
