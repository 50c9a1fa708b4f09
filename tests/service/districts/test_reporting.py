"""A district's month: counted by town, behaviour and zone; nobody visible."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.catalogue.models import DivisionMerge
from activities.changes.adjusting import Change, adjust
from activities.errors import UnknownDivision
from activities.models import Activity
from rewards.redeeming.redemption import redeem
from service.districts.errors import DistrictMerged, MonthNotOver, NotADistrict
from service.districts.reporting import Report, report
from tests.makers import APRIL_12, CODES, a_buyer, a_resident, a_ride, a_walk, an_offer, recorded

APRIL = date(2016, 4, 1)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TOWNS = ["330402007", "330402008", "330402009"]  # 嘉兴市南湖区: nobody else lives here.


@pytest.fixture
def populate(fresh_database) -> Callable[..., None]:
    """``populate(town=walkers, …)``: that many residents, one walk of 5,000 steps each."""

    def work(session: Session, walkers: dict[str, int]) -> None:
        for town, count in walkers.items():
            for _ in range(count):
                recorded(session, a_walk(a_resident(session, town=town), 5_000))

    return lambda **walkers: fresh_database.transact(
        lambda s: work(s, {TOWNS[int(name[-1])]: count for name, count in walkers.items()})
    )


def reported(database, division: str = "330402", month: date = APRIL) -> Report:
    return database.transact(lambda s: report(s, division, month, now=NOW))


def shown(found: Report) -> dict[tuple[str | None, str | None], int | None]:
    return {
        (row.town_code, row.behaviour_code): row.figures and row.figures.residents
        for row in found.rows
    }


def test_the_test_towns_are_real(fresh_database):
    found = reported(fresh_database)

    assert (found.division_name, found.rows, found.spent) == ("南湖区", [], [])


def test_large_cells_are_shown_with_what_they_add_up_to(fresh_database, populate):
    populate(town0=10, town1=12)

    found = reported(fresh_database)

    total = next(r for r in found.rows if r.town_code is None and r.behaviour_code is None)
    assert total.figures.activities == 22
    assert total.figures.residents == 22
    assert total.figures.saved_mg_co2e == 22 * 100_000
    assert total.figures.earned_points == 22 * 100
    assert None not in shown(found).values()


def test_a_small_cell_is_withheld_and_so_is_the_one_that_would_give_it_away(
    fresh_database, populate
):
    populate(town0=10, town1=12, town2=9)

    cells = shown(reported(fresh_database))

    assert cells[TOWNS[2], "walking"] is None
    assert cells[TOWNS[0], "walking"] is None  # Else total − 10 − 12 would tell.
    assert cells[TOWNS[1], "walking"] == 12
    assert cells[None, None] == 31


def test_two_small_cells_whose_sum_is_small_do_not_stand_alone(fresh_database, populate):
    populate(town0=20, town1=3, town2=4)

    cells = shown(reported(fresh_database))

    assert {cells[town, "walking"] for town in TOWNS} == {None}


def test_a_district_of_few_shows_nothing(fresh_database, populate):
    populate(town0=5, town1=4)

    assert set(shown(reported(fresh_database)).values()) == {None}


def test_one_resident_doing_much_is_one_resident(fresh_database):
    def work(session):
        holder_id = a_resident(session, town=TOWNS[0])
        recorded(session, *(a_walk(holder_id, 5_000, day=day) for day in range(15)))

    fresh_database.transact(work)

    assert set(shown(reported(fresh_database)).values()) == {None}


def test_rejected_activities_do_not_count(fresh_database, populate):
    populate(town0=10)

    def refused(session):
        for _ in range(5):
            recorded(session, a_walk(a_resident(session, town=TOWNS[0]), 0))

    fresh_database.transact(refused)

    assert shown(reported(fresh_database))[None, None] == 10


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (datetime(2016, 4, 30, 15, 59, tzinfo=UTC), date(2016, 4, 1)),
        (datetime(2016, 4, 30, 16, 0, tzinfo=UTC), date(2016, 5, 1)),
    ],
)
def test_a_month_ends_at_midnight_of_the_programmes_zone(fresh_database, at, month):
    def work(session):
        for _ in range(10):
            recorded(session, a_ride(a_resident(session, town=TOWNS[0]), at=at))

    fresh_database.transact(work)

    counts = {
        m: shown(reported(fresh_database, month=m)).get((None, None))
        for m in (date(2016, 4, 1), date(2016, 5, 1))
    }
    assert counts == {month: 10, **{m: None for m in counts if m != month}}


def test_points_spent_are_withheld_likewise(fresh_database):
    def work(session):
        offer = an_offer(session, price_points=10, stock_units=100)
        for town, count in zip(TOWNS, (11, 12, 2), strict=True):
            for _ in range(count):
                holder_id = a_resident(session, points=10, town=town)
                redeem(
                    session,
                    uuid4(),
                    buyer=a_buyer(session, holder_id),
                    offer_id=offer.id,
                    codes=CODES,
                    now=NOW,
                )

    fresh_database.transact(work)

    found = fresh_database.transact(
        lambda s: report(s, "330402", date(2026, 11, 1), now=NOW + timedelta(days=12))
    )
    spent = {row.town_code: row.spent_points for row in found.spent}
    assert spent == {TOWNS[0]: None, TOWNS[1]: 120, TOWNS[2]: None, None: 250}


def test_activities_count_as_they_stand_with_what_became_of_them(fresh_database, populate):
    populate(town0=22)

    def correct(session: Session) -> None:
        """One walk is withdrawn, one was half as long, and one is verified after all."""
        walks = session.scalars(select(Activity).order_by(Activity.id).limit(3)).all()
        withdrawn = {"decision": "rejected", "code": "withdrawn"}
        half = {"decision": "verified", "code": "changed", "saved_mg_co2e": 50_000, "points": 50}
        again = {"decision": "verified", "code": "approved", "saved_mg_co2e": 9_000, "points": 9}
        for walk, steps in zip(walks, [[withdrawn], [half], [withdrawn, again]], strict=True):
            for step in steps:
                change = Change(
                    id=uuid4(), activity=walk, kind="changed", quantity=1, actor="test",
                    reason="test", **step,
                )  # fmt: skip
                adjust(session, [change], now=NOW)

    fresh_database.transact(correct)

    (figures,) = {row.figures for row in reported(fresh_database).rows}
    assert (figures.activities, figures.residents) == (21, 21)
    assert figures.saved_mg_co2e == 20 * 100_000 - 50_000 + 9_000
    assert figures.earned_points == 20 * 100 - 50 + 9


def test_a_division_reports_its_own_towns_only(fresh_database, populate):
    populate(town0=10)

    assert shown(reported(fresh_database))[None, None] == 10
    assert reported(fresh_database, "310118").rows == []


def test_an_unknown_division_and_a_month_that_is_not_over(fresh_database):
    with pytest.raises(UnknownDivision):
        reported(fresh_database, "999999")
    for month in (date(2026, 12, 1), date(2026, 11, 1)):
        with pytest.raises(MonthNotOver):
            reported(fresh_database, month=month)
    assert reported(fresh_database, month=date(2026, 10, 1)).rows == []


def test_a_month_is_over_at_midnight_of_the_programmes_zone(fresh_database):
    def october(now: datetime) -> Report:
        day = date(2026, 10, 1)
        return fresh_database.transact(lambda s: report(s, "330402", day, now=now))

    with pytest.raises(MonthNotOver):
        october(datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC))
    assert october(datetime(2026, 10, 31, 16, tzinfo=UTC)).rows == []


@pytest.mark.parametrize("code", ["33", "3304", "330402007"])
def test_only_districts_are_reported(fresh_database, code):
    """Else the table of a city or of a town could give away what the district's withholds."""
    with pytest.raises(NotADistrict):
        reported(fresh_database, code)


