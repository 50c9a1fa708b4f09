"""A month, day by day: what was saved and earned, as charts with their tables."""

from calendar import monthrange

from flask import Response, jsonify, request
from flask_babel import gettext as _

from service.web.asking import get
from service.web.rendering import render
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import month_of, months_beside


@bp.get("/months")
@my_page
def months() -> Response:
    """A month's sums, and where its charts come from."""
    first = month_of(request.args.get("month"))
    days = get("/v1/activities/days", month=f"{first:%Y-%m}")["days"]
    sums = {
        name: sum(day[name] for day in days) for name in ("saved_mg_co2e", "points", "activities")
    }
    return render("resident/months.html", month=f"{first:%Y-%m}", sums=sums, **months_beside(first))


@bp.get("/months.json")
@my_page
def month_chart() -> Response:
    """One chart: of the CO2e in whole grams, or of points (``of=points``)."""
    first = month_of(request.args.get("month"))
    found = get("/v1/activities/days", month=f"{first:%Y-%m}")["days"]
    by_day = {day["day"]: day for day in found}
    dates = [
        first.replace(day=number + 1) for number in range(monthrange(first.year, first.month)[1])
    ]
    if request.args.get("of") == "points":
        title, unit, name, per = _("每天得到的积分"), _("分"), "points", 1
    else:
        title, unit, name, per = _("每天减少的排放"), "g CO₂e", "saved_mg_co2e", 1000
    values = [by_day.get(day.isoformat(), {name: 0})[name] // per for day in dates]
    labels = [f"{day:%m-%d}" for day in dates] if found else []
    series = [{"name": f"{title} ({unit})", "values": values}]
    return jsonify(title=title, unit=unit, axis=_("日期"), labels=labels, series=series)
