"""What the first page shows: the programmes' totals, and one demo resident's activities.

The resident is shown only where the demo's own public data set is: nobody else's page is public.
Totals are the books' own only where nobody takes part but in that demo; else they are what is
published of districts, for totals that move with each act would tell who did it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.explanations import why
from activities.history import page
from activities.models import Activity
from ledgers.accounts import PERSONAL, of_holder
from service.demo import demo_resident
from service.demo_shops import DEMO_PROGRAMME
from service.districts.published.month import ZONE
from service.districts.published.open_data import edition
from service.districts.published.totals import published_totals
from service.identity.keyring import Keyring
from service.language import Text, chosen, language
from service.services import Services

TOTALS_SECONDS = 10
PUBLISHED_SECONDS = 24 * 60 * 60  # Until another report is issued.
SHOWN = 40
_BASE_UNITS = {
    "step": Text("步", "steps"),
    "count": Text("次", ""),
    "m": Text("米", "m"),
    "g": Text("克", "g"),
    "Wh": Text("瓦时", "Wh"),
    "s": Text("秒", "s"),
    "ml": Text("毫升", "ml"),
}

_TOTALS = text("""
    SELECT (SELECT count(*) FROM activity WHERE decision = 'verified') AS verified,
           (SELECT count(*) FROM activity WHERE decision = 'rejected') AS rejected,
           (SELECT count(*) FROM participant) AS residents,
           (SELECT coalesce(sum(amount), 0) FROM transfer
             WHERE unit = 'mg_co2e' AND kind = 'earn')::bigint AS saved_mg_co2e,
           (SELECT coalesce(sum(amount), 0) FROM transfer
             WHERE unit = 'point' AND kind = 'earn')::bigint AS earned_points,
           (SELECT coalesce(sum(amount), 0) FROM transfer
             WHERE unit = 'point' AND kind = 'spend')::bigint AS spent_points
""")
# A column and LIMIT 1: Citus fetches first what refers to nothing outside.
_OTHERS = text("SELECT EXISTS (SELECT 1 FROM participant WHERE programme_code <> :demo LIMIT 1)")


def home_figures(services: Services, *, now: datetime) -> dict[str, Any]:
    """Template values; the totals are at most TOTALS_SECONDS old."""
    totals = services.cache.remembered("home-totals", TOTALS_SECONDS, lambda: _totals(services))
    resident = services.database.transact(lambda s: _resident(s, services.keyring))
    return {
        "totals": totals,
        "resident": resident,
        "programme": DEMO_PROGRAMME,
        "as_of": now.astimezone(ZONE),
    }


def short_kilograms(mg: int) -> str:
    """Milligrams as kilograms for a headline, rounded down: no page claims more than was saved.

    Two decimals below 1,000 kg, none from there on.
    """
    if mg >= 1_000_000_000:
        return f"{mg // 1_000_000:,}"
    return f"{mg // 1_000_000}.{mg // 10_000 % 100:02}"


def read_totals(session: Session) -> dict[str, int]:
    """Sums over everything recorded, straight from activities and transfers."""
    return {name: int(value) for name, value in session.execute(_TOTALS).mappings().one().items()}


def _totals(services: Services) -> dict[str, int]:
    """With "rejected" where they are of the demo's public data alone: no report counts it."""
    transact = services.database.transact
    if not transact(lambda session: session.scalar(_OTHERS, {"demo": DEMO_PROGRAMME})):
        return transact(read_totals)
    tag = transact(edition).tag
    return services.cache.remembered(
        f"published-totals-{tag}", PUBLISHED_SECONDS, lambda: transact(published_totals)
    )


def _resident(session: Session, keyring: Keyring) -> dict[str, Any] | None:
    holder_id = demo_resident(session, keyring)
    if holder_id is None:
        return None
    balances = {
        account.unit: account.balance
        for account in of_holder(session, holder_id)
        if account.kind == PERSONAL
    }
    activities = _described(session, page(session, holder_id, limit=SHOWN).activities)
    return {
        "town": _town(session, holder_id),
        "balances": balances,
        "activities": activities,
        "bars": _bars(activities),
    }


def _town(session: Session, holder_id: UUID) -> str:
    query = text("""
        SELECT district.name_zh || town.name_zh FROM participant
        JOIN division AS town ON town.code = participant.division_code
        JOIN division AS district ON district.code = town.parent_code
        WHERE participant.holder_id = :holder_id
    """)
    return str(session.scalar(query, {"holder_id": holder_id}))


def _described(session: Session, shown: Sequence[Activity]) -> list[dict[str, Any]]:
    """Rows of the page, the latest day first."""
    name = "name_en" if language() == "en" else "name_zh"
    rows = session.execute(text(f"SELECT code, {name}, base_unit FROM behaviour"))
    known = {
        code: {"behaviour": title, "unit": chosen(_BASE_UNITS[unit])} for code, title, unit in rows
    }
    return [
        {
            "day": activity.day,
            **known.get(activity.behaviour_code, {"behaviour": activity.scene_code, "unit": ""}),
            "quantity": activity.quantity,
            "saved_mg_co2e": activity.saved_mg_co2e,
            "points": activity.points,
            "trimmed_points": activity.trimmed_points,
            "decision": activity.decision,
            "why": why(activity)[language()],
        }
        for activity in sorted(shown, key=lambda activity: activity.started_at, reverse=True)
    ]


def _bars(activities: Sequence[dict[str, Any]]) -> list[dict[str, int]]:
    """The chart, 100 high: points given, a gap of 2, points withheld; the earliest first."""
    largest = max((row["points"] + row["trimmed_points"] for row in activities), default=0)
    return [
        {name: row[name] * 98 // largest for name in ("points", "trimmed_points")}
        for row in reversed(activities)
        if largest
    ]
