"""The baseline of home electricity: each case by table, and what is read and kept."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from activities.baselines import (
    CityMean,
    History,
    Home,
    Outcome,
    ReadingRow,
    forget_readings,
    keep_readings,
    read_history,
    saved_quantity,
    whole_month,
)
from activities.catalogue.models import CityBaseline
from activities.households import Declared, declare
from activities.models import Reading
from service.demo_shops import DEMO_PROGRAMME
from tests.makers import NOW, a_resident

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOLDER = "0" * 32
WH = "home_electricity"
NOVEMBER = date(2026, 11, 1)
LONG_AGO = date(2010, 1, 1)
FAMILY = Home(LONG_AGO, persons=3, moved_in_on=LONG_AGO, solar=False, tier=1)
CITY = {("city", WH, month): [CityMean(date(2020, 1, 1), 70_000, "yearbook")] for month in (2, 11)}
BOTH = {date(2025, 11, 1): 300_000, date(2024, 11, 1): 250_001}


def outcome(
    *homes: Home, readings=None, reading: int = 200_000, month: date = NOVEMBER, city=None
) -> Outcome:
    history = History(
        readings={(HOLDER, WH, each): quantity for each, quantity in (readings or {}).items()},
        homes={HOLDER: list(homes)} if homes else {},
        city=CITY if city is None else city,
    )
    return saved_quantity(
        history,
        programme_code="city",
        behaviour_code=WH,
        holder=HOLDER,
        month=month,
        reading=reading,
    )


def changed(**facts) -> Home:
    return FAMILY._replace(**facts)


def test_the_mean_of_the_same_month_in_the_two_years_before():
    found = outcome(FAMILY, readings=BOTH)

    assert (found.code, found.quantity) == (None, 75_000)
    assert found.facts == {
        "month": "2026-11",
        "reading": 200_000,
        "household_since": "2010-01-01",
        "moved_in_on": "2010-01-01",
        "persons": 3,
        "baseline": 275_000,  # 550,001 / 2, rounded down.
        "basis": "own",
        "rests_on": [
            {"month": "2025-11", "days": 30, "reading": 300_000},
            {"month": "2024-11", "days": 30, "reading": 250_001},
        ],
    }


def test_without_both_readings_the_city_s_mean_times_the_persons():
    found = outcome(FAMILY)

    assert (found.code, found.quantity) == (None, 10_000)
    assert found.facts["baseline"] == 210_000
    assert found.facts["basis"] == "city"
    assert found.facts["rests_on"] == [
        {"quantity_per_person": 70_000, "valid_from": "2020-01-01", "document": "yearbook"}
    ]


@pytest.mark.parametrize(
    ("home", "readings", "basis"),
    [
        pytest.param(FAMILY, BOTH, "own", id="both years"),
        pytest.param(FAMILY, {date(2025, 11, 1): 1}, "city", id="one year only"),
        pytest.param(FAMILY, {date(2024, 11, 1): 1}, "city", id="the month is missing last year"),
        pytest.param(
            FAMILY, {date(2025, 10, 1): 1, date(2024, 10, 1): 1}, "city", id="other months only"
        ),
        pytest.param(FAMILY, {date(2023, 11, 1): 1, **BOTH}, "own", id="three years"),
        pytest.param(
            changed(moved_in_on=date(2025, 3, 1)), BOTH, "city", id="moved house between the two"
        ),
        pytest.param(
            changed(moved_in_on=date(2024, 11, 1)), BOTH, "own", id="moved in on the very first"
        ),
        pytest.param(
            changed(moved_in_on=date(2024, 11, 2)), BOTH, "city", id="moved in a day later"
        ),
        pytest.param(
            changed(moved_in_on=NOVEMBER, valid_from=NOVEMBER), {}, "city", id="new household"
        ),
        pytest.param(changed(tier=2), BOTH, "own", id="second tier"),
        pytest.param(FAMILY, dict.fromkeys(BOTH, 0) | {NOVEMBER: 9}, "own", id="nothing was used"),
    ],
)
def test_what_the_baseline_rests_on(home, readings, basis):
    assert outcome(home, readings=readings, reading=0).facts["basis"] == basis


@pytest.mark.parametrize(
    ("homes", "code"),
    [
        pytest.param([], "no_household", id="never declared"),
        pytest.param([changed(valid_from=date(2026, 12, 1))], "no_household", id="declared later"),
        pytest.param(
            [changed(moved_in_on=date(2026, 11, 2), valid_from=date(2026, 11, 2))],
            "no_household",
            id="moved in within the month",
        ),
        pytest.param([changed(solar=True)], "solar_household", id="solar roof"),
        pytest.param(
            [FAMILY, changed(solar=True, valid_from=date(2026, 11, 30))],
            "solar_household",
            id="solar roof since the last day",
        ),
        pytest.param([changed(tier=3)], "top_tier_household", id="top tier"),
        pytest.param([changed(solar=True, tier=3)], "solar_household", id="both"),
        pytest.param(
            [changed(tier=3), changed(tier=2, valid_from=NOVEMBER)], None, id="top tier no longer"
        ),
        pytest.param(
            [FAMILY, changed(tier=3, valid_from=date(2026, 12, 1))], None, id="top tier only later"
        ),
    ],
)
def test_whose_household_cannot_be_compared(homes, code):
    found = outcome(*homes, readings=BOTH)

    assert found.code == code
    assert (found.quantity == 0) == (code is not None)
    assert found.facts["reading"] == 200_000


@pytest.mark.parametrize("facts", [{"solar": True}, {"tier": 3}])
def test_solar_roofs_and_tiers_matter_to_electricity_alone(facts):
    for base_unit, code in (("Wh", True), ("ml", False)):
        history = History(homes={HOLDER: [changed(**facts)]}, city=CITY)
        found = in_one_batch(history, NOVEMBER, 200_000, base_unit=base_unit)
        assert (found.code is not None) is code


@pytest.mark.parametrize(
    ("reading", "code", "saved"),
    [
        (275_000, "no_saving", 0),
        (275_001, "no_saving", 0),
        (274_999, None, 1),
        (999_999_999, "no_saving", 0),
    ],
)
def test_a_reading_that_is_not_below_the_baseline_saves_nothing(reading, code, saved):
    found = outcome(FAMILY, readings=BOTH, reading=reading)

    assert (found.code, found.quantity) == (code, saved)
    assert found.facts["baseline"] == 275_000


@pytest.mark.parametrize(
    ("month", "before", "year_before", "baseline"),
    [
        pytest.param(date(2028, 2, 1), 280_000, 280_000, 290_000, id="29 days, two of 28 before"),
        pytest.param(date(2029, 2, 1), 290_000, 280_000, 280_000, id="28 days, 29 the year before"),
        pytest.param(
            date(2030, 2, 1), 280_000, 290_000, 280_000, id="28 days, 29 two years before"
        ),
        pytest.param(date(2027, 2, 1), 280_001, 280_000, 280_000, id="28 days each, rounded down"),
        pytest.param(date(2029, 2, 1), 100, 100, 98, id="(100 × 28/29 + 100) / 2, rounded down"),
    ],
)
def test_a_leap_year_s_february_is_scaled_to_the_days(month, before, year_before, baseline):
    readings = {month.replace(year=month.year - 1): before}
    readings[month.replace(year=month.year - 2)] = year_before

    assert outcome(FAMILY, readings=readings, month=month).facts["baseline"] == baseline


def test_of_the_city_s_means_the_latest_that_had_begun_counts():
    means = [
        CityMean(date(2020, 1, 1), 1, "a"),
        CityMean(date(2026, 11, 1), 2, "b"),
        CityMean(date(2026, 11, 2), 3, "c"),
    ]

    found = outcome(FAMILY, reading=0, city={("city", WH, 11): means})

    assert found.facts["baseline"] == 6


@pytest.mark.parametrize(
    "city",
    [
        {},
        {("city", WH, 12): CITY["city", WH, 11]},
        {("other", WH, 11): CITY["city", WH, 11]},
        {("city", WH, 11): [CityMean(date(2027, 1, 1), 1, "later")]},
    ],
)
def test_without_a_city_mean_there_is_no_method_for_it(city):
    assert outcome(FAMILY, city=city).code == "no_method"
    assert outcome(FAMILY, city=city, readings=BOTH).code is None


def in_one_batch(history: History, month: date, reading: int, **more) -> Outcome:
    return saved_quantity(
        history,
        programme_code="city",
        behaviour_code=WH,
        holder=HOLDER,
        month=month,
        reading=reading,
        **more,
    )


def test_an_event_of_the_batch_may_rest_on_one_before_it():
    history = History(homes={HOLDER: [FAMILY]}, city=CITY)
    in_one_batch(history, date(2024, 11, 1), 250_001)
    in_one_batch(history, date(2025, 11, 1), 300_000)

    assert in_one_batch(history, NOVEMBER, 200_000).facts["baseline"] == 275_000


def test_a_household_has_one_reading_a_month_whatever_its_meters():
    history, first, second = History(homes={HOLDER: [FAMILY]}, city=CITY), uuid4(), uuid4()

    told = in_one_batch(history, NOVEMBER, 200_000, activity_id=first)
    again = in_one_batch(history, NOVEMBER, 200_000, activity_id=first)
    another = in_one_batch(history, NOVEMBER, 90_000, activity_id=second)

    assert (told.code, told.quantity, again) == (None, 10_000, told)
    assert (another.code, another.quantity, another.duplicate_of) == ("already_claimed", 0, first)
    assert history.readings[HOLDER, WH, NOVEMBER] == 200_000

    instead = in_one_batch(history, NOVEMBER, 190_000, activity_id=second, supersedes={first})

    assert (instead.code, instead.quantity) == (None, 20_000)
    assert history.readings[HOLDER, WH, NOVEMBER] == 190_000


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.dates(date(2010, 1, 1), date(2100, 1, 1)).map(lambda day: day.replace(day=1)),
)
def test_saved_and_used_make_up_the_baseline_which_lies_between_the_scaled_readings(
    before, year_before, reading, month
):
    home = changed(valid_from=date(1990, 1, 1), moved_in_on=date(1990, 1, 1))
    readings = {month.replace(year=month.year - 1): before}
    readings[month.replace(year=month.year - 2)] = year_before

    found = outcome(home, readings=readings, reading=reading, month=month)

    baseline = found.facts["baseline"]
    assert found.quantity == max(0, baseline - reading)
    assert min(before, year_before) * 28 // 29 <= baseline
    assert baseline <= max(before, year_before) * 29 // 28 + 1


def instant(written: str) -> datetime:
    return datetime.fromisoformat(written)


@pytest.mark.parametrize(
    ("start", "end", "month"),
    [
        ("2026-11-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00", date(2026, 11, 1)),
        ("2026-10-31T16:00:00+00:00", "2026-11-30T16:00:00+00:00", date(2026, 11, 1)),
        ("2026-12-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00", date(2026, 12, 1)),
        ("2028-02-01T00:00:00+08:00", "2028-03-01T00:00:00+08:00", date(2028, 2, 1)),
        ("2028-02-01T00:00:00+08:00", "2028-02-29T00:00:00+08:00", None),
        ("2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00", None),
        ("2026-11-01T00:00:00+08:00", "2026-11-30T23:59:59+08:00", None),
        ("2026-11-01T00:00:00.000001+08:00", "2026-12-01T00:00:00+08:00", None),
        ("2026-11-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00", None),
        ("2026-11-02T00:00:00+08:00", "2026-12-02T00:00:00+08:00", None),
    ],
)
def test_only_a_whole_calendar_month_of_the_zone_is_one(start, end, month):
    assert whole_month(instant(start), instant(end), SHANGHAI) == month


def row(holder_id, month: date, quantity: int, activity=None) -> ReadingRow:
    return ReadingRow(holder_id.hex, WH, month, quantity, activity or uuid4().hex)


def kept(session, holder_id) -> dict[date, int]:
    session.expire_all()
    query = select(Reading).where(Reading.holder_id == holder_id)
    return {each.month: each.quantity for each in session.scalars(query)}


def test_a_batch_s_history_is_read_in_one_round_trip_of_three_statements(session, statements):
    holders = [a_resident(session) for _ in range(3)]
    for holder_id in holders[:2]:
        declared = Declared(date(2026, 11, 1), 2, date(2020, 1, 1), solar=False, tier=1)
        declare(session, holder_id, declared, now=NOW, actor="test")
    months = [date(2024, 11, 1), date(2025, 11, 1), date(2025, 10, 1)]
    keep_readings(session, [row(holders[0], month, 100 + n) for n, month in enumerate(months)])
    keep_readings(session, [row(holders[2], months[0], 7)])

    with statements() as sent:
        history = read_history(session, [(each.hex, WH, NOVEMBER) for each in holders])

    assert len(sent) == 3
    assert history.readings == {
        (holders[0].hex, WH, months[0]): 100,
        (holders[0].hex, WH, months[1]): 101,
        (holders[2].hex, WH, months[0]): 7,
    }
    home = Home(date(2026, 11, 1), 2, date(2020, 1, 1), False, 1)
    assert history.homes == {holders[0].hex: [home], holders[1].hex: [home]}
    with statements() as sent:
        assert read_history(session, []) == History()
        keep_readings(session, [])
        forget_readings(session, {})
    assert sent == []


def test_the_city_s_means_are_read_in_the_order_of_their_days(session):
    for valid_from, quantity in ((date(2026, 1, 1), 80_000), (date(2020, 1, 1), 70_000)):
        session.add(
            CityBaseline(
                programme_code=DEMO_PROGRAMME,
                behaviour_code="walking",  # Any that exists.
                month=11,
                valid_from=valid_from,
                quantity_per_person=quantity,
                publisher="p",
                document="d",
                source_address="a",
            )
        )
    session.flush()

    history = read_history(session, [(HOLDER, "walking", NOVEMBER)])

    assert history.city[DEMO_PROGRAMME, "walking", 11] == [
        CityMean(date(2020, 1, 1), 70_000, "d"),
        CityMean(date(2026, 1, 1), 80_000, "d"),
    ]


def test_a_later_reading_of_a_month_takes_the_place_of_the_earlier(session):
    holder_id, activity = a_resident(session), uuid4().hex
    first = row(holder_id, NOVEMBER, 100, activity)

    keep_readings(session, [row(holder_id, NOVEMBER, 50), first])
    keep_readings(session, [first])
    assert kept(session, holder_id) == {NOVEMBER: 100}

    keep_readings(session, [row(holder_id, NOVEMBER, 90, activity)])
    assert kept(session, holder_id) == {NOVEMBER: 90}

    superseding = row(holder_id, NOVEMBER, 80)
    keep_readings(session, [superseding])
    forget_readings(session, {activity: holder_id.hex})
    assert kept(session, holder_id) == {NOVEMBER: 80}
    history = read_history(session, [(holder_id.hex, WH, NOVEMBER)])
    assert history.brought_by == {(holder_id.hex, WH, NOVEMBER): UUID(superseding.activity)}


def test_what_a_withdrawn_activity_brought_is_forgotten_and_nothing_else(session):
    holder_id, other = a_resident(session), a_resident(session)
    gone, stays = row(holder_id, NOVEMBER, 1), row(holder_id, date(2026, 10, 1), 2)
    keep_readings(session, [gone, stays, row(other, NOVEMBER, 3)])

    forget_readings(session, {gone.activity: holder_id.hex, uuid4().hex: other.hex})

    assert kept(session, holder_id) == {date(2026, 10, 1): 2}
    assert kept(session, other) == {NOVEMBER: 3}


def test_ten_thousand_months_in_the_same_three_statements(session, statements):
    wanted = [(uuid4().hex, WH, NOVEMBER) for _ in range(10_000)]
    session.connection()
    with statements() as sent:
        assert read_history(session, wanted).readings == {}
    assert len(sent) == 3


def test_a_day_of_another_zone_is_of_its_month_there():
    start = datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert whole_month(start, start + timedelta(days=30), SHANGHAI) == NOVEMBER
    assert whole_month(start, start + timedelta(days=30), ZoneInfo("UTC")) is None
