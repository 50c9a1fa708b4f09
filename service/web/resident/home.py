"""Home: what one has, what lapses when, and what came of today."""

from datetime import date

from flask import Response

from service.web.asking import get
from service.web.rendering import render
from service.web.resident import bp
from service.web.resident.acting import my_page
from service.web.resident.catalogue import kinds, own_accounts, today
from service.web.resident.offline import kept

LATEST = 20
LOTS_SHOWN = 3
SOON_DAYS = 60


@bp.get("")
@my_page
def home() -> Response:
    """Points, CO2e, what lapses next, today's activities each with its why."""
    accounts, this_day = own_accounts(), today()
    points = accounts.get("point")
    lots = get(f"/v1/accounts/{points['id']}/lots")["lots"] if points else []
    days = get("/v1/activities/days", month=f"{this_day:%Y-%m}")["days"]
    activities = get("/v1/activities", limit=LATEST)["activities"]
    todays = [each for each in activities if each["day"] == this_day.isoformat()]
    month = {
        name: sum(day[name] for day in days) for name in ("saved_mg_co2e", "points", "activities")
    }
    shown = render(
        "resident/home.html",
        points=points,
        saved=accounts.get("mg_co2e"),
        lots=lots[:LOTS_SHOWN],
        more_lots=len(lots) > LOTS_SHOWN,
        month=month,
        todays=todays,
        latest=[] if todays else activities[:LOTS_SHOWN],
        full=len(todays) == LATEST,
        kinds=kinds() if activities else {},
        this_day=this_day,
        soon=[lot for lot in lots if _days_left(lot["expires_on"]) <= SOON_DAYS],
    )
    return kept(shown)


@bp.get("/points")
@my_page
def points() -> Response:
    """Until when the points can be used, and what of them is held."""
    account = own_accounts().get("point")
    lots = get(f"/v1/accounts/{account['id']}/lots")["lots"] if account else []
    return render("resident/points.html", lots=lots, holds=get("/v1/accounts/holds")["holds"])


def _days_left(expires_on: str) -> int:
    return (date.fromisoformat(expires_on) - today()).days
