"""A catalogue loads whole or not at all; what is loaded is never changed."""

import shutil
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from activities.catalogue.loading import BUNDLED, FILES, load
from activities.catalogue.models import Division, Factor, Rule
from activities.errors import CatalogueRefused
from activities.policies import load_policies

pytestmark = pytest.mark.once

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    """A copy of the bundled files, without the long one."""
    for name in FILES:
        if name != "divisions.csv.gz" and (BUNDLED / name).is_file():
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
        ("factors.csv", ",seen,as", ",recalled,as", "methods.csv line 2: the source of"),
        ("factors.csv", "52000000,count", "52000000,m", "factors.csv line 3: wrong dimensions"),
        ("factors.csv", "52000000,count", "52000000,m", "BIKE_TRIP.BJ is per m"),
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
    add(folder, "methods.csv", methods_row(folder).replace("per_step,1", "by_step,1"))

    with pytest.raises(CatalogueRefused, match=r"overlaps methods\.csv line 2"):
        load(session, folder, now=NOW)


def test_a_method_that_overlaps_what_is_loaded_is_refused(session, tmp_path):
    header, row = (BUNDLED / "methods.csv").read_text(encoding="utf-8").splitlines()[:2]
    row = row.replace("per_step,1", "by_step,1")
    (tmp_path / "methods.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")

    with pytest.raises(
        CatalogueRefused, match=r"line 2: .* overlaps the loaded methods\.csv walking"
    ):
        load(session, tmp_path, now=NOW)


def test_a_version_may_follow_while_the_one_before_still_holds(session, folder):
    row = methods_row(folder).replace("per_step,1", "per_step,2")
    add(folder, "methods.csv", row.replace("2016-01-01", "2016-05-01"))

    assert load(session, folder, now=NOW)["methods.csv"] == 1


def methods_row(folder) -> str:
    return (folder / "methods.csv").read_text(encoding="utf-8").splitlines()[1]


def add(folder, name: str, row: str):
    path = folder / name
    path.write_text(path.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")


def test_a_folder_may_refer_to_what_is_loaded(session, tmp_path):
    header = (BUNDLED / "rules.csv").read_text(encoding="utf-8").splitlines()[0]
    row = 'my.rule,1,sh-2026,metro_ride,"{""kind"": ""freshness"", ""max_days"": 9}",2027-01-01,,x'
    (tmp_path / "rules.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")

    assert load(session, tmp_path, now=NOW) == {"rules.csv": 1}


def test_a_code_that_could_break_a_line_is_refused(session, folder):
    edited(folder, "behaviours.csv", "walking,步行", '"wal,king",步行')

    with pytest.raises(CatalogueRefused, match=r"behaviours.csv line 2: code"):
        load(session, folder, now=NOW)


def test_an_empty_folder_is_refused(session, tmp_path):
    with pytest.raises(CatalogueRefused, match="holds none of"):
        load(session, tmp_path, now=NOW)


def test_a_cap_in_steps_is_a_cap_in_points_by_that_days_method(session):
    policy = load_policies(session, ["demo.walking"])["demo.walking"]

    caps = policy.on(datetime(2016, 4, 12, tzinfo=UTC).date()).caps
    assert [(cap.rule, cap.per, cap.points) for cap in caps] == [("walking.cap", "day", 200)]
