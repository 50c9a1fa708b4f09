"""Indicators of a division: plan targets held against what was reported, and what is observed.

Two kinds that are never mixed: *reported* values of the whole division, which targets are held
against (``service.districts.plans.progress``), and *platform-observed* ones, per registered
resident (``service.districts.plans.observed``).
"""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.districts.models import PlanTarget, ReportedValue
from service.districts.plans.observed import observed
from service.districts.plans.progress import Reported, Wanted, progress
from service.districts.plans.reported import ZONE, standing
from service.districts.reports.contents import Content
from service.districts.spans import span_of


def section(
    session: Session,
    division_code: str,
    period: str,
    as_of: datetime,
    content: Content | None = None,
) -> dict[str, object]:
    """What a report or a dashboard of a period says of indicators, as plain JSON.

    Args:
        period: values of periods that begin after it are not told, and targets are judged as of its
            last day.
        as_of: values that were entered later are not told.
        content: the report; with it the answer has ``observed`` too, a pure function of it.

    ``targets`` come from the plans as loaded now: what a report said of them stays in its content.
    """
    beyond = span_of(period)[1]
    told: dict[str, object] = {
        "targets": targets(session, division_code, beyond=beyond, as_of=as_of)
    }
    return told if content is None else told | {"observed": observed(content)}


def targets(
    session: Session, division_code: str, *, beyond: date | None = None, as_of: datetime
) -> list[dict[str, Any]]:
    """Each target of a division's plans with its progress, in the order of plan, name and year.

    ``beyond``: as it was on the day before; None for the day of ``as_of`` in Beijing.
    """
    rows = session.scalars(
        select(PlanTarget)
        .where(PlanTarget.division_code == division_code)
        .order_by(PlanTarget.plan, PlanTarget.indicator, PlanTarget.year)
    ).all()
    on = beyond or as_of.astimezone(ZONE).date()
    values: defaultdict[str, dict[str, ReportedValue]] = defaultdict(dict)
    for each in standing(session, [division_code], as_of=as_of):
        if beyond is None or span_of(each.period)[0] < beyond:
            values[each.indicator][each.period] = each
    return [_told(row, values.get(row.indicator, {}), on) for row in rows]


def _told(row: PlanTarget, values: dict[str, ReportedValue], on: date) -> dict[str, Any]:
    wanted = Wanted(row.year, row.target_thousandths, row.comparison, row.unit)
    reported = [Reported(one.period, one.value_thousandths) for one in values.values()]
    found = progress(wanted, reported, on=on)
    latest = found.latest and values[found.latest.period]
    return {
        "plan": row.plan,
        "clause": row.clause,
        "issued_on": row.issued_on and row.issued_on.isoformat(),
        "indicator": row.indicator,
        "name_zh": row.name_zh,
        "name_en": row.name_en,
        "year": row.year,
        "comparison": row.comparison,
        "target_thousandths": row.target_thousandths,
        "unit": row.unit,
        "state": found.state,
        "gap_thousandths": found.gap_thousandths,
        "latest": latest
        and {
            "period": latest.period,
            "value_thousandths": latest.value_thousandths,
            "source": latest.source,
            "source_date": latest.source_date.isoformat(),
        },
        "trend": [
            {"period": one.period, "value_thousandths": one.value_thousandths}
            for one in found.trend
        ],
        "sentence_zh": found.sentence.zh,
        "sentence_en": found.sentence.en,
    }
