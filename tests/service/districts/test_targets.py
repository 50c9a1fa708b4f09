"""Plan targets load whole or not at all; each row that does not is named."""

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from activities.errors import CatalogueRefused
from service.commands.catalogue import catalogue
from service.districts.models import PlanTarget
from service.districts.plans import targets
from service.districts.plans.thousandths import thousandths, written

HEADER = (
    "division_code,division_name,plan,issued,indicator,name_zh,name_en,target,unit,comparison,year,"
    "how_measured"
)
ROW = "310118,青浦区,一份规划,2022-12-30,bins,分类桶,Bins,3.6,%,>=,2030,reported"


def a_file(folder, *rows):
    path = folder / targets.NAME
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


def test_the_bundled_plans_load_once(fresh_database):
    assert fresh_database.transact(targets.load) == 31
    assert fresh_database.transact(targets.load) == 0

    query = select(PlanTarget.division_code, func.count()).group_by(PlanTarget.division_code)
    of = dict(fresh_database.transact(lambda session: session.execute(query).all()))
    assert of == {"310118": 8, "510105": 9, "3304": 5, "31": 9}, "codes of cities end before 00"


def test_a_target_is_exact(session, tmp_path):
    targets.load(session, a_file(tmp_path, ROW))

    one = session.scalars(select(PlanTarget).where(PlanTarget.indicator == "bins")).one()
    assert (one.target_thousandths, one.unit, one.clause) == (3_600, "%", None)


def test_a_row_in_other_words_takes_the_place_of_the_one_before(session, tmp_path):
    targets.load(session, a_file(tmp_path, ROW))

    assert targets.load(session, a_file(tmp_path, ROW.replace("3.6", "4"))) == 1
    session.expire_all()
    one = session.scalars(select(PlanTarget).where(PlanTarget.indicator == "bins")).one()
    assert one.target_thousandths == 4_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("310118,", "310999,"), "division_code 310999 is unknown"),
        (("青浦区", "青羊区"), "division_name is '青羊区', but '青浦区' there"),
        (("3.6", "3.6.1"), "target is '3.6.1'"),
        (("3.6", "3.6123"), "at most three decimal places"),
        (("%", "furlong"), "unit is 'furlong', none of %, count"),
        ((">=", "=>"), "comparison is '=>'"),
        (("2030", "30"), "year is '30'"),
        (("2022-12-30", "2022"), "issued is '2022'"),
        (("reported", "observed"), "how_measured is 'observed', none of reported"),
        (("bins", "bi ns"), "indicator is 'bi ns'"),
        (("一份规划", ""), "plan is empty"),
        (("reported", "reported,more"), "more fields than columns"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_loads(session, tmp_path, change, said):
    path = a_file(tmp_path, ROW.replace("bins", "other"), ROW.replace(*change))

    with pytest.raises(CatalogueRefused) as refused:
        targets.load(session, path)

    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith("plan_targets.csv line 3: ")
    assert said in refused.value.problems[0]
    assert not session.scalar(select(func.count()).where(PlanTarget.plan == "一份规划"))


def test_an_indicator_has_one_unit_everywhere(session, tmp_path):
    other = ROW.replace("bins", "waste_recycling_rate").replace(",%,", ",t,")
    targets.load(session)

    with pytest.raises(CatalogueRefused, match="waste_recycling_rate is in t, but loaded in %"):
        targets.load(session, a_file(tmp_path, other))
    with pytest.raises(CatalogueRefused, match="bins is in t, but in %"):
        targets.load(session, a_file(tmp_path, ROW, ROW.replace("2030", "2031").replace("%", "t")))


def test_a_row_stands_once(session, tmp_path):
    with pytest.raises(CatalogueRefused, match="line 3: stands twice"):
        targets.load(session, a_file(tmp_path, ROW, ROW))


def test_a_folder_may_hold_plans_alone(tmp_path):
    a_file(tmp_path, ROW)
    assert (
        CliRunner().invoke(catalogue, ["check", str(tmp_path)]).output == "1 files, 1 rows: fine\n"
    )

    a_file(tmp_path, ROW.replace(">=", "about"))
    told = CliRunner().invoke(catalogue, ["check", str(tmp_path)])
    assert told.exit_code == 1
    assert "plan_targets.csv line 2: comparison is 'about'" in told.output


@pytest.mark.parametrize(
    ("said", "value"),
    [("3.6", 3_600), ("0", 0), ("-4", -4_000), ("-0.5", -500), ("250000000", 250_000_000_000)],
)
def test_decimals_are_thousandths(said, value):
    assert thousandths(said) == value
    assert written(value, grouped=False) == said


@pytest.mark.parametrize("said", ["", "1e3", "1,000", " 1", "+1", "٣", "0.1234", "9" * 13, "nan"])
def test_what_is_no_plain_decimal_is_none(said):
    with pytest.raises(ValueError, match="it is"):
        thousandths(said)
