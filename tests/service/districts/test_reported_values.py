"""What district staff report: within their division, in the right unit, each wrong row named."""

import json
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from service.admin.models import AdminAct
from service.cli import tanhui
from service.districts.models import ReportedValue
from service.districts.plans import reported, targets
from service.districts.plans.files import ROWS_MAX
from tests.service.answers import nothing_written, refused

DISTRICT = "/v1/districts/310118"
HEADER = "indicator,period,value,unit,source,source_date"
ROW = "waste_recycling_rate,2026-Q3,44.6,%,区绿化市容局统计,2026-10-15"
VALUE = {
    "indicator": "waste_recycling_rate",
    "period": "2026-Q3",
    "value_thousandths": 44_600,
    "unit": "%",
    "source": "区绿化市容局统计",
    "source_date": "2026-10-15",
}


@pytest.fixture(autouse=True)
def plans(database):
    database.transact(targets.load)


@pytest.fixture
def officer(bearer):
    return bearer("district_officer", "anna", "310118")


@pytest.fixture
def put(client, officer):
    """Report one value as the officer; the body's members may be changed."""

    def send(id_=None, headers=officer, district=DISTRICT, **changed):
        url = f"{district}/reported-values/{id_ or uuid4()}"
        return client.put(url, json=VALUE | changed, headers=headers)

    return send


@pytest.fixture
def upload(client, officer):
    """Upload rows as the officer."""

    def send(*rows, id_=None, header=HEADER, encoding="utf-8", headers=officer, content=None):
        text = "\r\n".join([header, *rows, ""]).encode(encoding)
        return client.put(
            f"{DISTRICT}/reported-value-files/{id_ or uuid4()}",
            data=text if content is None else content,
            content_type="text/csv",
            headers=headers,
        )

    return send


def of_file(database, id_):
    query = select(AdminAct).where(AdminAct.object_id == str(id_))
    return database.transact(lambda session: session.scalars(query).all())


def test_a_value_is_entered_once(put, database, client, officer):
    id_ = uuid4()

    answers = [put(id_) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert answers[0].json["value_thousandths"] == 44_600
    assert answers[0].json["entered_by"] == "anna"
    (act,) = of_file(database, id_)
    assert (act.what, act.actor, act.before) == ("reported_value.enter", "anna", None)
    assert act.after["value_thousandths"] == 44_600


def test_an_id_stands_for_one_value(put, database):
    put(id_ := uuid4())

    with nothing_written(database):
        problem = refused(put(id_, value_thousandths=1), 409, "reported-value-id-reused")

    assert problem["value_id"] == str(id_)


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"indicator": "happiness"}, "indicator"),
        ({"unit": "t"}, "unit"),
        ({"value_thousandths": 100_001}, "value"),
        ({"value_thousandths": -100_001}, "value"),
        ({"indicator": "new_greenway_km", "unit": "km", "value_thousandths": -1}, "value"),
        ({"indicator": "charging_piles", "unit": "count", "value_thousandths": 500}, "value"),
        ({"period": "2999"}, "period"),
        ({"source_date": "2999-01-01"}, "source_date"),
        ({"source_date": "1999-12-31"}, "source_date"),
    ],
)
def test_what_cannot_be_is_refused_with_its_column(put, database, changed, column):
    with nothing_written(database):
        problem = refused(put(**changed), 422, "reported-values-refused")

    assert [(row["line"], row["column"]) for row in problem["rows"]] == [(None, column)]


@pytest.mark.parametrize(
    "changed",
    [
        {"period": "2026-13"},
        {"period": "2026-10\n"},
        {"value_thousandths": 44.6},
        {"value_thousandths": 10**16},
        {"unit": "furlong"},
        {"source": " "},
        {"source": "a" * 301},
        {"source_date": "yesterday"},
        {"entered_by": "ben"},
    ],
)
def test_a_body_that_does_not_fit_is_refused(put, database, changed):
    with nothing_written(database):
        refused(put(**changed), 422, "body-does-not-fit")


