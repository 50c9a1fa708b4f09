"""The first page's totals: of real residents, what is published and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import Programme
from activities.participants import enrol
from service.app import create_app
from service.db import Database
from service.demo_shops import DEMO_PROGRAMME
from service.districts.published.totals import published_totals
from service.web.home import home_figures
from tests import makers
from tests.makers import a_ride, a_walk, recorded
from tests.service.districts.issuing import TOWNS, issued, walkers

pytestmark = pytest.mark.once


@pytest.fixture
def services(settings, fresh_database_url):
    """Redis is away, so totals are not old."""
    away = "redis://127.0.0.1:1"
    made = create_app(replace(settings, database_url=fresh_database_url, redis_url=away))
    yield made.extensions["tanhui"]
    made.extensions["tanhui"].database.dispose()


def neighbours_of_another_programme(session: Session) -> None:
    """Somebody takes part who is not of the demo's public data."""
    code = session.scalars(select(Programme.code).where(Programme.code != DEMO_PROGRAMME)).first()
    enrol(session, code, {uuid4(): TOWNS[2]}, now=makers.NOW)


def three_riders(session: Session) -> None:
    holders = [uuid4() for _ in range(3)]
    enrol(session, DEMO_PROGRAMME, dict.fromkeys(holders, TOWNS[1]), now=makers.NOW)
    recorded(session, *(a_ride(holder_id) for holder_id in holders))


def shown(services) -> dict[str, int]:
    totals: dict[str, int] = home_figures(services, now=datetime.now(UTC))["totals"]
    return totals


def test_one_residents_act_does_not_move_the_first_page(services, fresh_database: Database):
    fresh_database.transact(lambda s: walkers(s, {TOWNS[0]: 12}))
    fresh_database.transact(three_riders)
    fresh_database.transact(neighbours_of_another_programme)
    assert not any(shown(services).values())  # Nothing is published yet.

    content = issued(fresh_database)
    before, figures = shown(services), content["total"]["figures"]
    assert figures is not None
    assert figures["activities"] == 12  # The three rides are withheld: nothing else tells them.
    assert before == {
        "verified": 12,
        "saved_mg_co2e": figures["saved_mg_co2e"],
        "earned_points": figures["earned_points"],
        "spent_points": 0,
        "residents": 0,  # They joined after April.
    }
    holder_id = uuid4()
    fresh_database.transact(
        lambda s: enrol(s, DEMO_PROGRAMME, {holder_id: TOWNS[0]}, now=makers.NOW)
    )
    fresh_database.transact(lambda s: recorded(s, a_walk(holder_id)))
    assert shown(services) == before


def test_another_version_takes_the_place_of_the_one_before(fresh_database: Database):
    fresh_database.transact(lambda s: walkers(s, {TOWNS[0]: 12}))
    issued(fresh_database)
    assert fresh_database.transact(published_totals)["verified"] == 12

    fresh_database.transact(lambda s: walkers(s, {TOWNS[0]: 15}, day=1))
    issued(fresh_database, reason="a feed was late")

    assert fresh_database.transact(published_totals)["verified"] == 27