def test_behaviours_are_apart_and_together(fresh_database):
    def work(session):
        for number in range(22):
            holder_id = a_resident(session, town=TOWNS[0])
            events = [a_walk(holder_id, 5_000)] if number < 12 else []
            recorded(session, *events, a_ride(holder_id, at=APRIL_12))

    fresh_database.transact(work)

    cells = shown(reported(fresh_database))
    assert cells[TOWNS[0], "walking"] == 12
    assert cells[TOWNS[0], "shared_bike_ride"] == 22
    assert cells[TOWNS[0], None] == 22  # Distinct residents, not the sum.


def test_a_district_that_merged_into_another_is_counted_there_from_that_month_on(
    fresh_database, populate
):
    populate(town0=12)
    merge = DivisionMerge(
        code="330402", into_code="330411", merged_on=date(2016, 4, 20), document="a test"
    )
    fresh_database.transact(lambda s: s.add(merge))

    with pytest.raises(DistrictMerged) as refused:
        reported(fresh_database)
    assert refused.value.into_code == "330411"
    now_there = reported(fresh_database, "330411")
    assert shown(now_there)[TOWNS[0], "walking"] == 12
    assert reported(fresh_database, "330411", date(2016, 3, 1)).rows == []
    assert reported(fresh_database, "330402", date(2016, 3, 1)).rows == []
