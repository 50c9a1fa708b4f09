"""A catalogue loads whole or not at all; what is loaded is never changed."""

import shutil
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from activities.catalogue.loading import BUNDLED, FILES, load
from activities.errors import CatalogueRefused
from activities.models import Division, Factor, Rule
from activities.policies import load_policies

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    """A copy of the bundled files, without the long one."""
    for name in FILES:
        if name != "divisions.csv.gz":
            shutil.copy(BUNDLED / name, tmp_path / name)
    return tmp_path


def edited(folder, name: str, old: str, new: str):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_loading_again_writes_nothing(session):
    assert set(load(session, now=NOW).values()) == {0}


def test_all_divisions_of_the_table_are_there(session):
    counts: dict[str, int] = {}
    for level in session.scalars(select(Division.level)):
        counts[level] = counts.get(level, 0) + 1

    assert counts == {"province": 31, "city": 342, "district": 2_978, "town": 41_352}
    assert session.get_one(Division, "310118").name_zh == "青浦区"
    assert session.get_one(Division, "510105").name_zh == "青羊区"
    assert session.get_one(Division, "310118001").parent_code == "310118"


def test_factors_are_micrograms_of_what_was_published(session):
    for code, grams in (("WALK_STEP.WH", 0.02), ("BIKE_TRIP.BJ", 52)):
        factor = session.get_one(Factor, code)
        assert factor.ug_co2e_per_unit == grams * 1_000_000
        assert float(factor.published_value) == grams
        assert factor.source_address


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("factors.csv", "52000000,count", "53000000,count", "loaded with other content"),
        ("factors.csv", "52000000,count", "much,count", "factors.csv line 3: ug_co2e_per_unit"),
        ("factors.csv", "北京绿色生活季平台", "", "factors.csv line 3: publisher is empty"),
        ("factors.csv", "933sd.com/news/news-1152974-1.html", "", "source_address is empty"),
        ("factors.csv", ",seen\nBIKE", ",recalled\nBIKE", "methods.csv line 2: the source of"),
        ("factors.csv", "52000000,count", "52000000,m", "the factor is per m"),
        ("factors.csv", "publisher,", "", "column publisher is missing"),
        ("rules.csv", "daily_cap", "weekly_cap", "rules.csv line 4: parameters"),
        ("rules.csv", '""max"": 10000}', '""max"": -1}', "rules.csv line 4: parameters"),
        ("scenes.csv", "2016-07-01", "2016-13-01", "scenes.csv line 2: approved_to"),
        ("tariffs.csv", "武汉 碳碳星球 积分规则（2022）：1 克计 1 分", "", "document is empty"),
    ],
)
def test_a_wrong_row_is_named_with_file_and_line(session, folder, name, old, new, problem):
    edited(folder, name, old, new)

    with pytest.raises(CatalogueRefused) as refusal:
        load(session, folder, now=NOW)

    assert problem in str(refusal.value)


def test_nothing_is_loaded_when_one_row_is_wrong(session, folder):
    path = folder / "rules.csv"
    good = 'new.rule,1,demo-2016,walking,"{""kind"": ""daily_cap"", ""max"": 5}",2016-01-01,,x\n'
    bad = good.replace("new.rule", "bad.rule").replace("daily_cap", "no_such_kind")
    path.write_text(path.read_text(encoding="utf-8") + good + bad, encoding="utf-8")

    with pytest.raises(CatalogueRefused):
        load(session, folder, now=NOW)

    assert session.get(Rule, ("new.rule", 1)) is None


def test_two_methods_may_not_hold_on_the_same_day(session, folder):
    path = folder / "methods.csv"
    text = path.read_text(encoding="utf-8")
    second = (
        text.splitlines()[1].replace("per_step,1", "per_step,2").replace("2016-01-01", "2016-05-01")
    )
    path.write_text(text + second + "\n", encoding="utf-8")

    with pytest.raises(CatalogueRefused, match=r"overlaps methods\.csv line 2"):
        load(session, folder, now=NOW)


def test_a_code_that_could_break_a_line_is_refused(session, folder):
    edited(folder, "behaviours.csv", "walking,步行", '"wal,king",步行')

    with pytest.raises(CatalogueRefused, match=r"behaviours.csv line 2: code"):
        load(session, folder, now=NOW)


def test_an_empty_folder_is_refused(session, tmp_path):
    with pytest.raises(CatalogueRefused, match="holds none of"):
        load(session, tmp_path, now=NOW)


def test_a_cap_in_steps_is_a_cap_in_points_by_that_days_method(session):
    policy = load_policies(session, ["demo.walking"])["demo.walking"]

    assert policy.on(datetime(2016, 4, 12, tzinfo=UTC).date()).daily_cap_points == 200