def test_who_is_of_another_division_or_role_reports_nothing(put, upload, bearer, database):
    other = bearer("district_officer", "ben", "510105")

    with nothing_written(database):
        refused(put(headers=other), 404, "unknown-division")
        refused(upload(ROW, headers=other), 404, "unknown-division")
        refused(put(headers=bearer("auditor")), 403, "wrong-role")
        elsewhere = put(headers=bearer("operator"), district="/v1/districts/999999")
        refused(elsewhere, 422, "reported-values-refused")


def test_the_value_entered_last_counts(put, client, database, officer):
    put(period="2025", value_thousandths=46_000)
    put(period="2025", value_thousandths=44_000)

    told = client.get(f"{DISTRICT}/targets", headers=officer).json["targets"]

    (one,) = [
        each for each in told if (each["indicator"], each["year"]) == ("waste_recycling_rate", 2025)
    ]
    assert (one["state"], one["latest"]["value_thousandths"]) == ("behind", 44_000)
    assert one["sentence_en"].startswith("44% reported for 2025; the target is at least 45%")


def test_a_file_is_taken_whole_and_once(upload, client, database, officer):
    id_, town = uuid4(), "310118001"
    rows = (
        "sorted_waste,2026-10,1520.375,吨,统计,2026-11-05,",
        f"resident_population,2025,81000,人,统计公报,2026-03-01,{town}",
    )

    answers = [upload(*rows, id_=id_, header=f"{HEADER},division_code") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == {"id": str(id_), "lines": 2}
    (act,) = of_file(database, id_)
    assert (act.what, act.after["rows"]) == ("reported_value.upload", 2)
    found = client.get(
        f"{DISTRICT}/reported-values?indicator=resident_population", headers=officer
    ).json["reported_values"][0]
    assert (found["division_code"], found["unit"]) == (town, "person")
    people = database.transact(
        lambda session: reported.populations(
            session, [town], beyond=date(2026, 11, 1), as_of=datetime.now(UTC)
        )
    )
    assert people[town].value_thousandths == 81_000_000


def test_excels_own_encoding_is_read(upload):
    assert upload(ROW, encoding="gb18030").status_code == 201
    assert upload(ROW, encoding="utf-8-sig").status_code == 201


def test_each_wrong_row_is_named_and_nothing_is_written(upload, database):
    rows = (
        ROW,
        ROW.replace("%", "t").replace("2026-Q3", "2026-Q1"),
        "",
        ROW.replace("44.6", "44,6").replace("2026-Q3", "2026-Q4"),
        ROW.replace("44.6", '"44,6"').replace("2026-Q3", "2026-Q2"),
        ROW.replace("2026-Q3", "Q3 2026"),
        ROW.replace("waste_recycling_rate", "happiness"),
        ROW.replace("区绿化市容局统计", ""),
        ROW.replace("2026-10-15", "15.10.2026"),
        ROW,
    )

    with nothing_written(database):
        problem = refused(upload(*rows), 422, "reported-values-refused")

    assert [(row["line"], row["column"]) for row in problem["rows"]] == [
        (3, "unit"),
        (5, ""),
        (6, "value"),
        (7, "period"),
        (8, "indicator"),
        (9, "source"),
        (10, "source_date"),
        (11, "indicator"),
    ]
    assert problem["faults"] == 8
    assert "的单位是 %，不是 t" in problem["rows"][0]["detail"]
    assert problem["rows"][-1]["detail"] == "与第 2 行重复。"


def test_faults_are_told_in_the_callers_language(upload, officer):
    answer = upload(ROW.replace("%", "t"), headers=officer | {"Accept-Language": "en"})

    assert answer.json["rows"][0]["detail"] == "waste_recycling_rate is in %, not t."
    assert answer.json["detail"] == "1 things are not right (see rows); nothing was kept."


def test_rows_of_other_divisions_are_named(upload, database):
    rows = [f"{ROW},{code}" for code in ("510105", "310118001", "310118999", "31")]

    with nothing_written(database):
        problem = refused(
            upload(*rows, header=f"{HEADER},division_code"), 422, "reported-values-refused"
        )

    assert [(row["line"], row["column"]) for row in problem["rows"]] == [
        (2, "division_code"),
        (4, "division_code"),
        (5, "division_code"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        HEADER.encode(),
        HEADER.replace("unit", "units").encode() + b"\n" + ROW.encode(),
        f"{HEADER},value\n{ROW},1".encode(),
        (HEADER + "\n" + f"{ROW}\n" * (ROWS_MAX + 1)).encode(),
        f"{HEADER}\n{ROW}\x00".encode(),
        f'{HEADER}\n"{ROW}'.encode(),
    ],
    ids=["empty", "utf-16", "no rows", "other columns", "twice", "long", "nul", "open quote"],
)
def test_what_is_no_such_file_is_refused(upload, database, content):
    with nothing_written(database):
        refused(upload(content=content), 422, "reported-values-refused")


def test_an_id_stands_for_one_file(upload, database):
    upload(ROW, id_=(id_ := uuid4()))
    other = ROW.replace("2026-Q3", "2026-Q2")

    with nothing_written(database):
        for rows in ((other,), (ROW, other), (ROW.replace("44.6", "44.7"),)):
            refused(upload(*rows, id_=id_), 409, "reported-value-id-reused")


def test_what_was_entered_is_listed_page_by_page(put, client, officer):
    ids = [put(period=f"2026-{month:02}").json["id"] for month in range(1, 6)]
    found, url = [], f"{DISTRICT}/reported-values?limit=2"
    cursor = ""
    while len(found) < len(ids):
        page = client.get(f"{url}{cursor}", headers=officer).json
        found += [each["id"] for each in page["reported_values"]]
        cursor = f"&cursor={page['next_cursor']}"

    assert found[:5] == ids[::-1]


def test_what_can_be_reported_is_listed_with_its_unit(client, officer):
    found = client.get(f"{DISTRICT}/indicators", headers=officer).json["indicators"]

    units = {each["code"]: each["unit"] for each in found}
    assert units["resident_population"] == "person"
    assert units["waste_recycling_rate"] == "%"


@pytest.fixture
def run(database_url, urls, monkeypatch, tmp_path):
    monkeypatch.setenv("TANHUI_DATABASE_URL", database_url)
    monkeypatch.setenv("TANHUI_REDIS_URL", urls["redis"])
    monkeypatch.setenv("TANHUI_VAR_DIR", str(tmp_path))
    return lambda *words: CliRunner().invoke(tanhui, ["indicators", *map(str, words)])


def test_commands_enter_upload_and_list(run, tmp_path, database):
    told = run(
        *("enter", "310118", "green_travel_share", "2025", "76.5", "--source", "交通委"),
        *("--source-date", "2026-02-01", "--by", "li.na"),
    )
    assert told.exit_code == 0, told.output
    assert "green_travel_share of 310118 in 2025: 76.5%" in told.output

    file = tmp_path / "values.csv"
    file.write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    counts = []
    query = select(func.count()).select_from(ReportedValue)
    for _ in range(2):
        assert "1 values of 310118" in run("upload", "310118", file, "--by", "li.na").output
        counts.append(database.transact(lambda session: session.scalar(query)))
    assert counts[0] == counts[1], "the same file again changes nothing"

    listed = json.loads(run("list", "310118", "--json").output)
    stands = {(each["indicator"], each["year"]): each["state"] for each in listed}
    assert stands["green_travel_share", 2025] == "met"
    assert "met" in run("list", "310118").output
    assert "resident_population" in run("list").output


def test_a_command_names_each_wrong_row(run, tmp_path):
    file = tmp_path / "values.csv"
    file.write_text(f"{HEADER}\n{ROW.replace('%', 't')}\n", encoding="utf-8")

    told = run("upload", "310118", file, "--by", "li.na")

    assert "line 2: unit: waste_recycling_rate is in %, not t." in str(told.exception)
