"""Issuing reports in tests: with a key of the test's own, and figures as a table of lines."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.catalogue.models import Division, DivisionMerge
from activities.models import Activity
from activities.participants import enrol
from ledgers.log.notes import SignerKey
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from service.districts.models import DistrictReport
from service.districts.reports.contents import Content, decoded
from service.districts.reports.issuing import issue
from tests import makers
from tests.makers import a_walk, recorded
from tests.service.districts.worlds import summed

KEY = SignerKey("test.example/log", b"s" * 32)
NANHU = "330402"
TOWNS = ("330402007", "330402008", "330402009")  # 嘉兴市南湖区: nobody else lives here.
APRIL = "2016-04"
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)

Line = tuple[str | None, str | None, str | None]  # Town, day or month, behaviour.


def issued(
    database: Database,
    period: str = APRIL,
    *,
    division: str = NANHU,
    now: datetime = NOW,
    **more: Any,
) -> Content:
    """The content of the version that is issued; what was recorded is summed before."""
    summed(database)
    return database.transact(lambda s: decoded(issue_in(s, period, division, now, **more).content))


def issue_in(
    session: Session, period: str, division: str, now: datetime, **more: Any
) -> DistrictReport:
    return issue(session, KEY, division, period, **({"by": "test", "now": now} | more))


def walkers(session: Session, counts: Mapping[str, int], *, day: int = 0) -> None:
    """So many residents of each town with a walk of 5,000 steps each, of one day."""
    homes = {uuid4(): town for town, count in counts.items() for _ in range(count)}
    enrol(session, DEMO_PROGRAMME, homes, now=makers.NOW)
    recorded(session, *(a_walk(holder_id, 5_000, day=day) for holder_id in homes))


def a_district(session: Session) -> str:
    """A district whose April is not issued, with twelve who walked in it."""
    issued_of = select(DistrictReport.division_code).where(DistrictReport.period == APRIL)
    district = func.left(Division.code, 6)
    town = session.scalars(
        select(Division.code)
        .where(Division.level == "town", district.not_in(issued_of))
        .where(district.not_in(select(DivisionMerge.code)))
        .order_by(func.random())
        .limit(1)
    ).one()
    walkers(session, {town: 12})
    return town[:6]


def figures(content: Content, measure: str = "activities") -> dict[Line, int | None]:
    """Every published figure of a measure, by line; None where withheld."""
    tables = ("by_town", "by_time", "by_behaviour", "town_totals", "time_totals")
    rows = [row for table in tables for row in content[table]]  # type: ignore[literal-required]
    return {
        (row["town_code"], row["at"], row["behaviour_code"]): row["figures"]
        and row["figures"][measure]
        for row in (*rows, content["total"])
    }


def holders_of(session: Session, town: str) -> list[Activity]:
    """The town's activities, oldest first."""
    query = session.query(Activity).filter_by(division_code=town, decision="verified")
    return list(query.order_by(Activity.id))
