"""Progress against plans, and what is observed on the platform: never mixed."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from service.districts.plans import indicators, targets
from service.districts.plans.observed import DEFINITIONS, observed
from service.districts.plans.progress import Reported, Wanted, progress
from service.districts.plans.reported import NewValue, enter
from tests.service.districts.report_contents import a_content

WANTED = Wanted(2025, 45_000, ">=", "%")
IN_2025 = date(2025, 7, 1)
QINGPU = "310118"


def at(**values: int) -> list[Reported]:
    """``y2024=44_000``: 44 % in 2024; ``q2025_3`` a quarter, ``m2025_07`` a month."""
    named = []
    for name, value in values.items():
        year, _, part = name[1:].partition("_")
        period = {"y": year, "q": f"{year}-Q{part}", "m": f"{year}-{part}"}[name[0]]
        named.append(Reported(period, value))
    return named


@pytest.mark.parametrize(
    ("values", "on", "state", "gap"),
    [
        ({}, IN_2025, "no_value", None),
        ({"y2025": 45_000}, IN_2025, "met", 0),
        ({"y2024": 46_000}, IN_2025, "met", 0),
        ({"y2024": 44_000}, IN_2025, "on_the_way", 1_000),  # One value has no pace.
        ({"y2022": 42_000, "y2024": 44_000}, IN_2025, "on_the_way", 1_000),  # 45 by the end.
        ({"y2022": 43_000, "y2024": 44_000}, IN_2025, "behind", 1_000),  # 44.5 by the end.
        ({"y2023": 44_500, "y2024": 44_000}, IN_2025, "behind", 1_000),
        ({"y2025": 44_999}, date(2026, 1, 1), "behind", 1),
        ({"y2026": 99_000}, date(2026, 7, 1), "no_value", None),  # After the plan's year.
        ({"y2024": 44_000, "q2025_1": 44_100}, IN_2025, "on_the_way", 900),
        ({"m2025_01": 44_000, "m2025_02": 44_100}, IN_2025, "on_the_way", 900),
    ],
)
def test_a_target_stands_by_the_latest_value_of_its_years(values, on, state, gap):
    found = progress(WANTED, at(**values), on=on)

    assert (found.state, found.gap_thousandths) == (state, gap)


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        (">", 45_000, "behind"),
        (">", 45_001, "met"),
        ("<=", 45_000, "met"),
        ("<=", 45_001, "behind"),
        ("<", 45_000, "behind"),
        ("<", 44_999, "met"),
    ],
)
def test_a_target_is_compared_as_the_plan_has_it(comparison, value, state):
    wanted = Wanted(2025, 45_000, comparison, "%")

    assert progress(wanted, at(y2025=value), on=date(2026, 1, 1)).state == state


def test_a_sentence_says_all_of_it_in_both_languages():
    found = progress(WANTED, at(y2023=43_000, y2024=44_600), on=IN_2025).sentence

    assert found.zh == (
        "2024 填报 44.6%；目标为 2025 年不低于 45%，推进中，差 0.4 个百分点；"
        "自 2023 以来上升 1.6 个百分点。"
    )
    assert found.en == (
        "44.6% reported for 2024; the target is at least 45% in 2025: on the way,"
        " 0.4 percentage points short; up 1.6 percentage points since 2023."
    )


def test_months_are_no_trend_of_years():
    found = progress(WANTED, at(y2023=10_000, y2024=44_000, m2025_01=44_900), on=IN_2025)

    assert [one.period for one in found.trend] == ["2025-01"]


def reported(session, period, thousandths, now):
    value = NewValue(
        uuid4(), QINGPU, "waste_recycling_rate", period, thousandths, "%", "统计", date(2026, 1, 5)
    )
    enter(session, [value], by="anna", now=now)


def test_a_report_tells_what_was_known_of_its_period_when_it_was_issued(session):
    targets.load(session)
    first, later = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    reported(session, "2024", 44_000, first)
    reported(session, "2025", 46_000, first)
    reported(session, "2025", 44_500, later)

    def stands(period, as_of):
        found = indicators.section(session, QINGPU, period, as_of)["targets"]
        (one,) = [each for each in found if each["indicator"] == "waste_recycling_rate"]
        return one["latest"]["value_thousandths"], one["state"]

    assert stands("2025-12", first) == (46_000, "met")
    assert stands("2025-12", later) == (44_500, "behind"), "the one entered last counts"
    assert stands("2024", later) == (44_000, "on_the_way"), "what came after is not told"
    assert stands("2025-12", first) == (46_000, "met"), "and the same again, later"


def test_a_division_without_a_plan_has_no_targets(session):
    targets.load(session)

    found = indicators.section(session, "310101", "2025", datetime(2026, 2, 1, tzinfo=UTC))

    assert found == {"targets": []}


def test_what_is_observed_has_its_denominator_and_is_nobody_elses():
    found = {one["code"]: one for one in observed(a_content())}

    assert found.keys() == {each.code for each in DEFINITIONS}
    trips = found["observed_green_trips"]
    assert trips["value_thousandths"] == 2 * 9_000 * 1_000 // 600
    assert found["observed_saved"]["value_thousandths"] == 27_000 * 100_037 // 1_000 // 600
    assert found["observed_participation"]["value_thousandths"] == 290 * 100_000 // 600
    for one in found.values():
        assert one["registered_residents"] == 600
        assert "只反映平台注册居民，不代表全体居民" in one["sentence_zh"]
        assert "not of the population" in one["sentence_en"]


@pytest.mark.parametrize("registered", [0, None])
def test_without_a_denominator_nothing_is_observed(registered):
    content = a_content(registered=[{"town_code": None, "residents": registered}])

    assert {one["value_thousandths"] for one in observed(content)} == {None}


def test_what_is_withheld_is_said_to_be_missing():
    content = a_content()
    content["by_behaviour"][0]["figures"] = None

    trips = observed(content)[0]

    assert (trips["value_thousandths"], trips["left_out"]) == (15_000, 1)
    assert "未含 1 项未公布的数" in str(trips["sentence_zh"])
